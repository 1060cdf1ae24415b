/* The tables that reports of every kind are made of; all print to stdout, phases as rows and configs as columns. */
#ifndef HARNESS_REPORT_TABLES_H
#define HARNESS_REPORT_TABLES_H

#include "harness/report.h"
#include "harness/table.h"

/* Value of a cell of the default LLC, NAN if there is none. */
double report_value(const struct report *r, const char *config, const char *phase, const char *metric);

/* Whether any config has a figure of the default LLC for a metric. */
bool report_has(const struct report *r, const char *metric);

/* A section's title. */
void report_title(const char *text);

/* First row of a table: corner, then the configs. */
void report_heads(const struct report *r, struct table *t, const char *corner);

/* First lines of a report: which scenario, which run and how it ended. */
void report_run(const struct report *r);

/* What was changed with --set, if anything. */
void report_overrides(const struct report *r);

/* A row of report_memory(); BYTES: the metric is a size, else a number. */
struct memory_row {
	const char *label, *metric;
	bool bytes;
};

/* A table of figures that a part of the run (a phase, a database) has for each config. */
void report_memory(const struct report *r, const char *heading, const char *part,
		   const struct memory_row *rows, size_t n);

/* Throughput (metric ops) with ratio and bound, and the native run's if there is one. */
void report_throughput(const struct report *r, const char *heading);

/* A table of one metric, times FACTOR; below LEAST (NAN: none) a cell is marked. Nothing when no config has it. */
void report_metric(const struct report *r, const char *heading, const char *metric, double factor,
		   int decimals, double least);

/* Ratios at the other LLC sizes, if there are any. */
void report_sensitivity(const struct report *r);

/* Least and greatest throughput, if there are repeats. */
void report_spread(const struct report *r);

/* VMs that did not end well. */
void report_failures(const struct report *r);

/* Which bounds hold: a line for each bound of each config, over the phases that have it. */
void report_bounds(const struct report *r);

#endif
