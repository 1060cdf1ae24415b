/* The report of MariaDB in a guest with tiermem underneath. */
#include "harness/report_tables.h"

#include <stdlib.h>
#include <string.h>

/* Databases of the run, in order; their number. */
static int databases(const struct report *r, char names[][NAME_LEN])
{
	int i, k, n = 0;

	for (i = 0; i < r->n_vms; i++) {
		for (k = 0; k < n && strcmp(names[k], r->vms[i].part) != 0; k++)
			;
		if (k == n && n < MAX_NAMES && r->vms[i].part[0])
			strcpy(names[n++], r->vms[i].part);
	}
	return n;
}

/* What a run says of one of its databases. */
static const char *of_database(const struct report *r, const char *database, const char *what)
{
	char name[NAME_LEN * 2];

	snprintf(name, sizeof(name), "%.31s_%.31s", database, what);
	return report_parameter(r, name);
}

/* What was run. */
static void header(const struct report *r)
{
	long seconds = strtol(report_parameter(r, "seconds"), NULL, 10);
	char requests[32], length[96], ram[24], rows[32], size[24], names[MAX_NAMES][NAME_LEN];
	int i, n = databases(r, names);

	format_count(requests, (double)r->requests);
	if (seconds > 0)
		snprintf(length, sizeof(length), "%ld s per phase, at least %s transactions", seconds, requests);
	else
		snprintf(length, sizeof(length), "%s transactions per phase", requests);
	format_size(ram, (double)r->ram);
	report_run(r);
	printf("All figures are SIMULATED TIME (the guest's own clock), device profile %s (sha256 %.12s), "
	       "LLC %lld KiB.\n",
	       r->profile, r->profile_sha256, (long long)r->llc_kib);
	printf("scale 1/%lld: databases, VM memory (baseline %s) and DRAM reserved are scaled; caches, code and kernel are "
	       "not.\n",
	       (long long)r->scale, ram);
	for (i = 0; i < n; i++) {
		format_count(rows, strtod(of_database(r, names[i], "rows"), NULL));
		format_size(size, strtod(of_database(r, names[i], "bytes"), NULL));
		printf("database %s: %s tables of %s rows, %s, image %.12s\n", names[i],
		       report_parameter(r, "tables"), rows, size, of_database(r, names[i], "sha256"));
	}
	printf("%s, %s connections · buffer pool %.0f %% of the VM's memory, filled before · %lld "
	       "vCPUs · QEMU %s · guest Linux %s\n%s · tiermem %s · image %.12s\n",
	       length, report_parameter(r, "threads"), 100 * strtod(report_parameter(r, "pool_share"), NULL),
	       (long long)r->vcpus, r->qemu, r->kernel[0] ? r->kernel : "?", report_parameter(r, "server"),
	       r->tiermem, r->image_sha256);
	report_overrides(r);
}

/* Where guest RAM was when the VM ended, and what moved: a table for each database. */
static void tiers(const struct report *r)
{
	static const struct memory_row rows[] = {
		{"VM memory", "vm_ram", true},		   {"buffer pool", "pool_size", true},
		{"DRAM reserved", "dram_quota", true},	   {"guest RAM in DRAM", "dram_bytes", true},
		{"guest RAM in PMEM", "pmem_bytes", true}, {"promoted", "promoted_bytes", true},
		{"demoted", "demoted_bytes", true},
	};
	char names[MAX_NAMES][NAME_LEN], heading[96];
	int i, n = databases(r, names);

	for (i = 0; i < n; i++) {
		snprintf(heading, sizeof(heading), "Memory at the end, database %.31s", names[i]);
		report_memory(r, heading, names[i], rows, COUNT(rows));
	}
}

/* VMs that shared one DRAM budget (share.h): what that was, and who had how much of it when. */
static void shared(const struct report *r)
{
	double budget = strtod(report_parameter(r, "dram_budget"), NULL), highest = 0;
	char size[24], most[24];
	struct text names = {0};
	size_t i;
	int c;

	if (!(budget > 0))
		return;
	for (c = 0; c < r->n_configs; c++)
		if (r->config_tiermem[c])
			text_add(&names, "%s%s", names.len ? ", " : "", r->configs[c]);
	for (i = 0; i < r->n_figures; i++)
		if (!strcmp(r->figures[i].metric, "dram_together_highest") &&
		    r->figures[i].greatest > highest)
			highest = r->figures[i].greatest;
	format_size(size, budget);
	format_size(most, highest);
	printf("one DRAM budget of %s for %s, which ran together; quotas were changed by `tiermem quota` while they "
	       "ran, under load\n",
	       size, names.s ? names.s : "nobody");
	printf("together they had at most %s in DRAM; tables compared at the end with the beginning, and between VMs\n",
	       most);
	printf("Phases after a change of quotas do not repeat to the last digit: it comes in real time. Those before it "
	       "do.\n");
	text_free(&names);
	report_metric(r, "DRAM quota in the phase, MiB", "dram_quota", 1.0 / (1 << 20), 1, NAN);
	report_metric(r, "Guest RAM in DRAM at the phase's end, MiB", "dram_bytes", 1.0 / (1 << 20), 1, NAN);
}

void report_mysql(const struct report *r)
{
	header(r);
	shared(r);
	report_throughput(r, "Throughput, transactions/s (ratio to baseline; * below its bound)");
	report_metric(r, "p95 latency, ms", "latency_p95", 1, 2, NAN);
	report_metric(r, "p99 latency, ms", "latency_p99", 1, 2, NAN);
	report_metric(r, "Reads that the buffer pool answered, %", "pool_hits", 100, 2, NAN);
	report_metric(r, "vCPUs busy, %", "vcpus_busy", 100, 1, NAN);
	report_metric(r, "LLC misses that went to PMEM, %", "llc_pmem_share", 100, 1, NAN);
	tiers(r);
	report_spread(r);
	report_sensitivity(r);
	report_failures(r);
	report_bounds(r);
}
