/* The far area: used blocks against a plain array of them, and the walk over a zone (tm_zone_span and its relatives). */
#include "allocator/core.h"
#include "allocator/far.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define SHIFT  21
#define BLOCKS 300 /* of the many that there are */
#define CALLS  20000

static bool used[BLOCKS];

static size_t first_of(size_t block)
{
	return tm_index(tm.base + TM_ZONES * tm.zone_bytes) + block * tm_far_block();
}

static int set_up(void **unused)
{
	(void)unused;
	tm.shift = SHIFT;
	tm.granule = (size_t)1 << SHIFT;
	tm.base = (uintptr_t)1 << 40;
	tm.zone_bytes = (size_t)1 << 30;
	tm.bytes = TM_ZONES * tm.zone_bytes + TM_FAR_BYTES;
	tm.mmap_floor = tm.base + TM_MMAP * tm.zone_bytes;
	tm.bump[TM_MMAP] = tm.mmap_floor + 7 * tm.granule;
	return 0;
}

static void check(void)
{
	size_t n = 0, first, end;

	for (size_t b = 0; b < BLOCKS; b++) {
		size_t next = b;
		while (next < BLOCKS && !used[next])
			next++;
		size_t inside = first_of(b) + tm_far_block() / 3;
		assert_int_equal(tm_far_skip(inside), used[b] ? inside : next < BLOCKS ? first_of(next) : SIZE_MAX);
		if (!used[b])
			continue;
		assert_int_equal(tm_far_first(n), first_of(b));
		assert_true(tm_zone_span(TM_MMAP, ++n, &first, &end));
		assert_int_equal(first, first_of(b));
		assert_int_equal(end, first_of(b) + tm_far_block());
		assert_int_equal(tm_zone_granule(TM_MMAP, 7 + (n - 1) * tm_far_block() + 5), first_of(b) + 5);
	}
	assert_int_equal(tm_far_used(), n);
	assert_false(tm_zone_span(TM_MMAP, n + 1, &first, &end));
	assert_int_equal(tm_zone_size(TM_MMAP), 7 + n * tm_far_block());
	assert_int_equal(tm_zone_granule(TM_MMAP, 3), tm_zone_first(TM_MMAP) + 3);
}

static void test_blocks(void **unused)
{
	(void)unused;
	srand(1);
	for (int call = 0; call < CALLS; call++) {
		size_t most = BLOCKS * tm_far_block(), at = (size_t)rand() % most, n = 1 + (size_t)rand() % (8 * tm_far_block());
		n = n < most - at ? n : most - at;
		if (rand() % 2) {
			tm_far_use(first_of(0) + at, n);
			for (size_t b = at / tm_far_block(); b <= (at + n - 1) / tm_far_block(); b++)
				used[b] = true;
		} else { /* only what lies in it as a whole */
			tm_far_unuse(first_of(0) + at, n);
			for (size_t b = (at + tm_far_block() - 1) / tm_far_block(); (b + 1) * tm_far_block() <= at + n; b++)
				used[b] = false;
		}
		if (call % 50 == 0)
			check();
	}
	check();
}

/* Near granules are none of its business. */
static void test_near(void **unused)
{
	size_t before = tm_far_used();

	(void)unused;
	tm_far_use(tm_zone_first(TM_MMAP), 5);
	tm_far_unuse(tm_zone_first(TM_BULK), 5);
	assert_int_equal(tm_far_used(), before);
	assert_int_equal(tm_far_skip(tm_zone_first(TM_MMAP) + 3), tm_zone_first(TM_MMAP) + 3);
	assert_false(tm_far_has(tm_zone_first(TM_MMAP)));
	assert_true(tm_far_has(first_of(0)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_blocks), cmocka_unit_test(test_near)};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
