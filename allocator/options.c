// The options table and the reading of values. No malloc: the library calls this before it has one.
#include "allocator/options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct tm_option tm_options[TM_OPTIONS] = {
	[TM_OPT_DRAM] = {"dram", "TIERMEM_DRAM", "SIZE", "unlimited", TM_OPT_SIZE,
			 "DRAM the program may hold; 0: all of it on PMEM"},
	[TM_OPT_POOL_DRAM] = {"pool-dram", "TIERMEM_POOL_DRAM", "SIZE", "unlimited", TM_OPT_SIZE,
			      "DRAM that all programs on the same PMEM may hold together"},
	[TM_OPT_PMEM_PATH] = {"pmem", "TIERMEM_PMEM", "PATH[,PATH...]", "memfd:", TM_OPT_PMEM,
			      "devdax device or file on fsdax, or several, with commas: interleaved; numa:NODE[,NODE...][:SIZE], memfd:[SIZE] (no "
			      "device), or auto: the first of devdax, nodes without CPUs and memfd that is there"},
	[TM_OPT_GRANULE] = {"granule", "TIERMEM_GRANULE", "SIZE", "64K", TM_OPT_POWER2,
			    "unit that migrates: a power of two, 4K to 4M"},
	[TM_OPT_POLICY_NAME] = {"policy", "TIERMEM_POLICY", "NAME", "hotness", TM_OPT_POLICY,
				"static (placement only), recency (what was touched lately), hotness, or oracle (for experiments: what a free sampling unit could tell)"},
	[TM_OPT_CAPTURE_WHAT] = {"capture", "TIERMEM_CAPTURE", "WHAT", "auto", TM_OPT_CAPTURE,
				 "program (all its memory), guest-ram (of a QEMU), or auto"},
	[TM_OPT_IO_URING] = {"io-uring", "TIERMEM_IO_URING", "allow|deny", "allow", TM_OPT_ALLOW,
			     "deny: the program finds a kernel without io_uring, which would end migration"},
	[TM_OPT_STATS] = {"stats", "TIERMEM_STATS", "FILE", "", TM_OPT_TEXT,
			  "write statistics as JSON to FILE at exit; %p in it is the process id, and children that are managed write theirs"},
	[TM_OPT_CONF] = {"conf", "TIERMEM_CONF", "FILE", "/etc/tiermem.conf", TM_OPT_TEXT,
			 "configuration file; empty: none"},
	[TM_OPT_SMALL_MAX] = {"small-max", "TIERMEM_SMALL_MAX", "SIZE", "512", TM_OPT_SIZE,
			      "allocations below SIZE are small: DRAM first"},
	[TM_OPT_BUFFER_MIN] = {"buffer-min", "TIERMEM_BUFFER_MIN", "SIZE", "8K", TM_OPT_SIZE,
			       "allocations from SIZE on are buffers: DRAM after the small ones"},
	[TM_OPT_LARGE_MIN] = {"large-min", "TIERMEM_LARGE_MIN", "SIZE", "256K", TM_OPT_SIZE,
			      "allocations from SIZE on (hash tables) count as small"},
	[TM_OPT_RESERVE] = {NULL, "TIERMEM_RESERVE", "SIZE", "64G", TM_OPT_SIZE, "address space per zone"},
	[TM_OPT_ARENAS] = {NULL, "TIERMEM_ARENAS", "N", "0", TM_OPT_COUNT,
			   "most sets of jemalloc arenas, at most 64; 0: four per CPU"},
	[TM_OPT_TRACK] = {"track", "TIERMEM_TRACK", "SOURCE", "auto", TM_OPT_TRACKER,
			  "what tells which memory is hot: sim (underneath a simulated VM), unit (in one), perf (PEBS, IBS), damon (NUMA nodes), hint (faults), or "
			  "auto: the first that works, but damon"},
	[TM_OPT_HINT_RATE] = {"hint-rate", "TIERMEM_HINT_RATE", "N", "200", TM_OPT_COUNT,
			      "hint faults per second at most; 0: no tracking"},
	[TM_OPT_BANDWIDTH] = {"bandwidth", "TIERMEM_BANDWIDTH", "SIZE", "64M", TM_OPT_SIZE,
			      "bytes per second that migration may move"},
	[TM_OPT_SAMPLE_PERIOD] = {"sample-period", "TIERMEM_SAMPLE_PERIOD", "N", "401", TM_OPT_COUNT,
				  "trackers sim and unit: one sample for N misses of the last-level cache; 0: none"},
	[TM_OPT_HEAT] = {"heat", "TIERMEM_HEAT", "FILE", "", TM_OPT_TEXT,
			 "underneath a simulated VM: write samples and tiers of guest RAM over time to FILE, as CSV"},
	[TM_OPT_TEST_MIGRATE] = {NULL, "TIERMEM_TEST_MIGRATE", "random", "", TM_OPT_TEXT,
				 "test hook: migrate random granules without pause"},
	[TM_OPT_TEST_PERF] = {NULL, "TIERMEM_TEST_PERF", "page-faults", "", TM_OPT_TEXT,
			      "test hook: the tracker perf counts page faults, for which no PMU is needed"},
};

bool tm_parse_size(const char *text, uint64_t *bytes)
{
	char *end;
	unsigned shift = 0;

	if (!strcmp(text, "unlimited")) {
		*bytes = TM_UNLIMITED;
		return true;
	}
	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	uint64_t value = strtoull(text, &end, 10);
	if (errno)
		return false;
	switch (*end) {
	case 'T':
	case 't':
		shift += 10; // fall through
	case 'G':
	case 'g':
		shift += 10; // fall through
	case 'M':
	case 'm':
		shift += 10; // fall through
	case 'K':
	case 'k':
		shift += 10;
		end++;
		break;
	default:
		break;
	}
	if (*end || (value << shift) >> shift != value)
		return false;
	*bytes = value << shift;
	return true;
}

bool tm_parse_nodes(const char *text, uint64_t *nodes, uint64_t *bytes)
{
	char *end = (char *)text + 5;

	*nodes = 0;
	*bytes = TM_UNLIMITED;
	if (strncmp(text, "numa:", 5))
		return false;
	do {
		const char *at = end + (*nodes != 0);
		unsigned long node = strtoul(at, &end, 10);
		if (*at < '0' || *at > '9' || node >= TM_NUMA_NODES)
			return false;
		*nodes |= UINT64_C(1) << node;
	} while (*end == ',');
	return !*end || (*end == ':' && tm_parse_size(end + 1, bytes) && *bytes && *bytes != TM_UNLIMITED);
}

bool tm_option_path(const char *path, int pid, char *out, size_t size)
{
	const char *at = strstr(path, "%p");

	if (at)
		snprintf(out, size, "%.*s%d%s", (int)(at - path), path, pid, at + 2);
	else
		snprintf(out, size, "%s", path);
	return at;
}

// One of the devices in a value of --pmem.
static bool check_device(const char *value, char *why, size_t size)
{
	uint64_t bytes;

	if (!*value)
		snprintf(why, size, "a path is missing");
	else if (!strcmp(value, "auto") || !strncmp(value, "numa:", 5))
		snprintf(why, size, "'%s' cannot be one of several; name devices or files", value);
	else if (!strncmp(value, "memfd:", 6) && value[6] && (!tm_parse_size(value + 6, &bytes) || !bytes || bytes == TM_UNLIMITED))
		snprintf(why, size, "'%s' is not a size; write for example memfd:2G", value + 6);
	else
		return true;
	return false;
}

static bool check_pmem(const char *value, char *why, size_t size)
{
	uint64_t bytes, nodes;
	char name[4096];

	if (!strcmp(value, "auto") || tm_parse_nodes(value, &nodes, &bytes))
		return true;
	if (!strncmp(value, "numa:", 5)) {
		snprintf(why, size, "'%s' names no NUMA nodes (0 to %d); write for example numa:1 or numa:1,2:64G", value,
			 TM_NUMA_NODES - 1);
		return false;
	}
	for (;; value += strcspn(value, ",") + 1) {
		snprintf(name, sizeof(name), "%.*s", (int)strcspn(value, ","), value);
		if (!check_device(name, why, size))
			return false;
		if (!value[strcspn(value, ",")])
			return true;
	}
}

bool tm_option_check(const struct tm_option *option, const char *value, char *why, size_t size)
{
	uint64_t bytes;
	char *end;

	switch (option->kind) {
	case TM_OPT_SIZE:
		if (tm_parse_size(value, &bytes))
			return true;
		snprintf(why, size, "'%s' is not a size; give bytes or a number with K, M or G, as in 32M",
			 value);
		return false;
	case TM_OPT_POWER2:
		if (tm_parse_size(value, &bytes) && bytes >= 4096 && bytes <= 4 << 20 &&
		    !(bytes & (bytes - 1)))
			return true;
		snprintf(why, size, "'%s' is not a power of two from 4K to 4M", value);
		return false;
	case TM_OPT_COUNT:
		errno = 0;
		bytes = strtoull(value, &end, 10);
		if (*value >= '0' && *value <= '9' && !*end && !errno && bytes <= 1000000)
			return true;
		snprintf(why, size, "'%s' is not a number from 0 to 1000000", value);
		return false;
	case TM_OPT_PMEM:
		return check_pmem(value, why, size);
	case TM_OPT_POLICY:
		if (!strcmp(value, "static") || !strcmp(value, "recency") || !strcmp(value, "hotness") || !strcmp(value, "oracle"))
			return true;
		snprintf(why, size, "no policy '%s'; there are static, recency, hotness and oracle", value);
		return false;
	case TM_OPT_TRACKER:
		if (!strcmp(value, "auto") || !strcmp(value, "sim") || !strcmp(value, "unit") || !strcmp(value, "perf") ||
		    !strcmp(value, "damon") || !strcmp(value, "hint"))
			return true;
		snprintf(why, size, "cannot track by '%s'; there are auto, sim, unit, perf, damon and hint", value);
		return false;
	case TM_OPT_CAPTURE:
		if (!strcmp(value, "auto") || !strcmp(value, "program") || !strcmp(value, "guest-ram"))
			return true;
		snprintf(why, size, "cannot capture '%s'; there are auto, program and guest-ram", value);
		return false;
	case TM_OPT_ALLOW:
		if (!strcmp(value, "allow") || !strcmp(value, "deny"))
			return true;
		snprintf(why, size, "'%s' is neither allow nor deny", value);
		return false;
	case TM_OPT_TEXT:
		return true;
	}
	return false;
}
