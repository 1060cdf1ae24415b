/*
 * tmbench figure: 1 and 2 are diagrams (diagram.c); 3, 4 and heat (figure_heat.c) are data from the database, drawn by gnuplot with the
 * scripts in plots/.
 */
#include "harness/commands.h"
#include "harness/diagram.h"
#include "harness/figure_heat.h"
#include "harness/gnuplot.h"
#include "harness/options.h"
#include "harness/record.h"
#include "harness/report.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Figures that are bars of a run, and the kind of run that they show. */
static const struct {
	const char *number, *kind;
} figures[] = {{"3", "redis-inside"}, {"4", "mysql-underneath"}};

/* Configs that have a bar: all but the baseline, and those that ran with some of the databases only. */
static bool has_bar(const struct report *r, int c)
{
	int i, k;

	for (i = 0; i < r->n_vms; i++) {
		for (k = 0; k < r->n_vms; k++)
			if (!strcmp(r->vms[k].config, r->configs[c]) && !strcmp(r->vms[k].part, r->vms[i].part))
				break;
		if (k == r->n_vms && strcmp(r->vms[i].variant, "native") != 0)
			return false;
	}
	return strcmp(r->configs[c], r->baseline) != 0;
}

/* The axis ends above the highest bar. */
static double ceiling(const struct report *r)
{
	double high = 1.05;
	size_t i;

	for (i = 0; i < r->n_figures; i++)
		if (!strcmp(r->figures[i].metric, "ops") && !strcmp(r->figures[i].variant, "default") &&
		    isfinite(r->figures[i].ratio) && r->figures[i].ratio > high)
			high = r->figures[i].ratio;
	return high * 1.1;
}

/* The data file: a row per phase; per config ratio, least, greatest ("?" for none) and bound. 0 or -errno. */
static int write_data(const struct report *r, const char *path)
{
	struct text t = {0};
	int p, c, err;

	text_add(&t, "# %s, run %lld: throughput normalised to the baseline, simulated time\n# phase",
		 r->scenario, (long long)r->id);
	for (c = 0; c < r->n_configs; c++)
		if (has_bar(r, c))
			text_add(&t, " %s %s-least %s-greatest %s-bound", r->configs[c], r->configs[c],
				 r->configs[c], r->configs[c]);
	text_add(&t, "\n");
	for (p = 0; p < r->n_phases; p++) {
		const struct figure *base = report_find(r, "default", r->baseline, r->phases[p], "ops");

		text_add(&t, "%s", r->phases[p]);
		for (c = 0; c < r->n_configs; c++) {
			const struct figure *f =
				report_find(r, "default", r->configs[c], r->phases[p], "ops");

			if (!has_bar(r, c))
				continue;
			if (f && base && isfinite(f->ratio))
				text_add(&t, " %.6f %.6f %.6f", f->ratio, f->least / base->value,
					 f->greatest / base->value);
			else
				text_add(&t, " ? ? ?");
			if (f && isfinite(f->bound))
				text_add(&t, " %.4f", f->bound);
			else
				text_add(&t, " ?");
		}
		text_add(&t, "\n");
	}
	err = write_file(path, t.s, t.len, 0644);
	text_free(&t);
	return err;
}

void figure_subtitle(struct text *set, const struct report *r)
{
	text_add(set,
		 "subtitle='simulated time · scale 1/%lld · profile %s · seed %lld · run %lld · tiermem %s'",
		 (long long)r->scale, r->profile, (long long)r->seed, (long long)r->id, r->tiermem);
}

/* Whether any bar has a bound. */
static bool any_bound(const struct report *r)
{
	size_t i;

	for (i = 0; i < r->n_figures; i++)
		if (isfinite(r->figures[i].bound))
			return true;
	return false;
}

/* Draw in one format. 0 or EXIT_FAIL after saying why. */
static int plot(const struct report *r, const char *number, const char *dir, const char *data,
		const char *format)
{
	char script[64], plots[PATH_LEN], quota[24];
	struct text labels = {0}, set = {0};
	int err, c, bars = 0;

	snprintf(script, sizeof(script), "figure%s", number);
	root_path(plots, "plots");
	for (c = 0; c < r->n_configs; c++) {
		if (!has_bar(r, c))
			continue;
		bars++;
		format_size(quota, r->config_dram[c]);
		text_add(&labels, "%s%s_DRAM_(%s)", labels.len ? " " : "", r->configs[c], quota);
	}
	for (c = 0; labels.s && labels.s[c]; c++)
		if (labels.s[c] == ' ' && c > 0 && labels.s[c - 1] != ')')
			labels.s[c] = '_';
	text_add(&set,
		 "format='%s'; data='%s'; out='%s/figure%s.%s'; bars=%d; labels='%s'; repeats=%lld; "
		 "bounded=%d; ceiling=%.3f; plots='%s'; ",
		 format, data, dir, number, format, bars, labels.s ? labels.s : "", (long long)r->repeats,
		 any_bound(r), ceiling(r), plots);
	figure_subtitle(&set, r);
	err = gnuplot_run(script, set.s);
	text_free(&labels);
	text_free(&set);
	return err;
}

/* Write data, SVG and PNG of a loaded run. 0 or EXIT_FAIL. */
static int draw(const struct report *r, const char *number, const char *dir)
{
	char data[PATH_LEN + 64];
	int err = make_dirs(dir), i, n = 0;

	snprintf(data, sizeof(data), "%s/figure%s.dat", dir, number);
	if (!err)
		err = write_data(r, data);
	if (err) {
		complain("cannot write %s: %s", data, strerror(-err));
		return EXIT_FAIL;
	}
	for (i = 0; i < (int)r->n_figures; i++)
		n += !strcmp(r->figures[i].metric, "ops") && isfinite(r->figures[i].ratio) &&
		     !strcmp(r->figures[i].variant, "default") && strcmp(r->figures[i].config, r->baseline);
	if (!n) {
		complain("run %lld has no ratio to draw: its baseline or its other configs are missing or "
			 "failed",
			 (long long)r->id);
		return EXIT_FAIL;
	}
	if (plot(r, number, dir, data, "svg") || plot(r, number, dir, data, "png"))
		return EXIT_FAIL;
	printf("%s/figure%s.svg\n%s/figure%s.png\n", dir, number, dir, number);
	return EXIT_OK;
}

/* The bars of a run. 0 or an exit code. */
static int bars(sqlite3 *db, int64_t run, size_t n, const char *dir)
{
	static struct report r;
	int err = report_load_kind(&r, db, run, figures[n].kind);

	if (!err)
		err = draw(&r, figures[n].number, dir);
	report_free(&r);
	return err;
}

int command_figure(int argc, char **argv)
{
	const char *db_path = NULL, *run = "latest", *out = NULL, *config = NULL, *database = NULL, *name;
	const struct option table[] = {
		{"db", OPT_TEXT, &db_path, "FILE", "database (results/tiermem.db)", 0, 0},
		{"run", OPT_TEXT, &run, "ID|latest|whole", "which run; whole: the latest with all bounds, if any (latest)", 0, 0},
		{"out", OPT_TEXT, &out, "DIR", "where the figure goes (results/figures)", 0, 0},
		{"config", OPT_TEXT, &config, "NAME", "heat: of this config only (each has a picture)", 0, 0},
		{"database", OPT_TEXT, &database, "NAME", "heat: with this database only", 0, 0},
		{0},
	};
	struct list operands = {0};
	char path[PATH_LEN], dir[PATH_LEN], *end;
	int64_t id = 0;
	sqlite3 *db;
	bool diagram, heat;
	size_t n;
	int err = options_parse(table, "tmbench figure 1|2|3|4|heat [options]", argc, argv, &operands);

	if (err)
		return err;
	name = operands.n == 1 ? operands.v[0] : "";
	diagram = !strcmp(name, "1") || !strcmp(name, "2");
	heat = !strcmp(name, "heat");
	for (n = 0; n < COUNT(figures) && strcmp(name, figures[n].number) != 0; n++)
		;
	if (n == COUNT(figures) && !diagram && !heat) {
		complain("figure takes one name; there are: 1 2 3 4 heat");
		return EXIT_USAGE;
	}
	if ((config || database) && !heat) {
		complain("--%s goes with figure heat only", config ? "config" : "database");
		return EXIT_USAGE;
	}
	if (!strcmp(run, "whole")) {
		id = REPORT_WHOLE;
	} else if (strcmp(run, "latest") != 0) {
		id = strtoll(run, &end, 10);
		if (end == run || *end || id <= 0) {
			complain("--run %s: must be the number of a run, latest or whole", run);
			return EXIT_USAGE;
		}
	}
	root_path(dir, "results/figures");
	if (out)
		snprintf(dir, sizeof(dir), "%s", out);
	if (strpbrk(dir, "'\\")) {
		complain("--out %s: gnuplot cannot take a quote or backslash in the path", dir);
		return EXIT_USAGE;
	}
	if (diagram)
		return diagram_draw(name, dir);
	default_db(path);
	db = record_open_readonly(db_path ? db_path : path);
	if (!db)
		return EXIT_FAIL;
	err = heat ? figure_heat(db, id, config, database, dir) : bars(db, id, n, dir);
	sqlite3_close(db);
	return err;
}
