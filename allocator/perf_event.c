#include "allocator/perf_event.h"
#include "allocator/os.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEVICES "/sys/bus/event_source/devices/"
#define L3_MISS UINT64_C(0x20d1) // MEM_LOAD_RETIRED.L3_MISS, of Intel's server cores since Skylake

// Reads a file of a PMU. False: there is none.
static bool read_text(const char *root, const char *name, char *text, size_t size)
{
	char path[512];

	snprintf(path, sizeof(path), "%s" DEVICES "%s", root, name);
	return tm_os_read_file(path, text, size) > 0;
}

// A field of an event's description, such as umask in "event=0xcd,umask=0x1,ldlat=3".
static uint64_t field(const char *text, const char *name)
{
	const char *at = strstr(text, name);

	return at ? strtoull(at + strlen(name), NULL, 0) : 0;
}

// Intel: of core type NAME.
static int intel(struct perf_event_attr *out, const char *root, const char *name)
{
	char path[64], text[128], type[32];

	snprintf(path, sizeof(path), "%s/events/mem-loads", name);
	if (!read_text(root, path, text, sizeof(text)))
		return 0;
	snprintf(path, sizeof(path), "%s/type", name);
	if (!read_text(root, path, type, sizeof(type)))
		return 0;
	out[0] = (struct perf_event_attr){.type = (uint32_t)strtoul(type, NULL, 10), .config = L3_MISS, .precise_ip = 2, .exclude_kernel = 1};
	// Loads that took long, wherever they went.
	out[1] = out[0];
	out[1].config = field(text, "event=") | field(text, "umask=") << 8;
	out[1].config1 = 128; // cycles
	out[1].sample_type = PERF_SAMPLE_DATA_SRC;
	return 2;
}

static int amd(struct perf_event_attr *out, const char *root)
{
	char type[32], text[64];

	if (!read_text(root, "ibs_op/type", type, sizeof(type)))
		return 0;
	// Of micro-ops; IBS sees the kernel, too, and not all kernels agree to leave that out.
	out[0] = (struct perf_event_attr){
		.type = (uint32_t)strtoul(type, NULL, 10), .config = UINT64_C(1) << 19, .sample_type = PERF_SAMPLE_DATA_SRC};
	if (read_text(root, "ibs_op/format/l3missonly", text, sizeof(text)))
		out[0].config |= UINT64_C(1) << field(text, "config:");
	return 1;
}

int tm_perf_events(struct perf_event_attr out[TM_PERF_EVENTS], const char *root, char *why, size_t size)
{
	int n = intel(out, root, "cpu");

	n = n ? n : intel(out, root, "cpu_core");
	n = n ? n : amd(out, root);
	if (!n)
		snprintf(why, size, "no PMU here tells addresses; it needs a CPU with PEBS or IBS, or a VM whose host passes it on");
	return n;
}

void tm_perf_refusal(int error, char *why, size_t size)
{
	char paranoid[32] = "?";

	tm_os_read_file("/proc/sys/kernel/perf_event_paranoid", paranoid, sizeof(paranoid));
	paranoid[strcspn(paranoid, "\n")] = 0;
	if (error == EACCES || error == EPERM)
		snprintf(why, size, "perf events are denied (perf_event_paranoid is %s); run as root or: sysctl kernel.perf_event_paranoid=2", paranoid);
	else if (error == EMFILE)
		snprintf(why, size, "too few descriptors for an event per CPU; raise ulimit -n");
	else
		snprintf(why, size, "the kernel refuses the event (%s); another program may have the PMU", strerror(error));
}
