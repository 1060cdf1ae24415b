/* A recorded run as the report shows it, read from the database. */
#ifndef HARNESS_REPORT_H
#define HARNESS_REPORT_H

#include "harness/util.h"

#include <math.h>
#include <sqlite3.h>

#define REPORT_SCHEMA	  1
#define MAX_NAMES	  64
#define MAX_PARAMETERS	  64
#define SERVER_BUSY_LEAST 0.95

/* One figure: the median over the repeats. NAN: there is none. */
struct figure {
	char variant[NAME_LEN], config[NAME_LEN], phase[NAME_LEN], metric[64], unit[16];
	double value, least, greatest, ratio, bound;
	int repeats;
};

struct run_vm {
	char config[NAME_LEN], variant[NAME_LEN], part[NAME_LEN], status[16], reason[REASON_LEN], dir[PATH_LEN];
	int repeat;
	double seconds, llc_kib;
};

struct report {
	int64_t id, scale, seed, repeats, keys, value_bytes, requests, vcpus, server_vcpu, ram, pmem, llc_kib;
	char started[24], finished[24], status[16], reason[REASON_LEN], scenario[NAME_LEN],
		baseline[NAME_LEN];
	char description[256], profile[128], profile_sha256[72], image_sha256[72], qemu[128], redis[128],
		kernel[64];
	char tiermem[128], host[256], overrides[1024], kind[NAME_LEN];
	struct {
		char name[NAME_LEN], value[128];
	} parameters[MAX_PARAMETERS];
	int n_parameters;
	char configs[MAX_NAMES][NAME_LEN], phases[MAX_NAMES][NAME_LEN], variants[MAX_NAMES][NAME_LEN];
	bool config_tiermem[MAX_NAMES];
	double config_dram[MAX_NAMES];
	int n_configs, n_phases, n_variants; /* LLC variants with default, by size */
	bool has_native;
	struct figure *figures;
	size_t n_figures, cap_figures;
	struct run_vm *vms;
	int n_vms;
};

/* Load a run; ID 0: the latest. 0 or EXIT_FAIL after saying why. */
int report_load(struct report *r, sqlite3 *db, int64_t id);

/*
 * The newest of the runs for which AMONG, an SQL condition on table run, holds; WHOLE: of those that are ok, with the most configs that
 * have bounds, so that a quick look or a part does not take a whole run's place. 0: there is none.
 */
int64_t report_newest(sqlite3 *db, const char *among, bool whole);

/* The same for a run of one kind of scenario; ID 0: the newest, REPORT_WHOLE: whole (report_newest), of VMs that share nothing (share.h). */
#define REPORT_WHOLE (-1)
int report_load_kind(struct report *r, sqlite3 *db, int64_t id, const char *kind);
void report_free(struct report *r);

/* The figure of a cell, or NULL. VARIANT "default", "native" (config too) or an LLC variant. */
const struct figure *report_find(const struct report *r, const char *variant, const char *config,
				 const char *phase, const char *metric);

/* Load a run and print it. FORMAT: human, json or csv. 0 or EXIT_FAIL. */
int report_print(sqlite3 *db, int64_t id, const char *format);

/* What a run says of itself under a name, "?" if it does not. */
const char *report_parameter(const struct report *r, const char *name);

void report_human(const struct report *r);

/* The report of one kind of scenario (struct kind). */
void report_redis(const struct report *r);
void report_mysql(const struct report *r);

int report_json(const struct report *r);
void report_csv(const struct report *r);

#endif
