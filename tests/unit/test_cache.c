/* The cache model: what hits, what falls out, what is dirty. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "sim/cache.h"

/* One set of 16 ways. */
static struct cache one_set(void)
{
	struct cache c;

	assert_int_equal(cache_init(&c, 16 * 64, 16), 0);
	assert_int_equal(c.sets, 1);
	return c;
}

static void fills_then_evicts_the_oldest(void **state)
{
	struct cache c = one_set();

	for (uint32_t i = 0; i < 16; i++)
		assert_int_equal(cache_fill(&c, i, false), CACHE_NONE);
	for (uint32_t i = 0; i < 16; i++)
		assert_true(cache_hit(&c, i, false));
	assert_false(cache_hit(&c, 16, false));
	assert_int_equal(cache_fill(&c, 16, false), 0 << 1);
	assert_false(cache_hit(&c, 0, false));
}

static void a_hit_renews(void **state)
{
	struct cache c = one_set();

	for (uint32_t i = 0; i < 16; i++)
		cache_fill(&c, i, false);
	assert_true(cache_hit(&c, 0, false));
	assert_int_equal(cache_fill(&c, 16, false), 1 << 1);
	assert_true(cache_hit(&c, 0, false));
}

static void a_store_makes_dirty_and_it_stays(void **state)
{
	struct cache c = one_set();

	cache_fill(&c, 7, false);
	assert_true(cache_hit(&c, 7, true));
	assert_true(cache_hit(&c, 7, false));
	for (uint32_t i = 100; i < 115; i++)
		cache_fill(&c, i, false);
	assert_int_equal(cache_fill(&c, 200, false), 7 << 1 | 1);
}

static void working_set_of_its_size_mostly_stays(void **state)
{
	struct cache c;
	int hits = 0;

	assert_int_equal(cache_init(&c, 1 << 20, 16), 0);
	for (int round = 0; round < 2; round++)
		for (uint32_t i = 0; i < 8192; i++)
			if (cache_hit(&c, i, false))
				hits++;
			else
				cache_fill(&c, i, false);
	/* half the cache: hashing spreads it well enough that nearly all of it stays */
	assert_in_range(hits, 8000, 8192);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fills_then_evicts_the_oldest),
		cmocka_unit_test(a_hit_renews),
		cmocka_unit_test(a_store_makes_dirty_and_it_stays),
		cmocka_unit_test(working_set_of_its_size_mostly_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
