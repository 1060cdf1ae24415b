/* The tier model against the figures it is made from, those of optane-100. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "sim/tier.h"

static const struct tier_profile optane = {
	.random_ns = 305,
	.sequential_ns = 169.4,
	.line_bytes = 256,
	.buffer_lines = 384,
	.core_read_gbps = 2.88,
	.core_write_gbps = 4.13,
	.device_read_gbps = 37.6,
	.device_write_gbps = 12.5,
};

/* Mean stall in ns of n dependent reads, each issued when the last one is done. */
static double mean_ns(struct tier *t, uint32_t (*next)(uint32_t), int n, bool stream)
{
	uint64_t now = 0;
	uint32_t line = 12345;

	for (int i = 0; i < n; i++) {
		now += tier_read(t, line, now, stream);
		line = next(line);
	}
	return (double)now / n / 1000;
}

static uint32_t sequential(uint32_t line)
{
	return line + 1;
}

static uint32_t scattered(uint32_t line)
{
	return line * 1664525u + 1013904223u;
}

static void assert_near(double value, double want, double tolerance)
{
	if (value < want * (1 - tolerance) || value > want * (1 + tolerance))
		fail_msg("%g is not within %g %% of %g", value, tolerance * 100, want);
}

static void latencies(void **state)
{
	struct tier *t = malloc(sizeof(*t));

	tier_init(t, &optane);
	assert_near(mean_ns(t, scattered, 100000, false), 305, 0.01);
	tier_init(t, &optane);
	assert_near(mean_ns(t, sequential, 100000, false), 169.4, 0.01);
	free(t);
}

static void a_stream_of_one_core(void **state)
{
	struct tier *t = malloc(sizeof(*t));

	tier_init(t, &optane);
	/* bytes per ns = GB/s */
	assert_near(64 / mean_ns(t, sequential, 100000, true), 2.88, 0.01);
	assert_int_equal(t->reads, 100000);
	assert_int_equal(t->stream_reads, 100000);
	free(t);
}

static void cores_share_the_device(void **state)
{
	struct tier *t = malloc(sizeof(*t));
	uint64_t now[24] = {0}, end = 0;
	uint32_t line[24];

	tier_init(t, &optane);
	for (unsigned int c = 0; c < 24; c++)
		line[c] = c << 20;
	for (int i = 0; i < 24 * 20000; i++) {
		int c = 0;

		for (int k = 1; k < 24; k++)
			if (now[k] < now[c])
				c = k;
		now[c] += tier_read(t, line[c]++, now[c], true);
	}
	for (int k = 0; k < 24; k++)
		end = now[k] > end ? now[k] : end;
	/* 24 x 2.88 would be 69: the device gives 37.6 */
	assert_near(64.0 * 24 * 20000 / (double)end * 1000, 37.6, 0.02);
	free(t);
}

static void non_temporal_stores(void **state)
{
	struct tier *t = malloc(sizeof(*t));
	uint64_t now[4] = {0};

	tier_init(t, &optane);
	for (int i = 0; i < 10000; i++)
		now[0] += tier_write_nt(t, now[0]);
	assert_near(64.0 * 10000 / (double)now[0] * 1000, 4.13, 0.01);
	/* four cores would be 16.5 GB/s: the device takes 12.5 */
	tier_init(t, &optane);
	memset(now, 0, sizeof(now));
	for (int i = 0; i < 40000; i++)
		now[i % 4] += tier_write_nt(t, now[i % 4]);
	assert_near(64.0 * 40000 / (double)now[0] * 1000, 12.5, 0.02);
	free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(latencies),
		cmocka_unit_test(a_stream_of_one_core),
		cmocka_unit_test(cores_share_the_device),
		cmocka_unit_test(non_temporal_stores),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
