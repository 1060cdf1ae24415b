/* Looks take their share of the time, changes hasten them, and however often there are changes the share holds. */
#include "allocator/look_pace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define MS     UINT64_C(1000000)
#define SECOND (1000 * MS)

static uint64_t now;

/* Time passes, with a change every so often (0: never) and looks of so long when they are due. Returns how many there were. */
static unsigned pass(uint64_t time, uint64_t changes, uint64_t took)
{
	unsigned looks = 0;

	for (uint64_t end = now + time; now < end; now += 10 * MS) {
		if (changes && now % changes == 0)
			tm_look_soon(now);
		if (tm_look_due(now)) {
			tm_look_done(now, took);
			looks++;
		}
	}
	return looks;
}

static void test_looks_take_their_share(void **state)
{
	(void)state;
	unsigned looks = pass(1000 * SECOND, 0, 10 * MS); /* one in two seconds */

	assert_in_range(looks, 495, 505);
	looks = pass(1000 * SECOND, 0, 100 * MS);
	assert_in_range(looks, 48, 52);
}

static void test_after_a_change_looks_come_soon_but_not_at_once(void **state)
{
	(void)state;
	for (uint64_t before = 10 * MS; before < 2 * SECOND; before += 190 * MS) { /* the next look: in two seconds, or at any moment */
		pass(10 * SECOND, 0, 10 * MS);
		while (!tm_look_due(now))
			now += MS;
		tm_look_done(now, 10 * MS);
		now += before;
		tm_look_soon(now);
		tm_look_soon(now + 20 * MS);
		assert_false(tm_look_due(now + TM_LOOK_CHANGE - 1));
		assert_true(tm_look_due(now + TM_LOOK_CHANGE));
		tm_look_done(now + TM_LOOK_CHANGE, 10 * MS);
	}
}

static void test_however_often_there_are_changes_the_share_holds(void **state)
{
	(void)state;
	static const uint64_t changes[] = {10 * MS, 100 * MS, 500 * MS, 3 * SECOND};

	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		pass(100 * SECOND, 0, 10 * MS);
		unsigned looks = pass(1000 * SECOND, changes[i], 10 * MS);
		assert_in_range(looks, 495, 505 + TM_LOOK_AHEAD);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_looks_take_their_share),
		cmocka_unit_test(test_after_a_change_looks_come_soon_but_not_at_once),
		cmocka_unit_test(test_however_often_there_are_changes_the_share_holds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
