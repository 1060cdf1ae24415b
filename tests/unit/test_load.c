/* Queueing: what share of a device the load gets, and that a device never serves more than its time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>

#include "sim/load.h"

static const struct load_shape even = {.dimms = 1, .read_smoothing = 1, .write_smoothing = 1, .jitter = 0};

static void share(void **state)
{
	assert_true(load_share(0.5, 0) == 0.5);
	assert_true(load_share(2, 0) == 1);
	/* a triangle of half-width w at its middle is short by w / 6 */
	assert_float_equal(load_share(1, 0.01), 1 - 0.2449 / 6, 0.001);
	for (double a = 0.1; a < 3; a += 0.1) {
		assert_true(load_share(a, 0.05) <= a && load_share(a, 0.05) <= 1);
		assert_true(load_share(a, 0.05) <= load_share(a, 0.01));
	}
}

/* Each of n vCPUs, in slices, asks for `service` ps every `gap` ps; returns the part of the time that was served. */
static double served(unsigned int n, uint64_t gap, uint32_t service, uint64_t from, uint64_t to)
{
	const struct load_use use = {.media_ps = service, .depth = 256};
	struct load *l = malloc(sizeof(*l));
	uint64_t now[LOAD_VCPUS] = {0}, sum = 0, slice = 20000000;

	load_init(l, &even, 20000);
	for (uint64_t end = slice; end <= to * slice; end += slice) {
		for (unsigned int i = 0; i < n; i++) {
			while (now[i] < end) {
				now[i] += gap + load_charge(l, i, now[i], &use);
				sum += end > from * slice ? service : 0;
			}
		}
	}
	free(l);
	return (double)sum / (double)((to - from) * slice);
}

static void light_load_does_not_wait(void **state)
{
	assert_float_equal(served(4, 100000, 10000, 10, 50), 0.4, 0.005);
}

static void heavy_load_gets_all_there_is(void **state)
{
	assert_float_equal(served(4, 10000, 10000, 30, 200), 1, 0.02);
	assert_float_equal(served(24, 1000, 10000, 30, 200), 1, 0.03);
}

static void a_start_does_not_get_more(void **state)
{
	/* from the first access on: what came too soon is made up for */
	assert_in_range((int)(100 * served(24, 1000, 10000, 0, 200)), 95, 106);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(share),
		cmocka_unit_test(light_load_does_not_wait),
		cmocka_unit_test(heavy_load_gets_all_there_is),
		cmocka_unit_test(a_start_does_not_get_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
