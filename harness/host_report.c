/* tmbench host: native beside simulated. What is judged is operations per second of the server's CPU time. */
#include "harness/host.h"
#include "harness/table.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The simulated figure may be so far from the native one. */
static const double BOUND = 0.15;

/* Median and spread of one figure of the native runs. */
static double native(const struct host_load *l, bool per_cpu_s, double *spread)
{
	double v[HOST_MAX_RUNS], median;

	for (int i = 0; i < l->n_native; i++)
		v[i] = per_cpu_s ? l->native[i].per_cpu_s : l->native[i].per_s;
	*spread = host_spread(v, l->n_native, &median);
	return median;
}

/* One line of the table. Whether the figure is within the bound. */
static bool row(struct table *t, const struct host_load *l, bool per_cpu_s)
{
	double spread, want = native(l, per_cpu_s, &spread),
		       got = per_cpu_s ? l->simulated.per_cpu_s : l->simulated.per_s;
	bool holds = fabs(got / want - 1) <= BOUND;

	table_cell(t, PLAIN, "%s", l->name);
	table_cell(t, PLAIN, "%s per %s", l->unit,
		   !per_cpu_s	   ? "s"
		   : l->client_cpu ? "server CPU s"
				   : "CPU s");
	table_cell(t, PLAIN, "%.*f", want < 10000 ? 1 : 0, want);
	table_cell(t, PLAIN, "%d", l->n_native);
	table_cell(t, PLAIN, "%.0f", spread * 100);
	table_cell(t, PLAIN, "%.*f", got < 10000 ? 1 : 0, got);
	table_cell(t, PLAIN, "%.3f", got / want);
	table_cell(t,
		   holds       ? GOOD
		   : per_cpu_s ? BAD
			       : WARN,
		   "%s%s", holds ? "holds" : "outside", per_cpu_s ? "" : " (not judged)");
	return holds;
}

/* How much of the server's time is the operating system's: it says whether the two sides do the same work. */
static void system_row(struct table *t, const struct host_load *l)
{
	double v[HOST_MAX_RUNS], median;

	for (int i = 0; i < l->n_native; i++)
		v[i] = l->native[i].system;
	host_spread(v, l->n_native, &median);
	table_cell(t, PLAIN, "%s", l->name);
	table_cell(t, PLAIN, "of the server's in the system, %%");
	table_cell(t, PLAIN, "%.0f", median * 100);
	table_cell(t, PLAIN, "%d", l->n_native);
	table_cell(t, PLAIN, "-");
	table_cell(t, PLAIN, "%.0f", l->simulated.system * 100);
	table_cell(t, PLAIN, "-");
	table_cell(t, PLAIN, "(not judged)");
}

int host_report(const struct host *h)
{
	static const char *heads[] = {"load",	  "figure",    "native", "runs",
				      "spread %", "simulated", "ratio",	 "within 15 %"};
	struct table t = {.columns = COUNT(heads)};
	int missed = 0;

	for (size_t i = 0; i < COUNT(heads); i++)
		table_cell(&t, BOLD, "%s", heads[i]);
	for (int i = 0; i < HOST_LOADS; i++) {
		const struct host_load *l = &h->loads[i];

		if (!l->n_native || l->simulated.per_cpu_s <= 0)
			continue;
		missed += !row(&t, l, true);
		system_row(&t, l);
		row(&t, l, false);
	}
	if (t.n == t.columns) {
		complain("no load was measured on both sides");
		return -1;
	}
	table_print(&t);
	printf("\n%d outside the bound\n", missed);
	return missed;
}

int host_runs_write(const struct host *h, const char *path)
{
	struct text t = {0};
	int err;

	text_add(&t, "load,side,run,per_cpu_s,per_s,system\n");
	for (int i = 0; i < HOST_LOADS; i++) {
		const struct host_load *l = &h->loads[i];

		for (int k = 0; k < l->n_native; k++)
			text_add(&t, "%s,native,%d,%.3f,%.3f,%.3f\n", l->name, k + 1, l->native[k].per_cpu_s,
				 l->native[k].per_s, l->native[k].system);
		if (l->simulated.per_cpu_s > 0)
			text_add(&t, "%s,simulated,1,%.3f,%.3f,%.3f\n", l->name, l->simulated.per_cpu_s,
				 l->simulated.per_s, l->simulated.system);
	}
	err = write_file(path, t.s, t.len, 0644);
	text_free(&t);
	if (err)
		complain("cannot write %s: %s", path, strerror(-err));
	return err ? -1 : 0;
}

/* One line of a file of runs. 0 or -1. */
static int read_run(struct host *h, const char *line)
{
	char load[16], side[16], end;
	struct host_run r;

	if (sscanf(line, "%15[^,],%15[^,],%*d,%lf,%lf,%lf%c", load, side, &r.per_cpu_s, &r.per_s, &r.system,
		   &end) != 5 ||
	    r.per_cpu_s <= 0 || r.per_s <= 0)
		return -1;
	for (int i = 0; i < HOST_LOADS; i++) {
		struct host_load *l = &h->loads[i];

		if (strcmp(l->name, load) != 0)
			continue;
		if (!strcmp(side, "simulated"))
			l->simulated = r;
		else if (!strcmp(side, "native") && l->n_native < HOST_MAX_RUNS)
			l->native[l->n_native++] = r;
		else
			return -1;
		return 0;
	}
	return -1;
}

int host_runs_read(struct host *h, const char *path)
{
	char *text = read_file(path, NULL), *save = NULL;
	int number = 0;

	if (!text) {
		complain("cannot read %s: %s", path, strerror(errno));
		return -1;
	}
	for (char *line = strtok_r(text, "\r\n", &save); line; line = strtok_r(NULL, "\r\n", &save)) {
		if (!number++ && !strncmp(line, "load,", 5))
			continue;
		if (read_run(h, line)) {
			complain("%s:%d: want a line 'load,native|simulated,run,per_cpu_s,per_s,system' as "
				 "results/host/runs.csv has them",
				 path, number);
			free(text);
			return -1;
		}
	}
	free(text);
	return 0;
}
