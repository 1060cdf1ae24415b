/* The L1 model: 8 ways behind a direct-mapped filter. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "sim/l1.h"

static struct l1 c;

/* What plugin.c does for one load; whether it hit. */
static bool load(uint64_t line)
{
	if (*l1_slot(&c, line) >> 1 == line || l1_find(&c, line))
		return true;
	l1_fill(&c, line, false);
	return false;
}

static unsigned int walk(uint64_t first, unsigned int lines)
{
	unsigned int misses = 0;

	for (unsigned int i = 0; i < lines; i++)
		misses += !load(first + i);
	return misses;
}

static void what_fits_stays(void **state)
{
	(void)state;
	l1_init(&c, 32);
	assert_int_equal(walk(1000, 512), 512);
	assert_int_equal(walk(1000, 512), 0);
	assert_int_equal(walk(1000, 512), 0);
}

static void twice_the_size_never_hits(void **state)
{
	(void)state;
	l1_init(&c, 32);
	for (int i = 0; i < 4; i++)
		assert_true(walk(0, 1024) > 1000);
}

/* A direct-mapped cache would miss at each of these. */
static void eight_lines_of_a_set_live_together(void **state)
{
	(void)state;
	l1_init(&c, 32);
	for (int round = 0; round < 10; round++)
		for (uint64_t i = 0; i < 8; i++)
			assert_int_equal(load(i * L1_FILTER_LINES), round > 0);
	assert_false(load(8 * L1_FILTER_LINES));
	assert_false(load(0));
}

static void a_line_in_use_outlives_others(void **state)
{
	(void)state;
	l1_init(&c, 32);
	load(5);
	for (uint64_t i = 1; i < 100; i++) {
		load(5 + 64 * i + (i % 4 == 0 ? 64 : 0)); /* the same set, other slots of the filter */
		assert_true(load(5));
	}
}

static void dirt_is_seen_in_both_places(void **state)
{
	(void)state;
	l1_init(&c, 32);
	l1_fill(&c, 7, true);
	load(7 + L1_FILTER_LINES); /* takes the slot */
	assert_true(l1_find(&c, 7));
	assert_int_equal(*l1_slot(&c, 7) & 1, 1);
	l1_set_dirty(&c, 7, false);
	load(7 + L1_FILTER_LINES);
	assert_true(l1_find(&c, 7));
	assert_int_equal(*l1_slot(&c, 7) & 1, 0);
	l1_drop(&c, 7);
	assert_false(load(7));
}

static void sizes_are_rounded_down(void **state)
{
	(void)state;
	l1_init(&c, 48);
	assert_int_equal(c.set_mask, 63);
	l1_init(&c, 4);
	assert_int_equal(c.set_mask, 7);
	l1_init(&c, 1024);
	assert_int_equal(c.set_mask, 2047);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_fits_stays),
		cmocka_unit_test(twice_the_size_never_hits),
		cmocka_unit_test(eight_lines_of_a_set_live_together),
		cmocka_unit_test(a_line_in_use_outlives_others),
		cmocka_unit_test(dirt_is_seen_in_both_places),
		cmocka_unit_test(sizes_are_rounded_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
