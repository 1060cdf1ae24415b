/* The disk model: latency, depth of the queue, bandwidth, flushes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "sim/disk.h"

#define US UINT64_C(1000000) /* in ps */

static const struct disk_profile profile = {
	.read_us = 80, .write_us = 20, .flush_us = 10, .read_gbps = 2, .write_gbps = 1, .queue = 4};

static void near(uint64_t value, uint64_t expected)
{
	assert_in_range(value, expected - expected / 50, expected + expected / 50);
}

static void one_small_request_takes_its_latency(void **state)
{
	struct disk d;

	(void)state;
	disk_init(&d, &profile);
	near(disk_request(&d, DISK_READ, 4096, 1000 * US), 1082 * US); /* 4 KiB at 2 GB/s: 2 us */
	near(disk_request(&d, DISK_WRITE, 4096, 2000 * US), 2024 * US);
	near(disk_request(&d, DISK_FLUSH, 0, 3000 * US), 3010 * US);
	assert_int_equal(d.queued_ps, 0);
}

static void small_requests_are_limited_by_the_queue(void **state)
{
	struct disk d;
	uint64_t last = 0;

	(void)state;
	disk_init(&d, &profile);
	for (int i = 0; i < 400; i++)
		last = disk_request(&d, DISK_READ, 512, 0);
	near(last, 400 / 4 * 80 * US);
	assert_true(d.queued_ps > 0);
	assert_int_equal(d.requests[DISK_READ], 400);
}

static void large_requests_are_limited_by_the_bandwidth(void **state)
{
	struct disk d;
	uint64_t last = 0;

	(void)state;
	disk_init(&d, &profile);
	for (int i = 0; i < 100; i++)
		last = disk_request(&d, DISK_READ, 1 << 20, 0);
	near(last, 100 * (UINT64_C(1) << 20) * 500); /* 500 ps a byte */
	assert_int_equal(d.bytes[DISK_READ], 100 << 20);
}

static void a_flush_waits_for_writes_before_it(void **state)
{
	struct disk d;

	(void)state;
	disk_init(&d, &profile);
	disk_request(&d, DISK_WRITE, 1 << 20, 0);
	near(disk_request(&d, DISK_FLUSH, 0, 0), 1079 * US);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_small_request_takes_its_latency),
		cmocka_unit_test(small_requests_are_limited_by_the_queue),
		cmocka_unit_test(large_requests_are_limited_by_the_bandwidth),
		cmocka_unit_test(a_flush_waits_for_writes_before_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
