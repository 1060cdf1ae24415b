// The options of tiermem, one table for the preload library and the `tiermem` command.
#ifndef TIERMEM_OPTIONS_H
#define TIERMEM_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// A DRAM quota of this many bytes means no limit.
#define TM_UNLIMITED UINT64_MAX

enum tm_option_kind { TM_OPT_SIZE, TM_OPT_POWER2, TM_OPT_COUNT, TM_OPT_TEXT, TM_OPT_PMEM, TM_OPT_POLICY, TM_OPT_TRACKER, TM_OPT_CAPTURE, TM_OPT_ALLOW };

// The ids are the order of tm_options[].
enum tm_option_id {
	TM_OPT_DRAM,
	TM_OPT_POOL_DRAM,
	TM_OPT_PMEM_PATH,
	TM_OPT_GRANULE,
	TM_OPT_POLICY_NAME,
	TM_OPT_CAPTURE_WHAT,
	TM_OPT_IO_URING,
	TM_OPT_STATS,
	TM_OPT_CONF,
	TM_OPT_SMALL_MAX,
	TM_OPT_BUFFER_MIN,
	TM_OPT_LARGE_MIN,
	TM_OPT_RESERVE,
	TM_OPT_ARENAS,
	TM_OPT_TRACK,
	TM_OPT_HINT_RATE,
	TM_OPT_BANDWIDTH,
	TM_OPT_SAMPLE_PERIOD,
	TM_OPT_HEAT,
	TM_OPT_TEST_MIGRATE,
	TM_OPT_TEST_PERF,
	TM_OPTIONS
};

struct tm_option {
	const char *name; // --name on the command line; NULL: environment only
	const char *env;
	const char *argument; // how the help shows the value
	const char *initial;  // default, as text
	enum tm_option_kind kind;
	const char *help;
};

extern const struct tm_option tm_options[TM_OPTIONS];

// Reads a size: bytes, or with K, M, G or T (powers of 1024), "unlimited" for TM_UNLIMITED; false: not a size.
bool tm_parse_size(const char *text, uint64_t *bytes);

// Reads numa:NODE[,NODE...][:SIZE]: the nodes, as bits, and the size, TM_UNLIMITED if there is none; false: it is not that.
#define TM_NUMA_NODES 64
bool tm_parse_nodes(const char *text, uint64_t *nodes, uint64_t *bytes);

// A path with %p replaced by a process id, cut off at size. True: there was a %p.
bool tm_option_path(const char *path, int pid, char *out, size_t size);

// Checks one value; writes why it is wrong, without the option's name, to why. Returns true if it is fine.
bool tm_option_check(const struct tm_option *option, const char *value, char *why, size_t size);

#endif
