/* tmbench speed: medians, whether the targets hold, and every run as CSV. */
#include "harness/speed.h"
#include "harness/table.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* Other programs took more of the host than this: seconds say little about the simulator. */
#define BUSY 0.1

static double of_seconds(const struct speed_run *r)
{
	return r->seconds;
}

static double of_cpu(const struct speed_run *r)
{
	return r->cpu_seconds;
}

static double of_rate(const struct speed_run *r)
{
	return r->seconds > 0 ? r->instructions / r->seconds : 0;
}

static double of_cpu_rate(const struct speed_run *r)
{
	return r->cpu_seconds > 0 ? r->instructions / r->cpu_seconds : 0;
}

static double of_instructions(const struct speed_run *r)
{
	return r->instructions;
}

static double of_others(const struct speed_run *r)
{
	return r->others;
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double speed_median(const struct speed_cell *c, double (*figure)(const struct speed_run *))
{
	double v[SPEED_MAX_REPEATS];

	if (!c->n)
		return 0;
	for (int i = 0; i < c->n; i++)
		v[i] = figure(&c->runs[i]);
	qsort(v, (size_t)c->n, sizeof(*v), ascending);
	return (v[(c->n - 1) / 2] + v[c->n / 2]) / 2;
}

/* The cell of the same load and vCPUs in another mode; NULL when it was not run. */
static const struct speed_cell *beside(const struct speed *s, const struct speed_cell *c,
				       enum speed_mode mode)
{
	for (int i = 0; i < s->n_cells; i++)
		if (s->cells[i].load == c->load && s->cells[i].vcpus == c->vcpus && s->cells[i].mode == mode)
			return &s->cells[i];
	return NULL;
}

/* How many times as much as the cell in another mode; 0: there is none. */
static double times(const struct speed *s, const struct speed_cell *c, enum speed_mode mode,
		    double (*figure)(const struct speed_run *))
{
	const struct speed_cell *other = beside(s, c, mode);
	double base = other ? speed_median(other, figure) : 0;

	return base > 0 ? speed_median(c, figure) / base : 0;
}

/* What is asked of the simulator. */
static double rate_of(const struct speed *s, const struct speed_cell *c)
{
	return speed_median(c, of_rate) / 1e6;
}

static double slowdown_of(const struct speed *s, const struct speed_cell *c)
{
	return times(s, c, SPEED_PLAIN, of_seconds);
}

static double strict_of(const struct speed *s, const struct speed_cell *c)
{
	return times(s, c, SPEED_ON, of_seconds);
}

static const struct target {
	const char *id, *text;
	enum speed_mode mode; /* in every cell of this mode */
	double (*figure)(const struct speed *, const struct speed_cell *);
	double bound;
	bool at_least;
	int vcpus; /* and of that many vCPUs at least: one keeps one host core busy, the rate is for two */
} targets[] = {
	{"rate", "million instructions/s with every access timed", SPEED_ON, rate_of, 150, true, 2},
	{"slowdown", "times the seconds of plain QEMU, model on", SPEED_ON, slowdown_of, 2.5, false, 1},
	{"strict", "times the seconds of the free mode, strict", SPEED_STRICT, strict_of, 3, false, 1},
};

/* The cell in which a target is farthest from holding; NULL: it was measured in none. */
static const struct speed_cell *worst(const struct speed *s, const struct target *t, double *value)
{
	const struct speed_cell *found = NULL;

	for (int i = 0; i < s->n_cells; i++) {
		bool judged = s->cells[i].mode == t->mode && s->cells[i].vcpus >= t->vcpus;
		double v = judged ? t->figure(s, &s->cells[i]) : 0;

		if (v <= 0 || (found && (t->at_least ? v >= *value : v <= *value)))
			continue;
		found = &s->cells[i];
		*value = v;
	}
	return found;
}

static bool holds(const struct target *t, double value)
{
	return t->at_least ? value >= t->bound : value <= t->bound;
}

/* The largest part of the host that other programs took. */
static double busiest(const struct speed *s)
{
	double most = 0;

	for (int i = 0; i < s->n_cells; i++)
		if (speed_median(&s->cells[i], of_others) > most)
			most = speed_median(&s->cells[i], of_others);
	return most;
}

/* A figure, "-" where there is none. */
static void cell_number(struct table *t, const char *fmt, double v)
{
	char text[32];

	snprintf(text, sizeof(text), fmt, v);
	table_cell(t, PLAIN, "%s", v > 0 ? text : "-");
}

static void print_table(const struct speed *s)
{
	static const char *heads[] = {"load",	 "vCPUs",	   "mode",	  "seconds",
				      "x plain", "M instr.",	   "M instr./s",  "CPU s",
				      "x plain", "M instr./CPU s", "others % CPU"};
	struct table t = {.columns = COUNT(heads)};

	for (size_t i = 0; i < COUNT(heads); i++)
		table_cell(&t, BOLD, "%s", heads[i]);
	for (int i = 0; i < s->n_cells; i++) {
		const struct speed_cell *c = &s->cells[i];

		table_cell(&t, PLAIN, "%s", c->load->name);
		table_cell(&t, PLAIN, "%d", c->vcpus);
		table_cell(&t, PLAIN, "%s", speed_mode_names[c->mode]);
		cell_number(&t, "%.2f", speed_median(c, of_seconds));
		cell_number(&t, "%.2f", times(s, c, SPEED_PLAIN, of_seconds));
		cell_number(&t, "%.0f", speed_median(c, of_instructions) / 1e6);
		cell_number(&t, "%.0f", speed_median(c, of_rate) / 1e6);
		cell_number(&t, "%.2f", speed_median(c, of_cpu));
		cell_number(&t, "%.2f", times(s, c, SPEED_PLAIN, of_cpu));
		cell_number(&t, "%.0f", speed_median(c, of_cpu_rate) / 1e6);
		table_cell(&t, speed_median(c, of_others) > BUSY ? WARN : PLAIN, "%.0f",
			   100 * speed_median(c, of_others));
		if ((t.n + (int)COUNT(heads)) > (int)COUNT(t.cell)) /* a long matrix: another table */
			table_print(&t);
	}
	table_print(&t);
}

static void print_human(const struct speed *s, const char *qemu)
{
	const struct speed_load *last = NULL;

	printf("QEMU %s; medians of %lld runs of the measured part, boot excluded; the guest's clock: %s\n",
	       qemu, (long long)s->repeat, s->clock);
	for (int i = 0; i < s->n_cells; i++) {
		const struct speed_load *l = s->cells[i].load;

		if (l != last) {
			printf("%s: %lld %s", l->name, (long long)(s->requests ? s->requests : l->requests),
			       l->operation);
			if (l->threads)
				printf(", by %lld connections of %lld threads",
				       (long long)speed_connections(s, l), (long long)speed_threads(s, l));
			printf("\n");
		}
		last = l;
	}
	printf("\n");
	print_table(s);
	printf("\n");
	for (size_t i = 0; i < COUNT(targets); i++) {
		const struct target *t = &targets[i];
		double v = 0;
		const struct speed_cell *c = worst(s, t, &v);

		if (!c)
			printf("not measured: %s\n", t->text);
		else
			printf("%s%s%s: %.4g %s (%s, %d vCPUs: the worst); wanted: %s %g\n",
			       tint_begin(holds(t, v) ? GOOD : BAD), holds(t, v) ? "holds" : "MISSED",
			       tint_end(holds(t, v) ? GOOD : BAD), v, t->text, c->load->name, c->vcpus,
			       t->at_least ? "at least" : "at most", t->bound);
	}
	if (busiest(s) > BUSY)
		printf("Other programs took up to %.0f %% of the host's CPUs meanwhile: seconds, and what is "
		       "made from them, are no measurement of the simulator. CPU seconds come closer; a "
		       "quiet "
		       "host gives both.\n",
		       100 * busiest(s));
}

static void write_csv(const struct speed *s, FILE *f)
{
	fprintf(f, "load,vcpus,mode,run,requests,seconds,cpu_seconds,others_cpu,instructions,simulated_"
		   "seconds\n");
	for (int i = 0; i < s->n_cells; i++) {
		const struct speed_cell *c = &s->cells[i];

		for (int k = 0; k < c->n; k++)
			fprintf(f, "%s,%d,%s,%d,%lld,%.4f,%.2f,%.4f,%.0f,%.9f\n", c->load->name, c->vcpus,
				speed_mode_names[c->mode], k + 1,
				(long long)(s->requests ? s->requests : c->load->requests),
				c->runs[k].seconds, c->runs[k].cpu_seconds, c->runs[k].others,
				c->runs[k].instructions, c->runs[k].simulated);
	}
}

static void print_json(const struct speed *s, const char *qemu)
{
	json_t *cells = json_array(), *asked = json_array();
	json_t *doc = json_pack("{s:i, s:s, s:s, s:o, s:o, s:f}", "schema", 1, "qemu", qemu, "clock",
				s->clock, "cells", cells, "targets", asked, "others_cpu_max", busiest(s));

	for (int i = 0; i < s->n_cells; i++) {
		const struct speed_cell *c = &s->cells[i];

		json_array_append_new(cells, json_pack("{s:s, s:i, s:s, s:i, s:f, s:f, s:f, s:f}", "load",
						       c->load->name, "vcpus", c->vcpus, "mode",
						       speed_mode_names[c->mode], "runs", c->n, "seconds",
						       speed_median(c, of_seconds), "cpu_seconds",
						       speed_median(c, of_cpu), "instructions",
						       speed_median(c, of_instructions), "others_cpu",
						       speed_median(c, of_others)));
	}
	for (size_t i = 0; i < COUNT(targets); i++) {
		double v = 0;
		const struct speed_cell *c = worst(s, &targets[i], &v);

		json_array_append_new(asked,
				      c ? json_pack("{s:s, s:f, s:f, s:b}", "name", targets[i].id, "worst", v,
						    "bound", targets[i].bound, "holds", holds(&targets[i], v))
					: json_pack("{s:s, s:n, s:f, s:n}", "name", targets[i].id, "worst",
						    "bound", targets[i].bound, "holds"));
	}
	json_dumpf(doc, stdout, JSON_INDENT(1));
	printf("\n");
	json_decref(doc);
}

int speed_write(const struct speed *s)
{
	char path[PATH_LEN + 16];
	FILE *f;

	snprintf(path, sizeof(path), "%s/runs.csv", s->out);
	f = fopen(path, "we");
	if (f)
		write_csv(s, f);
	if (f && !fclose(f))
		return 0;
	complain("cannot write %s: %s", path, strerror(errno));
	return -1;
}

int speed_report(const struct speed *s, const char *format, const char *qemu_version)
{
	int missed = 0;

	for (size_t i = 0; i < COUNT(targets); i++) {
		double v = 0;

		missed += worst(s, &targets[i], &v) && !holds(&targets[i], v);
	}
	if (!strcmp(format, "json"))
		print_json(s, qemu_version);
	else if (!strcmp(format, "csv"))
		write_csv(s, stdout);
	else
		print_human(s, qemu_version);
	return missed;
}
