/* Results for people and for programs. */
#ifndef TMLOAD_REPORT_H
#define TMLOAD_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "workloads/tmload/options.h"
#include "workloads/tmload/stats.h"

/* The merged results of a run. */
struct result {
	const struct options *opt;
	struct stats stats;
	struct op_stats total;
	uint64_t duration_ns;	      /* from the first request to the last reply */
	uint64_t start_ms, finish_ms; /* wall clock, since 1970 */
	bool interrupted;
	bool failed;
};

/* a / b, or 0 where that is not a number. */
double ratio_or_0(double a, double b);

/* Print memtier's table, and the latency distribution unless it is hidden, on stdout. */
void report_print(const struct result *r);

/* Write the JSON document to a file ("-": stdout). Returns 0, or -1 after a line on stderr. */
int report_json(const struct result *r, const char *path);

#endif
