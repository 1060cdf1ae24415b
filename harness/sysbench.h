/* What sysbench and MariaDB print, as metrics. */
#ifndef HARNESS_SYSBENCH_H
#define HARNESS_SYSBENCH_H

#include "harness/results.h"

/*
 * The text that `sysbench --histogram=on --percentile=99 run` prints: ops (transactions/s), queries, errors, latency_avg, _min,
 * _max, _p50, _p95, _p99 in ms (percentiles from the histogram, whose resolution is 2 %). 0, or -1 with the REASON when a figure is
 * missing, the histogram does not fit the totals, or connections were lost.
 */
int results_sysbench(struct metrics *m, const char *phase, const char *text, char *reason);

/*
 * MariaDB's SHOW GLOBAL STATUS before and after a phase, with the line "after" between: what the buffer pool did. 0, or -1 with the
 * REASON.
 */
int results_mariadb(struct metrics *m, const char *phase, const char *text, char *reason);

/* CHECKSUM TABLE of all tables, as one figure: tables_checksum. 0, or -1 with the REASON. */
int results_tables(struct metrics *m, const char *phase, const char *text, char *reason);

#endif
