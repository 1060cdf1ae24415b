/*
 * A scenario: what is run, read from an INI file. Concepts:
 *   config   one column of the result: a VM with or without tiermem, with a DRAM quota
 *   phase    one stretch of load; the phase with requests=allkeys populates the server
 *   variant  the whole matrix again with another last-level cache ("default" is the profile's)
 * Sizes are the paper's; plan_*() divides them by the scale.
 */
#ifndef HARNESS_SCENARIO_H
#define HARNESS_SCENARIO_H

#include "harness/util.h"

#define MAX_CONFIGS  16
#define MAX_PHASES   16
#define MAX_VARIANTS 8
#define MAX_SETTINGS 32
#define TEXT_LEN     192

struct config {
	char name[NAME_LEN];
	bool tiermem;
	int64_t dram;		     /* quota in bytes, unscaled */
	int64_t granule;	     /* bytes */
	double bound;		     /* the paper's ratio, 0: none */
	char bound_phases[TEXT_LEN]; /* names, empty: all */
	bool selected;
};

struct phase {
	char name[NAME_LEN];
	char ratio[NAME_LEN];
	char key_pattern[NAME_LEN];
	char requests[NAME_LEN]; /* default, allkeys, N or Nx */
	bool selected;
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
	/* native */
	int64_t native_server_cpu, native_client_cpu, native_threads, native_clients;

	struct config configs[MAX_CONFIGS];
	struct phase phases[MAX_PHASES];
	struct variant variants[MAX_VARIANTS];
	int n_configs, n_phases, n_variants;
	/* [sim] KEY = VALUE and --set sim.KEY=VALUE, handed to the simulator as KEY:VALUE, the last one counts */
	char sim_settings[MAX_SETTINGS][TEXT_LEN];
	int n_sim_settings;
	struct text overrides; /* --set as given, one a line */
};

/* Load by name (vmconfigs/scenarios/NAME.conf) or path. 0, or EXIT_USAGE after saying why. */
int scenario_load(struct scenario *s, const char *name);

/* Apply one --set SECTION.KEY=VALUE (config.NAME.KEY for named sections). 0 or EXIT_USAGE. */
int scenario_set(struct scenario *s, const char *assignment);

/* Check what single keys cannot: after loading and every --set. 0 or EXIT_USAGE. */
int scenario_check(const struct scenario *s);

/* Keep only the named configs (comma-separated). 0 or EXIT_USAGE. */
int scenario_select_configs(struct scenario *s, const char *names);

/* Keep only the named phases, and those that populate the server. 0 or EXIT_USAGE. */
int scenario_select_phases(struct scenario *s, const char *names);

/* Names of all scenarios, space-separated, to be freed. */
char *scenario_names(void);

/* Whether the paper's bound of a config covers a phase. */
bool config_bound_covers(const struct config *c, const char *phase);

#endif
