/* What a thread keeps of freed objects. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "allocator/front.h"

__thread struct tm_front tm_front;
uint8_t *tm_pages;
uintptr_t tm_pages_base;
size_t tm_pages_span;

static void unknown_addresses_have_no_class(void **state)
{
	int local;

	assert_int_equal(tm_page_code(&local), TM_CODE_NONE);
}

static void a_thread_that_has_not_started_keeps_nothing(void **state)
{
	int object;

	assert_false(tm_front_push(&object, 2));
	assert_null(tm_front_pop(2));
}

static void the_last_in_is_the_first_out(void **state)
{
	static char objects[TM_FRONT_DEPTH + 1];

	tm_front.limit = TM_FRONT_DEPTH;
	for (size_t i = 0; i < TM_FRONT_DEPTH; i++)
		assert_true(tm_front_push(&objects[i], 2));
	assert_false(tm_front_push(&objects[TM_FRONT_DEPTH], 2));
	assert_null(tm_front_pop(TM_CODE_SLAB));
	for (size_t i = TM_FRONT_DEPTH; i; i--)
		assert_ptr_equal(tm_front_pop(2), &objects[i - 1]);
	assert_null(tm_front_pop(2));
}

static void companions_are_not_kept(void **state)
{
	int object;

	tm_front.limit = TM_FRONT_DEPTH;
	tm_front.n[TM_CODE_COMPANION] = TM_FRONT_DEPTH; /* as tm_front_open() does */
	assert_false(tm_front_push(&object, TM_CODE_COMPANION));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unknown_addresses_have_no_class),
		cmocka_unit_test(a_thread_that_has_not_started_keeps_nothing),
		cmocka_unit_test(the_last_in_is_the_first_out),
		cmocka_unit_test(companions_are_not_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
