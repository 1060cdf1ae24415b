// Which events a machine has, by made-up /sys folders.
#include "allocator/perf_event.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char root[64];

static void make(const char *path, const char *text)
{
	char command[512];

	snprintf(command, sizeof(command), "f=%s/sys/bus/event_source/devices/%s; mkdir -p $(dirname $f); printf '%s\\n' >$f", root, path, text);
	assert_int_equal(system(command), 0);
}

static int fresh(void **state)
{
	strcpy(root, "/tmp/tm-perf.XXXXXX");
	return mkdtemp(root) ? 0 : 1;
}

static int clean(void **state)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", root);
	return system(command);
}

static void test_none(void **state)
{
	struct perf_event_attr e[TM_PERF_EVENTS];
	char why[256];

	make("software/type", "1");
	make("cpu/type", "4"); // a VM: counters, but none with addresses
	assert_int_equal(tm_perf_events(e, root, why, sizeof(why)), 0);
	assert_non_null(strstr(why, "PEBS or IBS"));
}

static void test_intel(void **state)
{
	struct perf_event_attr e[TM_PERF_EVENTS];
	char why[256];

	make("cpu/type", "4");
	make("cpu/events/mem-loads", "event=0xcd,umask=0x1,ldlat=3");
	assert_int_equal(tm_perf_events(e, root, why, sizeof(why)), 2);
	assert_int_equal(e[0].type, 4);
	assert_int_equal(e[0].config, 0x20d1);
	assert_int_equal(e[0].precise_ip, 2);
	assert_int_equal(e[1].config, 0x1cd);
	assert_int_equal(e[1].config1, 128);
	assert_true(e[1].sample_type & PERF_SAMPLE_DATA_SRC);
}

static void test_hybrid(void **state)
{
	struct perf_event_attr e[TM_PERF_EVENTS];
	char why[256];

	make("cpu_core/type", "4");
	make("cpu_core/events/mem-loads", "event=0xcd,umask=0x1,ldlat=3");
	assert_int_equal(tm_perf_events(e, root, why, sizeof(why)), 2);
}

static void test_amd(void **state)
{
	struct perf_event_attr e[TM_PERF_EVENTS];
	char why[256];

	make("ibs_op/type", "11");
	assert_int_equal(tm_perf_events(e, root, why, sizeof(why)), 1);
	assert_int_equal(e[0].type, 11);
	assert_int_equal(e[0].config, 1 << 19);
	make("ibs_op/format/l3missonly", "config:16");
	assert_int_equal(tm_perf_events(e, root, why, sizeof(why)), 1);
	assert_int_equal(e[0].config, 1 << 19 | 1 << 16);
}

static void test_refusals(void **state)
{
	char why[256];

	tm_perf_refusal(EACCES, why, sizeof(why));
	assert_non_null(strstr(why, "perf_event_paranoid"));
	tm_perf_refusal(EMFILE, why, sizeof(why));
	assert_non_null(strstr(why, "ulimit -n"));
	tm_perf_refusal(ENOENT, why, sizeof(why));
	assert_non_null(strstr(why, "No such file"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_none, fresh, clean), cmocka_unit_test_setup_teardown(test_intel, fresh, clean),
		cmocka_unit_test_setup_teardown(test_hybrid, fresh, clean), cmocka_unit_test_setup_teardown(test_amd, fresh, clean),
		cmocka_unit_test(test_refusals)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
