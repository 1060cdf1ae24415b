/* Profile files: one table names every key, its place, unit and range. */
#include "sim/profile.h"

#include <ini.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct key {
	const char *section, *name;
	size_t offset;
	double min, max;
};

#define KEY(section, field, min, max)                                                                        \
	{                                                                                                    \
		section, #field, offsetof(struct profile, field), min, max                                   \
	}
#define TIER_KEY(name, t, field, min, max)                                                                   \
	{                                                                                                    \
		name, name "_" #field, offsetof(struct profile, tier[t].field), min, max                     \
	}
#define TIER_KEYS(name, t)                                                                                   \
	TIER_KEY(name, t, random_ns, 1, 100000), TIER_KEY(name, t, sequential_ns, 1, 100000),                \
		TIER_KEY(name, t, nt_ns, 0, 100000), TIER_KEY(name, t, clwb_ns, 0, 100000),                  \
		TIER_KEY(name, t, line_bytes, 64, 65536), TIER_KEY(name, t, buffer_lines, 1, 256),           \
		TIER_KEY(name, t, whole_lines, 0, 1), TIER_KEY(name, t, media_overhead, 1, 10),              \
		TIER_KEY(name, t, dimms, 1, 16), TIER_KEY(name, t, interleave_bytes, 64, 1073741824),        \
		TIER_KEY(name, t, core_read_gbps, 0.01, 1000),                                               \
		TIER_KEY(name, t, core_write_gbps, 0.01, 1000),                                              \
		TIER_KEY(name, t, core_clwb_gbps, 0.01, 1000),                                               \
		TIER_KEY(name, t, link_read_gbps, 0.01, 1000),                                               \
		TIER_KEY(name, t, media_read_gbps, 0.01, 1000),                                              \
		TIER_KEY(name, t, media_write_gbps, 0.01, 1000), TIER_KEY(name, t, streams, 1, 1000),        \
		TIER_KEY(name, t, split_lines, 0, 63), TIER_KEY(name, t, write_spread, 1, 16),               \
		TIER_KEY(name, t, read_smoothing, 0.1, 1000), TIER_KEY(name, t, write_smoothing, 0.1, 1000), \
		TIER_KEY(name, t, jitter, 0, 1), TIER_KEY(name, t, remote_ns, 0, 100000),                    \
		TIER_KEY(name, t, remote_read_gbps, 0, 1000), TIER_KEY(name, t, remote_write_gbps, 0, 1000)

#define DISK_KEY(field, min, max)                                                                            \
	{                                                                                                    \
		"disk", "disk_" #field, offsetof(struct profile, disk.field), min, max                       \
	}

static const struct key keys[] = {
	KEY("cpu", ns_per_instruction, 0.01, 1000),
	KEY("cpu", system_ns_per_instruction, 0, 1000),
	KEY("cpu", wake_ns, 0, 1000000),
	KEY("cpu", fast_ns_per_instruction, 0.01, 1000),
	KEY("cpu", quantum_ns, 1000, 1000000),
	KEY("cache", l1_kib, 4, 1024),
	KEY("cache", l2_kib, 16, 65536),
	KEY("cache", l2_ways, 1, 16),
	KEY("cache", l2_hit_ns, 0, 1000),
	KEY("cache", llc_kib, 64, 1048576),
	KEY("cache", llc_ways, 1, 16),
	KEY("cache", llc_hit_ns, 0, 1000),
	TIER_KEYS("dram", TIER_DRAM),
	TIER_KEYS("pmem", TIER_PMEM),
	KEY("pmem", memory_mode_dram_mib, 0, 65536),
	DISK_KEY(read_us, 0, 1000000),
	DISK_KEY(write_us, 0, 1000000),
	DISK_KEY(flush_us, 0, 1000000),
	DISK_KEY(read_gbps, 0.001, 1000),
	DISK_KEY(write_gbps, 0.001, 1000),
	DISK_KEY(queue, 1, 256),
	KEY("underneath", underneath_fault_ns, 0, 1000000),
	KEY("underneath", underneath_move_ns, 0, 10000000),
	KEY("underneath", underneath_sample_ns, 0, 1000000),
};

enum { KEY_COUNT = sizeof(keys) / sizeof(*keys) };

struct load {
	struct profile *p;
	bool seen[KEY_COUNT];
	char error[256];
};

static double *place(struct profile *p, const struct key *k)
{
	return (double *)(void *)((char *)p + k->offset);
}

/* A file need not have it. */
static bool optional(const struct key *k)
{
	return k->offset == offsetof(struct profile, system_ns_per_instruction) ||
	       k->offset == offsetof(struct profile, wake_ns) || !strcmp(k->section, "underneath");
}

static int find(const char *name)
{
	for (int i = 0; i < KEY_COUNT; i++)
		if (!strcmp(keys[i].name, name))
			return i;
	return -1;
}

int profile_set(struct profile *p, const char *key, const char *value, char *err, size_t err_size)
{
	int i = find(key);
	char *end;
	double v;

	if (i < 0) {
		snprintf(err, err_size,
			 "unknown profile key '%s'; see sim/profiles/optane-100.conf for the keys", key);
		return -1;
	}
	v = strtod(value, &end);
	if (end == value || *end || !(v >= keys[i].min && v <= keys[i].max)) {
		snprintf(err, err_size, "%s = '%s': not a number from %g to %g", key, value, keys[i].min,
			 keys[i].max);
		return -1;
	}
	*place(p, &keys[i]) = v;
	return 0;
}

static int on_key(void *data, const char *section, const char *name, const char *value)
{
	struct load *l = data;
	int i = find(name);

	if (l->error[0])
		return 0;
	if (!strcmp(section, "profile") && !strcmp(name, "name")) {
		snprintf(l->p->name, sizeof(l->p->name), "%s", value);
		return 1;
	}
	if (i >= 0 && strcmp(keys[i].section, section)) {
		snprintf(l->error, sizeof(l->error), "'%s' belongs in section [%s], not [%s]", name,
			 keys[i].section, section);
		return 0;
	}
	if (profile_set(l->p, name, value, l->error, sizeof(l->error)))
		return 0;
	l->seen[i] = true;
	return 1;
}

int profile_load(struct profile *p, const char *path, char *err, size_t err_size)
{
	struct load l = {.p = p};
	int line;

	memset(p, 0, sizeof(*p));
	line = ini_parse(path, on_key, &l);
	if (line < 0) {
		snprintf(err, err_size, "cannot read profile '%s'; the shipped ones are in sim/profiles",
			 path);
		return -1;
	}
	if (line > 0) {
		snprintf(err, err_size, "%s:%d: %s", path, line,
			 l.error[0] ? l.error : "not a 'key = value' line");
		return -1;
	}
	for (int i = 0; i < KEY_COUNT; i++) {
		if (!l.seen[i] && !optional(&keys[i])) {
			snprintf(err, err_size, "%s: '%s' in section [%s] is missing", path, keys[i].name,
				 keys[i].section);
			return -1;
		}
	}
	if (!p->name[0]) {
		snprintf(err, err_size, "%s: 'name' in section [profile] is missing", path);
		return -1;
	}
	return 0;
}

const char *profile_key(const struct profile *p, size_t i, double *value)
{
	if (i >= KEY_COUNT)
		return NULL;
	*value = *place((struct profile *)(size_t)p, &keys[i]);
	return keys[i].name;
}
