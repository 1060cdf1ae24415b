/* What a scenario comes to at one scale: scaled sizes, numbers of keys and requests. */
#ifndef HARNESS_PLAN_H
#define HARNESS_PLAN_H

#include "harness/scenario.h"

struct plan {
	const struct scenario *s;
	int64_t scale, seed;
	int repeats;
	int64_t keys;
	int64_t requests, llc_requests; /* per phase with requests = default */
	int64_t seconds; /* that a phase lasts, with so many requests at least; 0: until they are done */
	int64_t ram, pmem;		/* bytes */
	int64_t root_bytes;		/* size of the root image */
	int64_t llc_kib;		/* of the profile, or as --set sim.llc_kib says */
	int64_t rows[MAX_DATABASES];	/* of each table (mysql-underneath) */
	bool llc_variants, keep_logs, native;
	/* absolute paths */
	char kernel[PATH_LEN], initrd[PATH_LEN], root[PATH_LEN], plugin[PATH_LEN], profile[PATH_LEN];
	char runs_dir[PATH_LEN];
};

/* Work out the plan. REQUESTS: 0 or the user's number. 0 or an exit code after saying why. */
int plan_make(struct plan *p, const struct scenario *s, int64_t scale, int64_t seed, int repeats,
	      int64_t requests);

/* A number of operations at this scale: fewer at smaller ones than the scenario's default, never below LEAST. */
int64_t plan_scaled_count(const struct plan *p, int64_t count, int64_t least);

/* Memory of a VM at this scale, in bytes; D: its database, NULL: none. */
int64_t plan_ram(const struct plan *p, const struct config *c, const struct database *d);

/* DRAM quota of a config at this scale, in bytes, a multiple of its granule: the first, and any other (BYTES, unscaled). */
int64_t plan_dram(const struct plan *p, const struct config *c);
int64_t plan_quota(const struct plan *p, const struct config *c, int64_t bytes);

/* Requests of a phase, all clients together; LLC: in a VM with another LLC. */
int64_t plan_requests(const struct plan *p, const struct phase *ph, bool llc);

/* The LLC of a variant in KiB; the profile's for NULL. */
int64_t plan_llc_kib(const struct plan *p, const struct variant *v);

#endif
