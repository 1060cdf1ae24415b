/* The size classes that the allocator computes against jemalloc's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <jemalloc/jemalloc.h>

#include "allocator/front.h"

__thread struct tm_front tm_front;
uint8_t *tm_pages;
uintptr_t tm_pages_base;
size_t tm_pages_span;

static void classes_are_jemallocs(void **state)
{
	for (size_t size = 449; size <= 8192; size++) {
		size_t c = tm_front_class(size);

		assert_true(c < TM_FRONT_CLASSES);
		assert_int_equal(tm_front_size(c), nallocx(size, 0));
	}
}

static void other_sizes_have_none(void **state)
{
	static const size_t sizes[] = {0, 8193, 10240, 65536, 1 << 20, SIZE_MAX / 2, SIZE_MAX};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
		assert_true(tm_front_class(sizes[i]) >= TM_FRONT_CLASSES);
	assert_true(tm_front_class(16) >= TM_FRONT_CLASSES);
}

static void unknown_addresses_do_not_fit(void **state)
{
	int local;

	assert_int_equal(tm_page_code(&local), TM_CODE_NONE);
	assert_false(tm_front_fits(&local, 10240));
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
	assert_null(tm_front_pop(TM_CODE_BULK));
	for (size_t i = TM_FRONT_DEPTH; i; i--)
		assert_ptr_equal(tm_front_pop(2), &objects[i - 1]);
	assert_null(tm_front_pop(2));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(classes_are_jemallocs),
		cmocka_unit_test(other_sizes_have_none),
		cmocka_unit_test(unknown_addresses_do_not_fit),
		cmocka_unit_test(a_thread_that_has_not_started_keeps_nothing),
		cmocka_unit_test(the_last_in_is_the_first_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
