/* The report on the terminal. Medians over the repeats throughout; simulated figures unless a column says native. */
#include "harness/report.h"
#include "harness/table.h"

#include <string.h>

/* Value of a cell of the default LLC, NAN if there is none. */
static double value(const struct report *r, const char *config, const char *phase, const char *metric)
{
	const struct figure *f = report_find(r, "default", config, phase, metric);

	return f ? f->value : NAN;
}

/* Whether any config has a figure of the default LLC for a metric. */
static bool has_metric(const struct report *r, const char *metric)
{
	size_t i;

	for (i = 0; i < r->n_figures; i++)
		if (!strcmp(r->figures[i].metric, metric) && !strcmp(r->figures[i].variant, "default"))
			return true;
	return false;
}

/* Print a section's title. */
static void title(const char *text)
{
	printf("\n%s%s%s\n", tint_begin(BOLD), text, tint_end(BOLD));
}

/* First row of a table: corner, then the configs. */
static void heads(const struct report *r, struct table *t, const char *corner)
{
	int c;

	table_cell(t, BOLD, "%s", corner);
	for (c = 0; c < r->n_configs; c++)
		table_cell(t, BOLD, "%s", r->configs[c]);
}

/* What was run. */
static void header(const struct report *r)
{
	char keys[32], requests[32], ram[24], pmem[24];

	format_count(keys, (double)r->keys);
	format_count(requests, (double)r->requests);
	format_size(ram, (double)r->ram);
	format_size(pmem, (double)r->pmem);
	printf("%s%s%s: %s\n", tint_begin(BOLD), r->scenario, tint_end(BOLD), r->description);
	printf("run %lld · %s · seed %lld · %lld repeat%s · %s%s%s\n", (long long)r->id, r->started,
	       (long long)r->seed, (long long)r->repeats, r->repeats == 1 ? "" : "s", r->status,
	       r->reason[0] ? ": " : "", r->reason);
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
	if (r->overrides[0]) {
		const char *p;

		printf("changed with --set:");
		for (p = r->overrides; *p; p += strcspn(p, "\n") + 1)
			printf(" %.*s", (int)strcspn(p, "\n"), p);
		putchar('\n');
	}
}

/* Throughput with ratio and bound. */
static void throughput(const struct report *r)
{
	struct table t = {.columns = 1 + r->n_configs + r->has_native};
	char n[32];
	int p, c;

	title("Throughput, operations/s (ratio to baseline; * below the paper's bound)");
	heads(r, &t, "phase");
	if (r->has_native)
		table_cell(&t, BOLD, "native");
	for (p = 0; p < r->n_phases; p++) {
		table_cell(&t, PLAIN, "%s", r->phases[p]);
		for (c = 0; c < r->n_configs; c++) {
			const struct figure *f =
				report_find(r, "default", r->configs[c], r->phases[p], "ops");
			bool base = !strcmp(r->configs[c], r->baseline);

			if (!f) {
				table_cell(&t, BAD, "failed");
				continue;
			}
			format_count(n, f->value);
			if (base || isnan(f->ratio))
				table_cell(&t, PLAIN, "%s", n);
			else if (isnan(f->bound))
				table_cell(&t, PLAIN, "%s (%.3f) ", n, f->ratio);
			else
				table_cell(&t, f->ratio >= f->bound ? GOOD : BAD, "%s (%.3f)%s", n, f->ratio,
					   f->ratio >= f->bound ? " " : "*");
		}
		if (r->has_native) {
			const struct figure *f = report_find(r, "native", "native", r->phases[p], "ops");

			format_count(n, f ? f->value : 0);
			table_cell(&t, PLAIN, "%s", f ? n : "-");
		}
	}
	table_print(&t);
}

/* A table of one metric, times FACTOR, phase by config; below LEAST (NAN: none) a cell is marked. */
static void one_metric(const struct report *r, const char *heading, const char *metric, double factor,
		       int decimals, double least)
{
	struct table t = {.columns = 1 + r->n_configs};
	int p, c;

	if (!has_metric(r, metric))
		return;
	title(heading);
	heads(r, &t, "phase");
	for (p = 0; p < r->n_phases; p++) {
		table_cell(&t, PLAIN, "%s", r->phases[p]);
		for (c = 0; c < r->n_configs; c++) {
			double v = value(r, r->configs[c], r->phases[p], metric);

			if (isnan(v))
				table_cell(&t, PLAIN, "-");
			else
				table_cell(&t, v < least ? WARN : PLAIN, "%.*f%s", decimals, v * factor,
					   isnan(least) ? ""
					   : v < least	? "!"
							: " ");
		}
	}
	table_print(&t);
}

/* The server's vCPU; a client-bound run hides slow memory. */
static void server_busy(const struct report *r)
{
	int low = 0, p, c;

	one_metric(
		r,
		"Server's vCPU busy, % (! below 95: the load did not saturate it, so slow memory is hidden)",
		"server_busy", 100, 1, SERVER_BUSY_LEAST);
	for (p = 0; p < r->n_phases; p++)
		for (c = 0; c < r->n_configs; c++)
			low += value(r, r->configs[c], r->phases[p], "server_busy") < SERVER_BUSY_LEAST;
	if (low)
		printf("%sthe server's vCPU is less than 95 %% busy in %d of %d cells%s\n", tint_begin(WARN),
		       low, r->n_phases * r->n_configs, tint_end(WARN));
}

/* Where the memory was, after the last phase. */
static void tiers(const struct report *r)
{
	static const char *names[] = {"DRAM quota",    "granules in DRAM", "granules in PMEM",
				      "bytes in DRAM", "bytes in PMEM",	   "promoted",
				      "demoted",       "Redis used_memory"};
	static const char *metrics[] = {"dram_quota", "dram_granules", "pmem_granules", "dram_bytes",
					"pmem_bytes", "promoted",      "demoted",	"used_memory"};
	static const bool bytes[] = {true, false, false, true, true, false, false, true};
	struct table t = {.columns = 1 + r->n_configs};
	const char *last = r->n_phases ? r->phases[r->n_phases - 1] : "";
	char cell[32], heading[120];
	size_t i;
	int c;

	if (!has_metric(r, "used_memory"))
		return;
	snprintf(heading, sizeof(heading), "Memory by tier after the last phase (%s)", last);
	title(heading);
	heads(r, &t, "");
	for (i = 0; i < COUNT(names); i++) {
		table_cell(&t, PLAIN, "%s", names[i]);
		for (c = 0; c < r->n_configs; c++) {
			double v = value(r, r->configs[c], last, metrics[i]);

			if (isnan(v)) {
				table_cell(&t, PLAIN, "-");
				continue;
			}
			if (bytes[i])
				format_size(cell, v);
			else
				format_count(cell, v);
			table_cell(&t, PLAIN, "%s", cell);
		}
	}
	table_print(&t);
}

/* Ratios at the other LLC sizes. */
static void sensitivity(const struct report *r)
{
	struct table t = {0};
	char heading[256], *at = heading;
	int p, c, v;

	if (r->n_variants < 2)
		return;
	at += snprintf(at, sizeof(heading), "Ratio to the baseline of the same LLC (");
	for (v = 0; v < r->n_variants; v++)
		at += snprintf(at, sizeof(heading) - (size_t)(at - heading), "%s%s", v ? " / " : "",
			       r->variants[v]);
	snprintf(at, sizeof(heading) - (size_t)(at - heading), "; fewer requests than in default)");
	title(heading);
	table_cell(&t, BOLD, "phase");
	for (c = 0; c < r->n_configs; c++)
		if (strcmp(r->configs[c], r->baseline) != 0)
			table_cell(&t, BOLD, "%s", r->configs[c]);
	t.columns = t.n;
	for (p = 0; p < r->n_phases; p++) {
		table_cell(&t, PLAIN, "%s", r->phases[p]);
		for (c = 0; c < r->n_configs; c++) {
			struct text cell = {0};

			if (!strcmp(r->configs[c], r->baseline))
				continue;
			for (v = 0; v < r->n_variants; v++) {
				const struct figure *f =
					report_find(r, r->variants[v], r->configs[c], r->phases[p], "ops");

				if (f && !isnan(f->ratio))
					text_add(&cell, "%s%.3f", v ? " / " : "", f->ratio);
				else
					text_add(&cell, "%s-", v ? " / " : "");
			}
			table_cell(&t, PLAIN, "%s", cell.s);
			text_free(&cell);
		}
	}
	table_print(&t);
}

/* Least and greatest throughput over the repeats. */
static void spread(const struct report *r)
{
	struct table t = {.columns = 1 + r->n_configs};
	char low[32], high[32];
	int p, c;

	if (r->repeats < 2)
		return;
	title("Spread over the repeats: least .. greatest operations/s (% of the median)");
	heads(r, &t, "phase");
	for (p = 0; p < r->n_phases; p++) {
		table_cell(&t, PLAIN, "%s", r->phases[p]);
		for (c = 0; c < r->n_configs; c++) {
			const struct figure *f =
				report_find(r, "default", r->configs[c], r->phases[p], "ops");

			if (!f) {
				table_cell(&t, PLAIN, "-");
				continue;
			}
			format_count(low, f->least);
			format_count(high, f->greatest);
			table_cell(&t, PLAIN, "%s .. %s (%.1f)", low, high,
				   100 * (f->greatest - f->least) / f->value);
		}
	}
	table_print(&t);
}

/* VMs that did not end well. */
static void failures(const struct report *r)
{
	bool first = true;
	int i;

	for (i = 0; i < r->n_vms; i++) {
		const struct run_vm *v = &r->vms[i];

		if (!strcmp(v->status, "ok"))
			continue;
		if (first)
			title("Not counted");
		first = false;
		printf("%s%s (repeat %d, LLC %s) %s: %s%s\n", tint_begin(BAD), v->config, v->repeat,
		       v->variant, v->status, v->reason, tint_end(BAD));
	}
}

/* Which of the paper's bounds hold: a line for each config that has one. */
static void bounds(const struct report *r)
{
	int c, p, held = 0, all = 0;

	for (c = 0; c < r->n_configs; c++) {
		double bound = NAN, lowest = INFINITY;
		const char *where = "";
		struct text low = {0};
		int n = 0;

		for (p = 0; p < r->n_phases; p++) {
			const struct figure *f =
				report_find(r, "default", r->configs[c], r->phases[p], "ops");

			if (!f || isnan(f->bound) || isnan(f->ratio))
				continue;
			n++;
			bound = f->bound;
			if (f->ratio < lowest) {
				lowest = f->ratio;
				where = r->phases[p];
			}
			if (f->ratio < f->bound)
				text_add(&low, "%s%s %.3f", low.len ? ", " : "", r->phases[p], f->ratio);
		}
		if (n) {
			if (!all++)
				title("The paper's bounds");
			held += !low.len;
			printf("%-8s >= %.2f  %s", r->configs[c], bound, tint_begin(low.len ? BAD : GOOD));
			if (low.len)
				printf("DOES NOT HOLD: %s", low.s);
			else
				printf("holds");
			printf("%s (lowest %.3f in %s, %d phase%s)\n", tint_end(BAD), lowest, where, n,
			       n == 1 ? "" : "s");
		}
		text_free(&low);
	}
	if (all)
		printf("%s%d of %d bounds hold.%s\n", tint_begin(BOLD), held, all, tint_end(BOLD));
	else
		printf("\nNo bounds at this scale or without a baseline: a quick look.\n");
}

void report_human(const struct report *r)
{
	header(r);
	throughput(r);
	one_metric(r, "p99 latency, ms", "latency_p99", 1, 3, NAN);
	server_busy(r);
	one_metric(r, "LLC misses that went to PMEM, % (all vCPUs)", "llc_pmem_share", 100, 1, NAN);
	tiers(r);
	spread(r);
	sensitivity(r);
	failures(r);
	bounds(r);
}
