/*
 * A profile: the CPU, the caches and the two memory tiers that a simulation charges for. Files are INI
 * (sim/profiles/NAME.conf); every key is in the table of profile.c with its unit and range.
 */
#ifndef TMSIM_PROFILE_H
#define TMSIM_PROFILE_H

#include <stddef.h>

enum tier_id { TIER_DRAM, TIER_PMEM, TIER_COUNT };

struct tier_profile {
	double random_ns;	 /* idle latency of a dependent random 64-byte read */
	double sequential_ns;	 /* the same, to the next line each time */
	double line_bytes;	 /* what the device reads internally (DRAM: a row) */
	double buffer_lines;	 /* internal lines that are open or buffered at once */
	double core_read_gbps;	 /* one core streaming independent lines */
	double core_write_gbps;	 /* one core, non-temporal stores */
	double device_read_gbps; /* all cores together */
	double device_write_gbps;
};

/* A disk, as its data sheet gives it: keys disk_*. */
struct disk_profile {
	double read_us, write_us, flush_us; /* latency of a small request on an idle disk */
	double read_gbps, write_gbps;	    /* large requests, all together */
	double queue;			    /* requests worked on at once: queue / read_us is the read rate */
};

struct profile {
	char name[64];
	double ns_per_instruction;
	double fast_ns_per_instruction; /* the same in fast-forward (model off), where memory is free */
	double quantum_ns;
	double l1_kib;
	double l2_kib;
	double l2_ways;
	double l2_hit_ns;
	double llc_kib;
	double llc_ways;
	double llc_hit_ns;
	struct tier_profile tier[TIER_COUNT];
	struct disk_profile disk;
};

/* Reads a profile file. 0, or -1 with one line in err (file, line, what is wrong). Every key must be there. */
int profile_load(struct profile *p, const char *path, char *err, size_t err_size);

/* Changes one key, "llc_kib" to "8192". 0, or -1 with one line in err. */
int profile_set(struct profile *p, const char *key, const char *value, char *err, size_t err_size);

/* Key and value number i as they are in p; name NULL when i is past the last. */
const char *profile_key(const struct profile *p, size_t i, double *value);

#endif
