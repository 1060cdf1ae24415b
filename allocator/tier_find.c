#include "allocator/tier_find.h"
#include "allocator/os.h"
#include "allocator/tier_numa.h"
#include "allocator/tier_pmem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DAX "/sys/bus/dax/devices"

// Devices that are alike.
static struct kind {
	uint64_t bytes, align, node;
	unsigned devices;
	char names[512];
} kinds[TM_PMEM_DEVICES];
static size_t most_align;

static uint64_t dax_number(const char *device, const char *name)
{
	char path[512], text[64];

	snprintf(path, sizeof(path), DAX "/%s/%s", device, name);
	return tm_os_read_file(path, text, sizeof(text)) > 0 ? strtoull(text, NULL, 0) : 0;
}

static void look_at(const char *name, int number)
{
	struct kind k = {.bytes = dax_number(name, "size"), .align = dax_number(name, "align"), .node = dax_number(name, "numa_node")};
	char path[300];

	snprintf(path, sizeof(path), "/dev/%s", name);
	if (!k.bytes || k.align > most_align || access(path, R_OK | W_OK))
		return;
	for (int i = 0; i < TM_PMEM_DEVICES; i++) {
		struct kind *at = &kinds[i];
		if (!at->devices)
			*at = k;
		if (at->bytes != k.bytes || at->align != k.align || at->node != k.node)
			continue;
		size_t used = strlen(at->names);
		if (at->devices < TM_PMEM_DEVICES && used + strlen(path) + 2 < sizeof(at->names)) {
			snprintf(at->names + used, sizeof(at->names) - used, "%s%s", used ? "," : "", path);
			at->devices++;
		}
		return;
	}
}

const char *tm_tier_find(size_t granule)
{
	static char found[512];
	const struct kind *best = kinds;

	memset(kinds, 0, sizeof(kinds));
	most_align = granule;
	tm_os_each_entry(DAX, look_at);
	for (int i = 1; i < TM_PMEM_DEVICES; i++) {
		if (kinds[i].devices * kinds[i].bytes > best->devices * best->bytes)
			best = &kinds[i];
	}
	if (best->devices)
		strcpy(found, best->names);
	else if (!tm_numa_find(found, sizeof(found)))
		strcpy(found, "memfd:");
	return found;
}
