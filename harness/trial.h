/*
 * Native measurements side by side: programs that print figures as JSON, run in turn and several times, so that what else the
 * machine does meets all of them alike; medians with their spread. Real time: never mixed with simulated figures.
 */
#ifndef HARNESS_TRIAL_H
#define HARNESS_TRIAL_H

#include "harness/util.h"

#include <jansson.h>

enum { TRIAL_LABELS = 4, TRIAL_FIGURES = 16, TRIAL_CELLS = 96, TRIAL_REPEATS = 25, TRIAL_ARGS = 40 };

/* A figure: where it is in the program's JSON ("demote.gb_s"), its column, how it is printed. */
struct trial_figure {
	const char *key, *head, *format;
};

/* One configuration. */
struct trial_cell {
	const char *label[TRIAL_LABELS];
	char *argv[TRIAL_ARGS]; /* NULL at the end */
	const char *preload;	/* LD_PRELOAD, or NULL */
	double value[TRIAL_FIGURES][TRIAL_REPEATS];
	int n; /* runs */
};

struct trial {
	const char *const *labels; /* columns; NULL at the end */
	const struct trial_figure *figures;
	int n_figures;
	struct trial_cell cell[TRIAL_CELLS];
	int n_cells;
	int repeat;
	const char *out; /* folder of runs.csv, and of what the programs print */
	bool progress;
};

/* Appends the words of a printf-like text to a cell's argv; no quoting. */
void trial_args(struct trial_cell *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Runs every cell, then all again. 0 or an exit code after saying why; what was measured until then is in runs.csv. */
int trial_run(struct trial *t);

/* The median, the least and the most of a figure over a cell's runs. */
struct trial_spread {
	double median, least, most;
};
struct trial_spread trial_spread(const struct trial_cell *c, int figure);

/* A table of medians with the spread beside them. */
void trial_print(const struct trial *t);

/* The same as an array of cells, owned by the caller. */
json_t *trial_json(const struct trial *t);

#endif
