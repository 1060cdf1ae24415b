/* The report of Redis inside the guest. Simulated figures unless a column says native. */
#include "harness/report_tables.h"

#include <string.h>

/* What was run. */
static void header(const struct report *r)
{
	char keys[32], requests[32], ram[24], pmem[24];

	format_count(keys, (double)r->keys);
	format_count(requests, (double)r->requests);
	format_size(ram, (double)r->ram);
	format_size(pmem, (double)r->pmem);
	report_run(r);
	printf("All figures are SIMULATED TIME (the guest's own clock), device profile %s (sha256 %.12s), "
	       "LLC %lld KiB,\n"
	       "except the column \"native\", which is real time on this host.\n",
	       r->profile, r->profile_sha256, (long long)r->llc_kib);
	printf("scale 1/%lld: %s keys of %lld B, DRAM quotas, VM RAM (%s) and PMEM (%s) are scaled; caches, "
	       "code and kernel "
	       "are not.\n",
	       (long long)r->scale, keys, (long long)r->value_bytes, ram, pmem);
	printf("%s requests per phase · %lld vCPUs, server on vCPU %lld · QEMU %s · guest Linux %s, Redis %s "
	       "· tiermem %s · "
	       "image %.12s\n",
	       requests, (long long)r->vcpus, (long long)r->server_vcpu, r->qemu,
	       r->kernel[0] ? r->kernel : "?", r->redis[0] ? r->redis : "?", r->tiermem, r->image_sha256);
	report_overrides(r);
}

/* The server's vCPU; a client-bound run hides slow memory. */
static void server_busy(const struct report *r)
{
	int low = 0, p, c;

	report_metric(
		r,
		"Server's vCPU busy, % (! below 95: the load did not saturate it, so slow memory is hidden)",
		"server_busy", 100, 1, SERVER_BUSY_LEAST);
	for (p = 0; p < r->n_phases; p++)
		for (c = 0; c < r->n_configs; c++)
			low += report_value(r, r->configs[c], r->phases[p], "server_busy") < SERVER_BUSY_LEAST;
	if (low)
		printf("%sthe server's vCPU is less than 95 %% busy in %d of %d cells%s\n", tint_begin(WARN),
		       low, r->n_phases * r->n_configs, tint_end(WARN));
}

/* Where the memory was, after the last phase. */
static void tiers(const struct report *r)
{
	static const struct memory_row rows[] = {
		{"DRAM quota", "dram_quota", true},	    {"granules in DRAM", "dram_granules", false},
		{"granules in PMEM", "pmem_granules", false}, {"bytes in DRAM", "dram_bytes", true},
		{"bytes in PMEM", "pmem_bytes", true},	    {"promoted", "promoted", false},
		{"demoted", "demoted", false},		    {"Redis used_memory", "used_memory", true},
	};
	const char *last = r->n_phases ? r->phases[r->n_phases - 1] : "";
	char heading[120];

	if (!report_has(r, "used_memory"))
		return;
	snprintf(heading, sizeof(heading), "Memory by tier after the last phase (%s)", last);
	report_memory(r, heading, last, rows, COUNT(rows));
}

void report_redis(const struct report *r)
{
	header(r);
	report_throughput(r, "Throughput, operations/s (ratio to baseline; * below its bound)");
	report_metric(r, "p99 latency, ms", "latency_p99", 1, 3, NAN);
	server_busy(r);
	report_metric(r, "LLC misses that went to PMEM, % (all vCPUs)", "llc_pmem_share", 100, 1, NAN);
	tiers(r);
	report_spread(r);
	report_sensitivity(r);
	report_failures(r);
	report_bounds(r);
}
