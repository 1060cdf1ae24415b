/* The table of address ranges that a program has reserved, against a plain array of granules, by many random calls. */
#include "allocator/core.h"
#include "allocator/mirror.h"
#include "allocator/mmap_reservation.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define GRANULES 600
#define NEAR	 400 /* the rest is far */
#define CALLS	 20000

struct tm_core tm = {.shift = 12, .zone_bytes = (size_t)NEAR / TM_ZONES << 12};

void tm_mirror_dump(uintptr_t addr, size_t size)
{
}

static int owner[GRANULES + 1];
static size_t removed;

static void note_removed(size_t g, size_t n)
{
	for (size_t i = g; i < g + n; i++)
		assert_true(owner[i]);
	removed += n;
}

/* Granules of reservations that begin near. */
static size_t near_held(void)
{
	size_t held = 0;

	for (size_t g = 0; g < GRANULES; g++) {
		size_t first = g;
		while (first && owner[g] && owner[first - 1] == owner[g])
			first--;
		held += owner[g] && first < NEAR;
	}
	return held;
}

static void test_against_an_array(void **unused)
{
	int next = 1;

	(void)unused;
	srand(1);
	for (int call = 0; call < CALLS; call++) {
		size_t g = (size_t)rand() % GRANULES, n = 1 + (size_t)rand() % 20, free = 0;
		n = n < GRANULES - g ? n : GRANULES - g;
		for (size_t i = g; i < g + n; i++)
			free += !owner[i];
		if (free == n && rand() % 2) {
			assert_true(tm_reservation_add(g, n));
			for (size_t i = g; i < g + n; i++)
				owner[i] = next;
			next++;
		} else if (rand() % 3 == 0) {
			removed = 0;
			tm_reservation_remove(g, n, note_removed);
			assert_int_equal(removed, n - free);
			for (size_t i = g; i < g + n; i++)
				owner[i] = 0;
			int rest = owner[g + n]; /* what is behind it is a reservation of its own now */
			for (size_t i = g + n; rest && owner[i] == rest; i++)
				owner[i] = next;
			next++;
		}
		bool one = owner[g] != 0;
		for (size_t i = g; i < g + n; i++) {
			assert_int_equal(tm_reservation_has(i), owner[i] != 0);
			one = one && owner[i] == owner[g];
		}
		assert_int_equal(tm_reservation_covers(g, n), one);
		assert_int_equal(tm_reservations_near(), near_held());
	}
	assert_true(next > 1000);
	tm_reservation_remove(0, GRANULES, NULL);
	assert_false(tm_reservation_has(0) || tm_reservation_has(GRANULES - 1));
}

/* A full table refuses; what is cut in two then loses the second half, and no more than that. */
static void test_full(void **unused)
{
	size_t n = 0;

	(void)unused;
	while (tm_reservation_add(n * 10, 5))
		n++;
	assert_true(n >= 1000);
	tm_reservation_remove(2, 1, NULL);
	assert_true(tm_reservation_has(0) && tm_reservation_has(1) && !tm_reservation_has(2) &&
		    !tm_reservation_has(3));
	assert_true(tm_reservation_has(10) && tm_reservation_has((n - 1) * 10));
	tm_reservation_forget();
	assert_false(tm_reservation_has(0) || tm_reservation_has((n - 1) * 10));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_against_an_array),
					   cmocka_unit_test(test_full)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
