/* Programs that print their figures as JSON, run in turn; medians with their spread. */
#include "harness/trial.h"
#include "harness/proc.h"
#include "harness/table.h"

#include <errno.h>
#include <gsl/gsl_sort.h>
#include <gsl/gsl_statistics_double.h>
#include <stdlib.h>
#include <string.h>

void trial_args(struct trial_cell *c, const char *fmt, ...)
{
	char text[PATH_LEN * 2], *save = NULL;
	int n = 0;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	while (c->argv[n])
		n++;
	for (char *word = strtok_r(text, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
		if (n + 1 >= TRIAL_ARGS) {
			complain("more than %d arguments", TRIAL_ARGS - 1);
			abort();
		}
		c->argv[n++] = must_strdup(word);
	}
}

/* "redis, tiermem". */
static const char *name_of(const struct trial_cell *c)
{
	static char text[256];
	size_t len = 0;

	text[0] = '\0';
	for (int i = 0; i < TRIAL_LABELS && c->label[i]; i++)
		len += (size_t)snprintf(text + len, len < sizeof(text) ? sizeof(text) - len : 0, "%s%s",
					i ? ", " : "", c->label[i]);
	return text;
}

/* The number at a path such as "demote.gb_s". */
static bool number_at(json_t *doc, const char *path, double *value)
{
	char word[64];

	for (const char *p = path; doc && *p;) {
		size_t len = strcspn(p, ".");

		snprintf(word, sizeof(word), "%.*s", (int)len, p);
		doc = json_object_get(doc, word);
		p += len + (p[len] == '.');
	}
	*value = json_number_value(doc);
	return json_is_number(doc);
}

/* Takes the figures of a run from what the program printed. 0 or -1 after saying what is missing. */
static int take(const struct trial *t, struct trial_cell *c, const char *path)
{
	json_error_t error;
	json_t *doc = json_load_file(path, 0, &error);
	int err = 0;

	if (!doc) {
		complain("%s: %s is no JSON (%s)", name_of(c), path, error.text);
		return -1;
	}
	for (int f = 0; f < t->n_figures && !err; f++) {
		if (number_at(doc, t->figures[f].key, &c->value[f][c->n]))
			continue;
		complain("%s: there is no number %s in %s", name_of(c), t->figures[f].key, path);
		err = -1;
	}
	json_decref(doc);
	c->n += !err;
	return err;
}

/* The last line that a program wrote to a file, for a message. */
static void last_line(const char *path, char *out, size_t size)
{
	char *text = read_file(path, NULL), *end = text ? text + strlen(text) : NULL, *line;

	while (text && end > text && end[-1] == '\n')
		*--end = '\0';
	line = text ? strrchr(text, '\n') : NULL;
	snprintf(out, size, "%s", line ? line + 1 : text ? text : "");
	free(text);
}

/* The dynamic linker goes on without a library that is to be preloaded: the figures would be another allocator's. */
static bool names_missing_library(const char *path, char *out, size_t size)
{
	char *text = read_file(path, NULL), *said = text ? strstr(text, "cannot be preloaded") : NULL;

	while (said && said > text && said[-1] != '\n')
		said--;
	if (said)
		snprintf(out, size, "%.*s", (int)strcspn(said, "\n"), said);
	free(text);
	return said != NULL;
}

static int run_cell(struct trial *t, int number, int round)
{
	struct trial_cell *c = &t->cell[number];
	char out[PATH_LEN], err[PATH_LEN], line[REASON_LEN];
	struct spawn s = {.argv = c->argv, .out = out, .err = err, .preload = c->preload, .cpu = -1};
	int status;

	snprintf(out, sizeof(out), "%s/%d-%d.json", t->out, number + 1, round + 1);
	snprintf(err, sizeof(err), "%s/%d-%d.log", t->out, number + 1, round + 1);
	status = proc_run(&s);
	if (proc_interrupted || status == EXIT_SIGNAL)
		return EXIT_SIGNAL;
	if (status < 0) {
		complain("cannot run %s: %s", c->argv[0], strerror(-status));
		return EXIT_FAIL;
	}
	if (status) {
		last_line(err, line, sizeof(line));
		complain("%s: exit status %d: %s (%s)", name_of(c), status, line, err);
		return EXIT_FAIL;
	}
	if (names_missing_library(err, line, sizeof(line))) {
		complain("%s: %s (%s)", name_of(c), line, err);
		return EXIT_FAIL;
	}
	return take(t, c, out) ? EXIT_FAIL : 0;
}

static void write_csv(const struct trial *t, FILE *f)
{
	for (int i = 0; t->labels[i]; i++)
		fprintf(f, "%s,", t->labels[i]);
	fprintf(f, "run");
	for (int i = 0; i < t->n_figures; i++)
		fprintf(f, ",%s", t->figures[i].key);
	fprintf(f, "\n");
	for (int i = 0; i < t->n_cells; i++) {
		const struct trial_cell *c = &t->cell[i];

		for (int r = 0; r < c->n; r++) {
			for (int l = 0; t->labels[l]; l++)
				fprintf(f, "%s,", c->label[l]);
			fprintf(f, "%d", r + 1);
			for (int v = 0; v < t->n_figures; v++)
				fprintf(f, ",%.9g", c->value[v][r]);
			fprintf(f, "\n");
		}
	}
}

/* Every run so far. 0 or -1 after saying why. */
static int save(const struct trial *t)
{
	char path[PATH_LEN + 16];
	FILE *f;

	snprintf(path, sizeof(path), "%s/runs.csv", t->out);
	f = fopen(path, "we");
	if (f)
		write_csv(t, f);
	if (f && !fclose(f))
		return 0;
	complain("cannot write %s: %s", path, strerror(errno));
	return -1;
}

int trial_run(struct trial *t)
{
	int done = 0, err = make_dirs(t->out);

	if (err) {
		complain("cannot make %s: %s", t->out, strerror(-err));
		return EXIT_FAIL;
	}
	for (int r = 0; r < t->repeat; r++) {
		for (int i = 0; i < t->n_cells; i++) {
			double start = now_seconds();

			err = run_cell(t, i, r);
			if (save(t) && !err)
				err = EXIT_FAIL;
			if (err)
				return err;
			if (t->progress)
				fprintf(stderr, "tmbench: %d of %d: %s: %.1f s\n", ++done,
					t->repeat * t->n_cells, name_of(&t->cell[i]), now_seconds() - start);
		}
	}
	return 0;
}

struct trial_spread trial_spread(const struct trial_cell *c, int figure)
{
	double v[TRIAL_REPEATS];

	if (!c->n)
		return (struct trial_spread){0};
	memcpy(v, c->value[figure], (size_t)c->n * sizeof(*v));
	gsl_sort(v, 1, (size_t)c->n);
	return (struct trial_spread){.median = gsl_stats_median_from_sorted_data(v, 1, (size_t)c->n),
				     .least = v[0],
				     .most = v[c->n - 1]};
}

static void cell_figure(struct table *table, const struct trial *t, const struct trial_cell *c, int figure)
{
	struct trial_spread s = trial_spread(c, figure);
	const char *format = t->figures[figure].format;
	char median[32], least[32], most[32];

	snprintf(median, sizeof(median), format, s.median);
	snprintf(least, sizeof(least), format, s.least);
	snprintf(most, sizeof(most), format, s.most);
	if (c->n < 2 || !strcmp(least, most))
		table_cell(table, PLAIN, "%s", median);
	else
		table_cell(table, PLAIN, "%s (%s..%s)", median, least, most);
}

void trial_print(const struct trial *t)
{
	struct table table = {0};

	for (int i = 0; t->labels[i]; i++, table.columns++)
		table_cell(&table, BOLD, "%s", t->labels[i]);
	for (int i = 0; i < t->n_figures; i++, table.columns++)
		table_cell(&table, BOLD, "%s", t->figures[i].head);
	for (int i = 0; i < t->n_cells; i++) {
		for (int l = 0; t->labels[l]; l++)
			table_cell(&table, PLAIN, "%s", t->cell[i].label[l]);
		for (int f = 0; f < t->n_figures; f++)
			cell_figure(&table, t, &t->cell[i], f);
		if (table.n + table.columns > (int)COUNT(table.cell)) /* long: another table */
			table_print(&table);
	}
	table_print(&table);
}

json_t *trial_json(const struct trial *t)
{
	json_t *cells = json_array();

	for (int i = 0; i < t->n_cells; i++) {
		const struct trial_cell *c = &t->cell[i];
		json_t *o = json_pack("{s:i}", "runs", c->n);

		for (int l = 0; t->labels[l]; l++)
			json_object_set_new(o, t->labels[l], json_string(c->label[l]));
		for (int f = 0; f < t->n_figures; f++) {
			struct trial_spread s = trial_spread(c, f);

			json_object_set_new(o, t->figures[f].key,
					    json_pack("{s:f, s:f, s:f}", "median", s.median, "least", s.least,
						      "most", s.most));
		}
		json_array_append_new(cells, o);
	}
	return cells;
}
