#include "allocator/tier_find.h"
#include "allocator/os.h"
#include "allocator/tier_numa.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DAX "/sys/bus/dax/devices"

static char found[512];
static uint64_t found_bytes;
static size_t most_align;

static uint64_t dax_number(const char *device, const char *name)
{
	char path[512], text[64];

	snprintf(path, sizeof(path), DAX "/%s/%s", device, name);
	return tm_os_read_file(path, text, sizeof(text)) > 0 ? strtoull(text, NULL, 0) : 0;
}

static void look_at(const char *name, int number)
{
	uint64_t bytes = dax_number(name, "size");
	char path[300];

	snprintf(path, sizeof(path), "/dev/%s", name);
	if (bytes <= found_bytes || dax_number(name, "align") > most_align || access(path, R_OK | W_OK))
		return;
	found_bytes = bytes;
	strcpy(found, path);
}

const char *tm_tier_find(size_t granule)
{
	found_bytes = 0;
	most_align = granule;
	tm_os_each_entry(DAX, look_at);
	if (!found_bytes && !tm_numa_find(found, sizeof(found)))
		strcpy(found, "memfd:");
	return found;
}
