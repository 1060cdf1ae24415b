/* A DIMM's buffer, and Memory Mode's DRAM. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>

#include "sim/buffer.h"
#include "sim/near.h"

static void holds_what_fits(void **state)
{
	struct buffer *b = malloc(sizeof(*b));
	struct buffer_victim out;

	buffer_init(b, 70);
	for (uint32_t i = 0; i < 70; i++) {
		assert_int_equal(buffer_find(b, 0, i), -1);
		b->written[buffer_take(b, 0, i, &out)] = 1;
		assert_false(out.written);
	}
	for (uint32_t i = 0; i < 70; i++)
		assert_true(buffer_find(b, 0, i) >= 0);
	buffer_take(b, 0, 70, &out);
	assert_true(out.written && !out.whole);
	free(b);
}

static void keeps_the_open_line_of_another_vcpu(void **state)
{
	struct buffer *b = malloc(sizeof(*b));
	struct buffer_victim out;

	buffer_init(b, 8);
	buffer_take(b, 5, 1000, &out);
	for (uint32_t i = 0; i < 1000; i++)
		buffer_take(b, 0, i, &out);
	assert_true(buffer_find(b, 5, 1000) >= 0);
	free(b);
}

static void the_same_sequence_each_time(void **state)
{
	struct buffer *a = malloc(sizeof(*a)), *b = malloc(sizeof(*b));
	struct buffer_victim out;

	buffer_init(a, 70);
	buffer_init(b, 70);
	for (uint32_t i = 0; i < 1000; i++)
		assert_int_equal(buffer_take(a, 0, i, &out), buffer_take(b, 0, i, &out));
	free(a);
	free(b);
}

static void memory_mode(void **state)
{
	struct near n;
	uint32_t victim;

	assert_int_equal(near_init(&n, 1), 0);
	assert_int_equal(n.lines, 16384);
	assert_false(near_access(&n, 5, false, &victim));
	assert_true(near_access(&n, 5, true, &victim));
	assert_int_equal(victim, NEAR_NONE);
	/* the line one DRAM size further has the same place, and the dirty one is written back */
	assert_false(near_access(&n, 5 + 16384, false, &victim));
	assert_int_equal(victim, 5);
	assert_false(near_access(&n, 5, false, &victim));
	assert_int_equal(victim, NEAR_NONE);
	free(n.tag);
	assert_int_equal(near_init(&n, 0), 0);
	assert_int_equal(n.lines, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(holds_what_fits),
		cmocka_unit_test(keeps_the_open_line_of_another_vcpu),
		cmocka_unit_test(the_same_sequence_each_time),
		cmocka_unit_test(memory_mode),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
