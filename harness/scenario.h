/*
 * A scenario: what is run, read from an INI file. Concepts:
 *   kind     what runs where (kind.h): redis-inside, mysql-underneath
 *   config   one column of the result: a VM with or without tiermem, with a DRAM quota
 *   phase    one stretch of load. redis-inside: the phase with requests=allkeys populates the server. mysql-underneath: each
 *            phase of the file becomes one for each database, called DATABASE-PHASE
 *   database what a VM's server holds (mysql-underneath); a VM runs the phases of one database
 *   variant  the whole matrix again with another last-level cache ("default" is the profile's)
 * Sizes are the paper's; plan_*() divides them by the scale.
 */
#ifndef HARNESS_SCENARIO_H
#define HARNESS_SCENARIO_H

#include "harness/util.h"

#define MAX_CONFIGS  16
#define MAX_PHASES   64
#define MAX_VARIANTS 8
#define MAX_DATABASES 4
#define MAX_SETTINGS 32
#define TEXT_LEN     192

struct config {
	char name[NAME_LEN];
	bool tiermem;
	int64_t dram;		     /* quota in bytes, unscaled */
	int64_t granule;	     /* bytes */
	double bound;		     /* the paper's ratio, 0: none */
	char bound_phases[TEXT_LEN]; /* names, empty: all */
	char bounds[TEXT_LEN];	     /* DATABASE:RATIO words instead */
	char databases[TEXT_LEN];    /* the only ones it runs with, empty: all */
	char options[TEXT_LEN];	     /* of `tiermem run`, further words */
	int64_t ram;		     /* memory of its VMs, unscaled; 0: the database's or the scenario's */
	bool only_full, selected;
};

struct phase {
	char name[NAME_LEN];
	char ratio[NAME_LEN];
	char key_pattern[NAME_LEN];
	char requests[NAME_LEN]; /* default, allkeys, N or Nx */
	bool place;		 /* redis-inside: policy oracle places before it, by what it has counted (the quota is set again) */
	double median;		 /* centre of Gaussian keys, as a part of the range; 0: the middle */
	/* mysql-underneath */
	char database[NAME_LEN];     /* "" in the file and for other kinds */
	char test[NAME_LEN];	     /* of sysbench */
	char distribution[NAME_LEN]; /* of the keys: sysbench's --rand-type */
	int64_t threads;	     /* connections; 0: the scenario's */
	char quota[TEXT_LEN];	     /* CONFIG:SIZE words: quotas that change before it (share.h) */
	bool only_full, selected;
};

struct database {
	char name[NAME_LEN];
	int64_t data;	    /* size of the tables in bytes, unscaled */
	int64_t tiered_ram; /* memory of VMs with tiermem, unscaled; 0: the scenario's */
};

struct variant {
	char name[NAME_LEN];
	double factor; /* of the profile's llc_kib */
};

struct scenario {
	char file[PATH_LEN];
	char name[NAME_LEN], kind[NAME_LEN], description[TEXT_LEN], baseline[NAME_LEN];
	int64_t default_scale, bounds_at;
	/* vm */
	char qemu[TEXT_LEN], machine[NAME_LEN], cpu[NAME_LEN], kernel[TEXT_LEN], initrd[TEXT_LEN],
		root[TEXT_LEN];
	char append[TEXT_LEN], rtc[NAME_LEN], plugin[TEXT_LEN], profile[TEXT_LEN];
	int64_t vcpus, ram, ram_floor, pmem, pmem_floor, timeout, stall;
	/* cpus */
	int64_t server_cpu, background_cpu;
	char load_cpus[NAME_LEN];
	/* load */
	int64_t data, value, base_bytes, bytes_per_key, threads, clients, requests, requests_floor, llc_floor;
	double llc_requests;
	/* sysbench, mariadb */
	int64_t tables, bytes_per_row, connections, transactions, transactions_floor;
	int64_t seconds; /* that a phase lasts, 0: until its transactions are done */
	double pool, settle, settle_again;
	char server_config[TEXT_LEN], client_cpus[NAME_LEN], server_cpus[NAME_LEN];
	int64_t budget; /* DRAM of all VMs with tiermem together, unscaled; 0: each has its own (share.h) */
	/* quick */
	int64_t quick_scale, quick_transactions;
	char quick_configs[TEXT_LEN];
	/* native */
	int64_t native_server_cpu, native_client_cpu, native_threads, native_clients;

	struct config configs[MAX_CONFIGS];
	struct phase phases[MAX_PHASES];
	struct variant variants[MAX_VARIANTS];
	struct database databases[MAX_DATABASES];
	int n_configs, n_phases, n_variants, n_databases;
	/* [sim] KEY = VALUE and --set sim.KEY=VALUE, handed to the simulator as KEY:VALUE, the last one counts */
	char sim_settings[MAX_SETTINGS][TEXT_LEN];
	int n_sim_settings;
	struct text overrides; /* --set as given, one a line */
};

/* Load by name (vmconfigs/scenarios/NAME.conf) or path. 0, or EXIT_USAGE after saying why. */
int scenario_load(struct scenario *s, const char *name);

/* Apply one --set SECTION.KEY=VALUE (config.NAME.KEY for named sections). 0 or EXIT_USAGE. */
int scenario_set(struct scenario *s, const char *assignment);

/* Complain about a key that a scenario needs and has not. EXIT_USAGE. */
int scenario_lacks(const struct scenario *s, const char *key);

struct list;

/* What a command wants of a scenario; NULL: as the file has it. */
struct choice {
	const struct list *set;		  /* --set, in order */
	const char *configs, *phases;	  /* names, comma-separated */
	bool full, quick;
};

/* Load, change, cut to the choice and check: what a command does before a plan. 0 or EXIT_USAGE after saying why. */
int scenario_take(struct scenario *s, const char *name, const struct choice *c);

/* The scale of a run: GIVEN, if it is not 0. */
int64_t scenario_scale(const struct scenario *s, int64_t given, bool quick);

/* Names of all scenarios, space-separated, to be freed. */
char *scenario_names(void);

/* The paper's ratio to the baseline for a phase of a config; 0: there is none. */
double config_bound(const struct config *c, const struct phase *ph);

/* Whether a config runs a phase: it is selected, and its database is one of the config's. */
bool config_runs(const struct config *c, const struct phase *ph);

/* Whether NAME is one of the words in LIST (separated by spaces or commas). */
bool in_list(const char *list, const char *name);

/*
 * Set a key of a section as a file says it ("config 4g" for [config 4g]); CREATE: also in a named section that is not there
 * yet. NULL, or a message about what is wrong (in MSG of 320 bytes).
 */
const char *scenario_assign(struct scenario *s, const char *section, const char *name, const char *value,
			    bool create, char *msg);

#endif
