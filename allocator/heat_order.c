#include "allocator/heat_order.h"

#include <math.h>
#include <stdlib.h>

#define FACTOR	2.0f // the hysteresis
#define CERTAIN 2.5f // standard errors of the difference of two counts
#define CHANCE	4.0f // standard deviations of one
#define LEAST	5.0f // samples

static int by_address(const struct tm_heat *x, const struct tm_heat *y)
{
	return x->g < y->g ? -1 : x->g > y->g;
}

static int hottest(const void *a, const void *b)
{
	const struct tm_heat *x = a, *y = b;

	return x->heat > y->heat ? -1 : x->heat < y->heat ? 1 : by_address(x, y);
}

static int coldest(const void *a, const void *b)
{
	const struct tm_heat *x = a, *y = b;

	return x->heat < y->heat ? -1 : x->heat > y->heat ? 1 : by_address(x, y);
}

void tm_heat_sort(struct tm_heat *v, size_t n, bool hottest_first)
{
	qsort(v, n, sizeof(*v), hottest_first ? hottest : coldest);
}

// Counts are Poisson. The hottest of thousands that are equally hot is some four standard deviations above their mean; LEAST more,
// since the distribution has a longer tail when the mean is small.
bool tm_heat_worth(float on_pmem, float in_dram, float mean)
{
	return on_pmem > mean + CHANCE * sqrtf(mean) + LEAST && on_pmem > FACTOR * in_dram &&
	       on_pmem - in_dram > CERTAIN * sqrtf(on_pmem + in_dram);
}
