/* The tables that reports of every kind are made of. Medians over the repeats throughout. */
#include "harness/report_tables.h"
#include "harness/table.h"

#include <string.h>

double report_value(const struct report *r, const char *config, const char *phase, const char *metric)
{
	const struct figure *f = report_find(r, "default", config, phase, metric);

	return f ? f->value : NAN;
}

bool report_has(const struct report *r, const char *metric)
{
	size_t i;

	for (i = 0; i < r->n_figures; i++)
		if (!strcmp(r->figures[i].metric, metric) && !strcmp(r->figures[i].variant, "default"))
			return true;
	return false;
}

void report_title(const char *text)
{
	printf("\n%s%s%s\n", tint_begin(BOLD), text, tint_end(BOLD));
}

void report_heads(const struct report *r, struct table *t, const char *corner)
{
	int c;

	table_cell(t, BOLD, "%s", corner);
	for (c = 0; c < r->n_configs; c++)
		table_cell(t, BOLD, "%s", r->configs[c]);
}

void report_run(const struct report *r)
{
	printf("%s%s%s: %s\n", tint_begin(BOLD), r->scenario, tint_end(BOLD), r->description);
	printf("run %lld · %s · seed %lld · %lld repeat%s · %s%s%s\n", (long long)r->id, r->started,
	       (long long)r->seed, (long long)r->repeats, r->repeats == 1 ? "" : "s", r->status,
	       r->reason[0] ? ": " : "", r->reason);
}

void report_overrides(const struct report *r)
{
	const char *p;

	if (!r->overrides[0])
		return;
	printf("changed with --set:");
	for (p = r->overrides; *p; p += strcspn(p, "\n") + 1)
		printf(" %.*s", (int)strcspn(p, "\n"), p);
	putchar('\n');
}

void report_memory(const struct report *r, const char *heading, const char *part, const struct memory_row *rows, size_t n)
{
	struct table t = {.columns = 1 + r->n_configs};
	char cell[32];
	size_t i;
	int c;

	report_title(heading);
	report_heads(r, &t, "");
	for (i = 0; i < n; i++) {
		table_cell(&t, PLAIN, "%s", rows[i].label);
		for (c = 0; c < r->n_configs; c++) {
			double v = report_value(r, r->configs[c], part, rows[i].metric);

			if (isnan(v))
				snprintf(cell, sizeof(cell), "-");
			else if (rows[i].bytes)
				format_size(cell, v);
			else
				format_count(cell, v);
			table_cell(&t, PLAIN, "%s", cell);
		}
	}
	table_print(&t);
}

/* Whether a config was to run a phase: one of its VMs has the phase's database. */
static bool wanted(const struct report *r, const char *config, const char *phase)
{
	int i;

	for (i = 0; i < r->n_vms; i++) {
		const struct run_vm *v = &r->vms[i];
		size_t len = strlen(v->part);

		if (!strcmp(v->config, config) && (!len || (!strncmp(phase, v->part, len) && phase[len] == '-')))
			return true;
	}
	return r->n_vms == 0;
}

void report_throughput(const struct report *r, const char *heading)
{
	struct table t = {.columns = 1 + r->n_configs + r->has_native};
	char n[32];
	int p, c;

	report_title(heading);
	report_heads(r, &t, "phase");
	if (r->has_native)
		table_cell(&t, BOLD, "native");
	for (p = 0; p < r->n_phases; p++) {
		table_cell(&t, PLAIN, "%s", r->phases[p]);
		for (c = 0; c < r->n_configs; c++) {
			const struct figure *f =
				report_find(r, "default", r->configs[c], r->phases[p], "ops");
			bool base = !strcmp(r->configs[c], r->baseline);

			if (!f) {
				bool was = wanted(r, r->configs[c], r->phases[p]);

				table_cell(&t, was ? BAD : PLAIN, was ? "failed" : "-");
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

void report_metric(const struct report *r, const char *heading, const char *metric, double factor,
		       int decimals, double least)
{
	struct table t = {.columns = 1 + r->n_configs};
	int p, c;

	if (!report_has(r, metric))
		return;
	report_title(heading);
	report_heads(r, &t, "phase");
	for (p = 0; p < r->n_phases; p++) {
		table_cell(&t, PLAIN, "%s", r->phases[p]);
		for (c = 0; c < r->n_configs; c++) {
			double v = report_value(r, r->configs[c], r->phases[p], metric);

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

void report_sensitivity(const struct report *r)
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
	report_title(heading);
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

void report_spread(const struct report *r)
{
	struct table t = {.columns = 1 + r->n_configs};
	char low[32], high[32];
	int p, c;

	if (r->repeats < 2)
		return;
	report_title("Spread over the repeats: least .. greatest per second (% of the median)");
	report_heads(r, &t, "phase");
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

void report_failures(const struct report *r)
{
	bool first = true;
	int i;

	for (i = 0; i < r->n_vms; i++) {
		const struct run_vm *v = &r->vms[i];

		if (!strcmp(v->status, "ok"))
			continue;
		if (first)
			report_title("Not counted");
		first = false;
		printf("%s%s%s%s (repeat %d, LLC %s) %s: %s%s\n", tint_begin(BAD), v->part,
		       v->part[0] ? " " : "", v->config, v->repeat, v->variant, v->status, v->reason, tint_end(BAD));
	}
}

/* One bound of a config, over the phases that have it. True if it holds. */
static bool one_bound(const struct report *r, const char *config, double bound)
{
	double lowest = INFINITY;
	const char *where = "";
	struct text low = {0};
	bool holds;
	int p, n = 0;

	for (p = 0; p < r->n_phases; p++) {
		const struct figure *f = report_find(r, "default", config, r->phases[p], "ops");

		if (!f || f->bound != bound || isnan(f->ratio))
			continue;
		n++;
		if (f->ratio < lowest) {
			lowest = f->ratio;
			where = r->phases[p];
		}
		if (f->ratio < f->bound)
			text_add(&low, "%s%s %.3f", low.len ? ", " : "", r->phases[p], f->ratio);
	}
	holds = !low.len;
	printf("%-8s >= %.2f  %s", config, bound, tint_begin(holds ? GOOD : BAD));
	if (holds)
		printf("holds");
	else
		printf("DOES NOT HOLD: %s", low.s);
	printf("%s (lowest %.3f in %s, %d phase%s)\n", tint_end(BAD), lowest, where, n, n == 1 ? "" : "s");
	text_free(&low);
	return holds;
}

void report_bounds(const struct report *r)
{
	int c, p, i, held = 0, all = 0;

	for (c = 0; c < r->n_configs; c++) {
		double seen[MAX_NAMES];
		int n = 0;

		for (p = 0; p < r->n_phases; p++) {
			const struct figure *f =
				report_find(r, "default", r->configs[c], r->phases[p], "ops");

			if (!f || isnan(f->bound) || isnan(f->ratio))
				continue;
			for (i = 0; i < n && seen[i] != f->bound; i++)
				;
			if (i < n)
				continue;
			seen[n++] = f->bound;
			if (!all++)
				report_title("The bounds");
			held += one_bound(r, r->configs[c], f->bound);
		}
	}
	if (all)
		printf("%s%d of %d bounds hold.%s\n", tint_begin(BOLD), held, all, tint_end(BOLD));
	else
		printf("\nNo bounds at this scale or without a baseline: a quick look.\n");
}
