/* Key distributions, shares of the key range and the latency histogram. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "workloads/tmload/keygen.h"
#include "workloads/tmload/stats.h"

#define DRAWS 200000

static gsl_rng *new_rng(uint64_t seed)
{
	gsl_rng *rng = gsl_rng_alloc(gsl_rng_taus2);

	gsl_rng_set(rng, stream_seed(seed, 0));
	return rng;
}

static void gaussian_has_its_moments(void **state)
{
	struct keydist d;
	struct keycursor c = {0};
	gsl_rng *rng = new_rng(1);
	double sum = 0, squares = 0;

	keydist_init(&d, 'G', 1000, 11000, 6000, 500, 1);
	for (int i = 0; i < DRAWS; i++) {
		double k = (double)keygen_next(&d, &c, rng);
		sum += k;
		squares += k * k;
	}
	sum /= DRAWS;
	assert_true(fabs(sum - 6000) < 5);
	assert_true(fabs(sqrt(squares / DRAWS - sum * sum) - 500) < 5);
	gsl_rng_free(rng);
}

static void gaussian_stays_in_range(void **state)
{
	/* Centre on the edge; and a range that is nothing against stddev. */
	static const double stddev[] = {0.001, 3, 1e15};
	gsl_rng *rng = new_rng(2);

	for (int s = 0; s < 3; s++) {
		struct keydist d;
		struct keycursor c = {0};
		keydist_init(&d, 'G', 10, 19, 19, stddev[s], 1);
		for (int i = 0; i < 2000; i++) {
			uint64_t k = keygen_next(&d, &c, rng);
			assert_in_range(k, 10, 19);
		}
	}
	gsl_rng_free(rng);
}

static void zipf_has_its_frequencies(void **state)
{
	static const double exponents[] = {0.3, 0.99, 1, 1.5, 4};
	enum { N = 1000 };
	gsl_rng *rng = new_rng(3);

	for (int e = 0; e < 5; e++) {
		struct keydist d;
		struct keycursor c = {0};
		static unsigned seen[N];
		double total = 0;
		memset(seen, 0, sizeof(seen));
		keydist_init(&d, 'Z', 50, 50 + N - 1, 0, 1, exponents[e]);
		for (int i = 0; i < DRAWS; i++) {
			uint64_t k = keygen_next(&d, &c, rng);
			assert_in_range(k, 50, 50 + N - 1);
			seen[k - 50]++;
		}
		for (int k = 1; k <= N; k++)
			total += pow(k, -exponents[e]);
		for (int k = 1; k <= N; k = k * 3 + 1) {
			double p = pow(k, -exponents[e]) / total, sigma = sqrt(DRAWS * p * (1 - p));
			assert_true(fabs(seen[k - 1] - DRAWS * p) < 5 * sigma + 1);
		}
	}
	gsl_rng_free(rng);
}

static void uniform_covers_evenly(void **state)
{
	struct keydist d;
	struct keycursor c = {0};
	gsl_rng *rng = new_rng(4);
	unsigned seen[100] = {0};

	keydist_init(&d, 'R', 7, 106, 0, 1, 1);
	for (int i = 0; i < DRAWS; i++)
		seen[keygen_next(&d, &c, rng) - 7]++;
	for (int i = 0; i < 100; i++)
		assert_true(abs((int)seen[i] - DRAWS / 100) < 5 * 45);
	for (int i = 0; i < 1000; i++)
		assert_true(uniform_below(rng, (uint64_t)5 << 40) < (uint64_t)5 << 40);
	gsl_rng_free(rng);
}

/* Together the connections' shares touch each key exactly once; then sequences begin again. */
static void sequences_cover_once(void **state)
{
	static const uint64_t cases[][2] = {{1, 1}, {10, 3}, {100, 7}, {100, 100}, {1001, 50}};

	for (int pattern = 0; pattern < 2; pattern++) {
		for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
			uint64_t count = cases[i][0], n = cases[i][1], total = 0;
			unsigned char seen[1001] = {0};
			struct keydist d;
			keydist_init(&d, "SP"[pattern], 5, 5 + count - 1, 0, 1, 1);
			for (uint64_t k = 0; k < n; k++) {
				struct keycursor c;
				uint64_t share = key_share(count, k, n), first = 0;
				keycursor_init(&c, &d, k, n);
				for (uint64_t j = 0; j < share; j++) {
					uint64_t key = keygen_next(&d, &c, NULL);
					first = j == 0 ? key : first;
					assert_in_range(key, 5, 5 + count - 1);
					assert_int_equal(seen[key - 5]++, 0);
				}
				assert_int_equal(keygen_next(&d, &c, NULL), first);
				total += share;
			}
			assert_int_equal(total, count);
		}
	}
}

static void more_connections_than_keys(void **state)
{
	struct keydist d;
	struct keycursor c;

	keydist_init(&d, 'S', 0, 2, 0, 1, 1);
	keycursor_init(&c, &d, 7, 10);
	assert_int_equal(key_share(3, 7, 10), 0);
	assert_int_equal(keygen_next(&d, &c, NULL), 1);
	assert_int_equal(keygen_next(&d, &c, NULL), 1);
}

static void requests_for_a_share(void **state)
{
	assert_int_equal(requests_for_share(100, 1, 0), 100);
	assert_int_equal(requests_for_share(100, 0, 1), 100);
	assert_int_equal(requests_for_share(10, 1, 10), 110);
	assert_int_equal(requests_for_share(10, 4, 1), 12);
}

static void percentiles(void **state)
{
	struct op_stats *s = malloc(sizeof(*s)), *t = malloc(sizeof(*t));

	op_stats_init(s);
	op_stats_init(t);
	assert_int_equal(op_stats_percentile(s, 99), 0);
	assert_true(op_stats_mean(s) == 0);
	for (uint64_t i = 1; i <= 10000; i++)
		op_stats_add(i % 2 ? s : t, i * 1000, 1);
	op_stats_merge(s, t);
	assert_int_equal(s->count, 10000);
	assert_int_equal(s->min_ns, 1000);
	assert_int_equal(s->max_ns, 10000000);
	assert_true(fabs((double)op_stats_percentile(s, 50) / 5e6 - 1) < 0.008);
	assert_true(fabs((double)op_stats_percentile(s, 99) / 9.9e6 - 1) < 0.008);
	assert_int_equal(op_stats_percentile(s, 100), 10000000);
	op_stats_add(s, UINT64_MAX / 2, 1);
	op_stats_add(s, 0, 1);
	assert_int_equal(op_stats_percentile(s, 0), 0);
	free(s);
	free(t);
}

static void percentiles_move_with_the_latencies(void **state)
{
	struct op_stats *s = malloc(sizeof(*s)), *t = malloc(sizeof(*t));

	op_stats_init(s);
	op_stats_init(t);
	for (uint64_t i = 0; i < 10000; i++) {
		uint64_t latency = 500000 + i * 20;

		op_stats_add(s, latency, 1);
		op_stats_add(t, latency + latency / 1000, 1);
	}
	for (int percent = 5; percent < 100; percent += 5) {
		double a = (double)op_stats_percentile(s, percent), b = (double)op_stats_percentile(t, percent);

		assert_true(fabs(a / (500000 + 2000.0 * percent) - 1) < 0.0005);
		assert_true(fabs(b / a - 1.001) < 0.0005);
	}
	free(s);
	free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gaussian_has_its_moments), cmocka_unit_test(gaussian_stays_in_range),
		cmocka_unit_test(zipf_has_its_frequencies), cmocka_unit_test(uniform_covers_evenly),
		cmocka_unit_test(sequences_cover_once),	    cmocka_unit_test(more_connections_than_keys),
		cmocka_unit_test(requests_for_a_share),	    cmocka_unit_test(percentiles),
		cmocka_unit_test(percentiles_move_with_the_latencies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
