/* Writing runs to the database. Every function prints one clear line when it fails and returns -1. */
#ifndef HARNESS_RECORD_H
#define HARNESS_RECORD_H

#include "harness/vm.h"

#include <sqlite3.h>

extern const char schema_sql[];

/* What a run row says beyond its plan. */
struct versions {
	char qemu[128], tiermem[128], host[256];
	char profile_sha256[72], image_sha256[72];
};

/* Open or create the database; runs whose tmbench is gone become failed ("killed"). NULL after saying why. */
sqlite3 *record_open(const char *path);

/* Open an existing database for reading. NULL after saying why. */
sqlite3 *record_open_readonly(const char *path);

/* Whether a database is of an older tmbench. */
int record_is_old(sqlite3 *db);

/* Bring such a database up to date, in one transaction. 0 or -1. */
int record_upgrade(sqlite3 *db);

/* Insert the run with its configs, phases and bounds. The run's id, or -1. */
int64_t record_run_begin(sqlite3 *db, const struct plan *p, const struct versions *v);

/* Insert a vmrun that is running; PART: its database or "", LLC_KIB 0 for none. Its id, or -1. */
int64_t record_vm_begin(sqlite3 *db, int64_t run, const char *config, int repeat, const char *variant,
			const char *part, int64_t llc_kib, int64_t seed, const char *dir);

/* How a vmrun ended, its metrics and heat if status is "ok", in one transaction. */
int record_vm_end(sqlite3 *db, int64_t id, const char *status, const char *reason, double seconds,
		  const struct metrics *m);

/* The guest's versions, known once a VM has ended well. */
int record_guest_versions(sqlite3 *db, int64_t run, const struct plan *p, const struct metrics *m);

/* How the run ended; vmruns that still count as running become STATUS too. */
int record_run_end(sqlite3 *db, int64_t run, const char *status, const char *reason);

#endif
