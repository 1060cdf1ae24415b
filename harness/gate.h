/*
 * The latency gate: is this tree slower than the reference? Concepts:
 *   row       one metric of one phase of one config, with one value per seed; a result (what a user feels) or a counter
 *             (what explains it)
 *   set       the rows of one tree, with the fingerprint of what they were made with
 *   side      a set that can grow: a tree that is measured when further seeds are asked for, or a file that cannot
 *   finding   how one row of the present tree stands to the same row of the other side
 */
#ifndef HARNESS_GATE_H
#define HARNESS_GATE_H

#include "harness/options.h"
#include "harness/scenario.h"

#define GATE_MAX_SEEDS 64
#define GATE_MAX_PRINT 24
#define GATE_NOISE     0.1  /* percent: a smaller change of a median is not worth a line */
/* Of the paired t-test, one-sided: */
#define GATE_P_SUSPECT 0.05  /* worth as many seeds again */
#define GATE_P_ALL     0.001 /* a regression, with these */
#define GATE_P	       0.01  /* or without, where there are none and it is worse in every seed */

#define EXIT_REGRESSION 3

/* What changes the numbers and is no source of this tree: one name and what it is here. */
struct gate_print {
	char name[NAME_LEN], value[512];
};

struct gate_row {
	char config[NAME_LEN], phase[NAME_LEN], metric[NAME_LEN];
	double v[GATE_MAX_SEEDS];
};

struct gate_set {
	struct gate_row *rows;
	int n, cap;
	int64_t seed; /* of the first value */
	int seeds;    /* values in each row */
	struct gate_print prints[GATE_MAX_PRINT];
	int n_prints;
	char commit[64], made[24], image[72];
	struct text accepted; /* "DATE COMMIT REASON" a line, oldest first */
};

/* What a row is: a result has a direction, a counter has 0. */
struct gate_metric {
	const char *name, *label, *unit;
	int better; /* +1: more is better, -1: less is better, 0: explains */
	/* how it is made of the recorded metrics: as is, per request, or the growth since the phase before */
	enum { GATE_PLAIN, GATE_PER_REQUEST, GATE_GROWTH } how;
	const char *recorded; /* NULL: vcpuN_instructions of the background vCPU */
};

extern const struct gate_metric gate_metrics[];
extern const int gate_n_metrics;

/* A metric by name, or NULL. */
const struct gate_metric *gate_metric(const char *name);

/* What the command line asks for. */
struct gate_options {
	int64_t seeds, seed, jobs, scale, timeout;
	struct list set;
	double tolerance; /* percent */
	const char *scenario, *config, *phase, *reference, *measured, *accept, *db, *format, *progress, *qemu;
};

/* --- sets (gate_set.c) --- */

/* The row of a metric, or NULL. */
struct gate_row *gate_find(const struct gate_set *s, const char *config, const char *phase,
			   const char *metric);

/* The row, made if it is not there. */
struct gate_row *gate_add(struct gate_set *s, const char *config, const char *phase, const char *metric);

/* Append a fingerprint line. */
void gate_print_add(struct gate_set *s, const char *name, const char *value);
void gate_set_free(struct gate_set *s);

/* --- the file (gate_file.c) --- */

/* Read a reference. 0, 1 when there is no such file, or -1 after saying in one line what is wrong with it. */
int gate_read(struct gate_set *s, const char *path);

/* Write it. 0 or -1 after saying why. */
int gate_write(const struct gate_set *s, const char *path);

/* --- measuring (gate_measure.c) --- */

/*
 * Run seeds [FROM, FROM + COUNT) of the scenario with the programs of a tree and append the values to SET, whose rows must
 * have FROM - set->seed values so far. 0 or an exit code; the child has said why.
 */
int gate_measure(struct gate_set *set, const struct gate_options *o, const char *tree, int64_t from,
		 int count);

/* Take the rows from the newest run of a database. 0 or EXIT_FAIL after saying why. */
int gate_take(struct gate_set *set, const char *db, int background_cpu, int count);

/* --- versions (gate_versions.c) --- */

/* Fill in fingerprint, commit, time and image hash. 0 or EXIT_FAIL after saying why. */
int gate_versions(struct gate_set *set, const struct gate_options *o);

/* Add what differs, one "NAME: OTHER here, REFERENCE in the reference" a line. The number of differences. */
int gate_differences(struct text *out, const struct gate_set *ref, const struct gate_set *now);

/* Whether the source tree has changes that are not committed (the reference itself aside). -1: no git history. */
int gate_dirty(void);

/* --- the commit before (gate_parent.c) --- */

/* Build the commit to compare with under build/gate/parent; its name in REV. 0 or EXIT_FAIL after saying why. */
int gate_parent(char *tree, char rev[64]);

/* --- comparing (gate_compare.c) --- */

enum gate_state { GATE_SAME, GATE_CHANGED, GATE_BETTER, GATE_WORSE, GATE_UNSTEADY };

struct gate_finding {
	const struct gate_row *ref, *now;
	const struct gate_metric *metric;
	enum gate_state state;
	double change;	  /* median over the seeds of the relative change, percent; positive: more */
	double from, to;  /* medians */
	int worse, seeds; /* seeds in which it is worse, of how many */
	double p;	  /* of "it is not worse" */
	bool suspect;	  /* worth a second look */
};

/* Compare one row over its first COUNT seeds. SECOND: because of what was suspected with half of them. TOLERANCE in percent. */
void gate_compare(struct gate_finding *f, const struct gate_row *ref, const struct gate_row *now, int count,
		  bool second, double tolerance);

/* Compare everything over the first COUNT seeds; findings to be freed. Their number, or -1 after naming a missing row. */
int gate_compare_sets(struct gate_finding **out, const struct gate_set *ref, const struct gate_set *now,
		      int count, bool second, double tolerance);

/* How many findings are worth a second look. */
int gate_suspects(const struct gate_finding *f, int n);

/* How many findings are in a state; results only. */
int gate_count(const struct gate_finding *f, int n, enum gate_state state);

/* --- printing (gate_report.c) --- */

struct gate_report {
	const struct gate_options *o;
	const struct gate_set *ref, *now;
	const struct gate_finding *f;
	int n, seeds;	       /* seeds compared */
	bool second;	       /* half of them because of what the others made suspect */
	const char *against;   /* "reference" or "parent" */
	const char *versions;  /* what differs from the reference, lines, "" */
	const char *rev;       /* of the parent */
	int code;	       /* the exit status */
};

void gate_report_human(const struct gate_report *r);
int gate_report_json(const struct gate_report *r);

#endif
