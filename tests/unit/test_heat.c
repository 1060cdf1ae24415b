/* tiermem's file of the heat of guest RAM: whole, empty, missing, damaged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/heat.h"

#define HEAD "time_ns,offset,samples,dram,pmem\n"

static char path[] = "/tmp/test_heat.XXXXXX";

/* Read TEXT as such a file. */
static int take(struct heat *h, const char *text, char *reason)
{
	assert_int_equal(write_file(path, text, strlen(text), 0600), 0);
	return heat_read(h, path, reason);
}

static void whole(void **state)
{
	char reason[REASON_LEN] = "";
	struct heat h = {0};

	assert_int_equal(take(&h, HEAD "5000000000,0,3,16,0\n5000000000,2097152,0,4,12\n", reason), 0);
	assert_int_equal(h.n, 2);
	assert_int_equal(h.v[0].time_ns, 5000000000);
	assert_int_equal(h.v[0].samples, 3);
	assert_int_equal(h.v[1].offset, 2097152);
	assert_int_equal(h.v[1].dram, 4);
	assert_int_equal(h.v[1].pmem, 12);
	heat_free(&h);
}

static void none(void **state)
{
	char reason[REASON_LEN] = "";
	struct heat h = {0};

	assert_int_equal(take(&h, "", reason), 0);
	assert_int_equal(take(&h, HEAD, reason), 0);
	assert_int_equal(heat_read(&h, "/tmp/test_heat/none", reason), 0);
	assert_int_equal(h.n, 0);
}

static void damaged(void **state)
{
	static const struct {
		const char *text, *where;
	} cases[] = {{"time,offset\n1,2\n", "line 1:"},
		     {HEAD "1,2,3,4\n", "line 2:"},
		     {HEAD "1,2,3,4,5\n1,2,3,4,5,6\n", "line 3:"},
		     {HEAD "1,2,3,4,many\n", "line 2:"}};
	size_t i;

	for (i = 0; i < COUNT(cases); i++) {
		char reason[REASON_LEN] = "";
		struct heat h = {0};

		assert_int_equal(take(&h, cases[i].text, reason), -1);
		assert_non_null(strstr(reason, cases[i].where));
		heat_free(&h);
	}
}

static int begin(void **state)
{
	return close(mkstemp(path));
}

static int end(void **state)
{
	return unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(whole), cmocka_unit_test(none),
					   cmocka_unit_test(damaged)};

	return cmocka_run_group_tests(tests, begin, end);
}
