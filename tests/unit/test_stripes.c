// Frames on several devices: each has a place of its own, and neighbours are told from frames on other devices.
#include "allocator/core.h"
#include "allocator/tier_pmem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define FRAMES 960 // whole stripes for all numbers of devices

static void use(unsigned devices, unsigned stripe)
{
	tm.shift = 12;
	tm.granule = 4096;
	tm_pmem = (struct tm_pmem){.devices = devices, .stripe = stripe, .start = 8192};
}

static void test_places(void **state)
{
	for (unsigned devices = 1; devices <= 5; devices++) {
		bool taken[5][FRAMES] = {{false}};
		unsigned used[5] = {0};
		use(devices, devices == 1 ? 32 : 4);
		for (uint32_t f = 0; f < FRAMES; f++) {
			unsigned d = tm_pmem_device(f);
			uint64_t place = (tm_pmem_offset(f) - 8192) / 4096;
			assert_in_range(d, 0, devices - 1);
			assert_in_range(place, 0, FRAMES / devices - 1);
			assert_false(taken[d][place]);
			taken[d][place] = true;
			used[d]++;
		}
		for (unsigned d = 0; d < devices; d++)
			assert_int_equal(used[d], FRAMES / devices);
	}
}

static void test_neighbours(void **state)
{
	use(3, 4);
	for (uint32_t f = 0; f + 1 < FRAMES; f++) {
		bool next = tm_pmem_device(f) == tm_pmem_device(f + 1) && tm_pmem_offset(f) + 4096 == tm_pmem_offset(f + 1);
		assert_int_equal(tm_pmem_follows(f, f + 1), next);
		assert_false(tm_pmem_follows(f, f));
		assert_false(tm_pmem_follows(f + 1, f));
		assert_int_equal(tm_pmem_neighbours(f), 16 - f % 16);
	}
	use(1, 32);
	assert_true(tm_pmem_follows(15, 16));
	assert_true(tm_pmem_follows(UINT32_C(0x7fffffff), UINT32_C(0x80000000)));
	assert_int_equal(tm_pmem_neighbours(5), (UINT64_C(1) << 32) - 5);
	assert_int_equal(tm_pmem_offset(UINT32_C(0x80000000)), 8192 + (UINT64_C(1) << 43));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_places), cmocka_unit_test(test_neighbours)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
