/* Latency histograms and counters: one set per thread, merged at the end. */
#ifndef TMLOAD_STATS_H
#define TMLOAD_STATS_H

#include <stdint.h>

#define HIST_BITS  7  /* 128 buckets per power of two: under 0.8 % error */
#define HIST_TOP   40 /* values are clipped below 2^40 ns, 18 minutes */
#define HIST_SLOTS ((HIST_TOP - HIST_BITS + 1) << HIST_BITS)

struct hist {
	uint64_t slot[HIST_SLOTS];
};

/* What is counted for one kind of request. Latencies in ns. */
struct op_stats {
	uint64_t count, hits, misses, bytes;
	uint64_t sum_ns, min_ns, max_ns;
	struct hist hist;
};

enum { OP_SET, OP_GET, OP_KINDS };

struct error_stats {
	uint64_t wrong, missing, protocol, connection;
};

struct stats {
	struct op_stats op[OP_KINDS];
	struct error_stats errors;
};

/* Start state (all zero but the minimum). */
void op_stats_init(struct op_stats *s);

/* Add one request. */
void op_stats_add(struct op_stats *s, uint64_t latency_ns, uint64_t bytes);

/* Add all of b to a. */
void op_stats_merge(struct op_stats *a, const struct op_stats *b);

/*
 * The latency in ns that a share (0..100 percent) of the requests does not exceed; 0 without requests. Within a bucket the
 * requests are taken to be spread evenly: a small shift of all latencies is then a small shift of the result, no jump of 0.8 %.
 */
uint64_t op_stats_percentile(const struct op_stats *s, double percent);

/* Mean latency in ns; 0 without requests. */
double op_stats_mean(const struct op_stats *s);

/* Errors of all kinds. */
uint64_t errors_total(const struct error_stats *e);

#endif
