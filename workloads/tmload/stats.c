/* Log-linear latency histogram in the manner of HdrHistogram. */
#include "workloads/tmload/stats.h"

#include <math.h>

void op_stats_init(struct op_stats *s)
{
	*s = (struct op_stats){.min_ns = UINT64_MAX};
}

/* The slot of a value: linear below 2^(HIST_BITS + 1), then 2^HIST_BITS slots per power of two. */
static unsigned slot_of(uint64_t v)
{
	unsigned shift;

	if (v < (2u << HIST_BITS))
		return (unsigned)v;
	if (v >> HIST_TOP)
		return HIST_SLOTS - 1;
	shift = 63 - HIST_BITS - (unsigned)__builtin_clzll(v);
	return (shift << HIST_BITS) + (unsigned)(v >> shift);
}

/* The largest value that falls into a slot. */
static uint64_t slot_top(unsigned i)
{
	unsigned shift;

	if (i < (2u << HIST_BITS))
		return i;
	shift = (i >> HIST_BITS) - 1;
	return (((uint64_t)i - ((uint64_t)shift << HIST_BITS) + 1) << shift) - 1;
}

void op_stats_add(struct op_stats *s, uint64_t latency_ns, uint64_t bytes)
{
	s->count++;
	s->bytes += bytes;
	s->sum_ns += latency_ns;
	if (latency_ns < s->min_ns)
		s->min_ns = latency_ns;
	if (latency_ns > s->max_ns)
		s->max_ns = latency_ns;
	s->hist.slot[slot_of(latency_ns)]++;
}

void op_stats_merge(struct op_stats *a, const struct op_stats *b)
{
	a->count += b->count;
	a->hits += b->hits;
	a->misses += b->misses;
	a->bytes += b->bytes;
	a->sum_ns += b->sum_ns;
	if (b->min_ns < a->min_ns)
		a->min_ns = b->min_ns;
	if (b->max_ns > a->max_ns)
		a->max_ns = b->max_ns;
	for (unsigned i = 0; i < HIST_SLOTS; i++)
		a->hist.slot[i] += b->hist.slot[i];
}

uint64_t op_stats_percentile(const struct op_stats *s, double percent)
{
	double want = ceil((double)s->count * percent / 100);
	uint64_t seen = 0;

	if (s->count == 0)
		return 0;
	for (unsigned i = 0; i < HIST_SLOTS; i++) {
		uint64_t here = s->hist.slot[i];

		if (here && (double)(seen + here) >= want) {
			uint64_t low = i ? slot_top(i - 1) + 1 : 0, high = slot_top(i);

			low = low > s->min_ns ? low : s->min_ns;
			high = high < s->max_ns ? high : s->max_ns;
			return low + (uint64_t)((double)(high - low) * (want - (double)seen) / (double)here);
		}
		seen += here;
	}
	return s->max_ns;
}

double op_stats_mean(const struct op_stats *s)
{
	return s->count ? (double)s->sum_ns / (double)s->count : 0;
}

uint64_t errors_total(const struct error_stats *e)
{
	return e->wrong + e->missing + e->protocol + e->connection;
}
