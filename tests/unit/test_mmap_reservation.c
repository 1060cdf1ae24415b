/* The table of address ranges that a program has reserved, against a plain array of granules, by many random calls. */
#include "allocator/mmap_reservation.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define GRANULES 600
#define CALLS	 20000

static void test_against_an_array(void **unused)
{
	int owner[GRANULES + 1] = {0}, used[2 * CALLS] = {0}, next = 1;
	size_t held = 0;

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
			held += n;
			next++;
		} else if (rand() % 3 == 0) {
			tm_reservation_remove(g, n);
			for (size_t i = g; i < g + n; i++)
				owner[i] = 0;
			held -= n - free;
			int rest = owner[g + n]; /* what is behind it is a reservation of its own now */
			for (size_t i = g + n; rest && owner[i] == rest; i++)
				owner[i] = next;
			used[next++] = used[rest];
		} else if (rand() % 2) {
			tm_reservation_use(g);
			used[owner[g]] = 1;
		}
		bool one = owner[g] != 0;
		for (size_t i = g; i < g + n; i++) {
			assert_int_equal(tm_reservation_has(i), owner[i] != 0);
			one = one && owner[i] == owner[g];
		}
		assert_int_equal(tm_reservation_unused(g, n), one && !used[owner[g]]);
		assert_int_equal(tm_reservations(), held);
	}
	assert_true(next > 1000);
	tm_reservation_remove(0, GRANULES);
	assert_int_equal(tm_reservations(), 0);
}

/* A full table refuses; what is cut in two then loses the second half, and no more than that. */
static void test_full(void **unused)
{
	size_t n = 0;

	(void)unused;
	while (tm_reservation_add(n * 10, 5))
		n++;
	assert_true(n >= 1000);
	tm_reservation_remove(2, 1);
	assert_true(tm_reservation_has(0) && tm_reservation_has(1) && !tm_reservation_has(2) &&
		    !tm_reservation_has(3));
	assert_true(tm_reservation_has(10) && tm_reservation_has((n - 1) * 10));
	tm_reservation_remove(0, n * 10);
	assert_int_equal(tm_reservations(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_against_an_array),
					   cmocka_unit_test(test_full)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
