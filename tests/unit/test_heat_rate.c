/* From counts of samples to rates: what chance makes of equally hot granules leads to nothing, what differs is seen. */
#include "allocator/heat_rate.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint32_t granules[TM_HEAT_BINS];

/* Knuth's way, by sums of exponentials. */
static unsigned poisson(double mean)
{
	static uint64_t seed = 88172645463325252u;
	unsigned n = 0;

	for (double sum = 0;; n++) {
		seed ^= seed << 13;
		seed ^= seed >> 7;
		seed ^= seed << 17;
		sum -= log(((double)(seed >> 11) + 1) / 9007199254740993.0);
		if (sum > mean)
			return n;
	}
}

static void clear(void)
{
	memset(granules, 0, sizeof(granules));
}

/* So many granules with that rate are counted. */
static void count(unsigned n, double rate)
{
	while (n--)
		granules[tm_heat_bin((float)poisson(rate))]++;
}

/* The fit that a policy has after some ticks. */
static struct tm_heat_fit fit(void)
{
	struct tm_heat_fit f = {0};

	for (int i = 0; i < 5; i++)
		tm_heat_fit(&f, granules);
	for (unsigned b = 1; b < TM_HEAT_BINS; b++)
		assert_true(f.rate[b] >= f.rate[b - 1]);
	return f;
}

static void bins_are_counts_then_quarters_of_a_doubling(void **state)
{
	assert_int_equal(tm_heat_bin(0), 0);
	assert_int_equal(tm_heat_bin(0.4f), 0);
	assert_int_equal(tm_heat_bin(7.6f), 8);
	assert_int_equal(tm_heat_bin(31.9f), 32);
	assert_int_equal(tm_heat_bin(32), 32);
	assert_int_equal(tm_heat_bin(65), 36);
	assert_int_equal(tm_heat_bin(1e30f), TM_HEAT_BINS - 1);
}

static int rising(const void *a, const void *b)
{
	return *(const unsigned *)a < *(const unsigned *)b ? -1 : *(const unsigned *)a > *(const unsigned *)b;
}

/* Equal heat, counted: of thousands on each tier next to nobody trades places, however long one counts. */
static void equal_heat_stays(void **state)
{
	enum { N = 6000 };
	static unsigned bin[2][N];

	for (double mean = 0.125; mean <= 64; mean *= 1.19) {
		unsigned trades = 0;

		clear();
		for (int tier = 0; tier < 2; tier++) {
			for (int i = 0; i < N; i++)
				granules[bin[tier][i] = tm_heat_bin((float)poisson(mean))]++;
			qsort(bin[tier], N, sizeof(bin[tier][0]), rising);
		}
		struct tm_heat_fit f = fit();
		while (trades < N && tm_heat_worth(f.rate[bin[0][N - 1 - trades]], f.rate[bin[1][trades]]))
			trades++;
		assert_in_range(trades, 0, 2);
		assert_true(bin[0][N - 1] > bin[1][0]);
	}
}

/* A part that nobody uses gives its places to what is merely used. */
static void unused_goes(void **state)
{
	clear();
	count(2000, 0.05);
	count(8000, 5);
	struct tm_heat_fit f = fit();
	assert_true(tm_heat_worth(f.rate[5], f.rate[0]));
	assert_false(tm_heat_worth(f.rate[9], f.rate[4]));
}

/* The few that are hot come first, and do not make the others restless. */
static void hot_comes(void **state)
{
	clear();
	count(9500, 4);
	count(500, 60);
	struct tm_heat_fit f = fit();
	assert_true(tm_heat_worth(f.rate[tm_heat_bin(50)], f.rate[tm_heat_bin(8)]));
	assert_false(tm_heat_worth(f.rate[tm_heat_bin(10)], f.rate[0]));
	assert_true(fabsf(f.rate[tm_heat_bin(60)] - 60) < 12);
	assert_true(fabsf(f.rate[4] - 4) < 1);
}

/* Counts without bounds, and none at all. */
static void extremes_are_rates_too(void **state)
{
	clear();
	struct tm_heat_fit f = fit();
	count(10, 3);
	granules[TM_HEAT_BINS - 1] = 3;
	f = fit();
	assert_true(isfinite(f.rate[TM_HEAT_BINS - 1]) && f.rate[TM_HEAT_BINS - 1] > 1e6f);
	assert_false(tm_heat_worth(0, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(bins_are_counts_then_quarters_of_a_doubling),
					   cmocka_unit_test(equal_heat_stays), cmocka_unit_test(unused_goes),
					   cmocka_unit_test(hot_comes),
					   cmocka_unit_test(extremes_are_rates_too)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
