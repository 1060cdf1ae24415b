/* Profile files: the shipped one loads, each kind of mistake is named with its place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <stdlib.h>
#include <unistd.h>

#include "sim/profile.h"

#define SHIPPED "sim/profiles/optane-100.conf"

/* Loads a profile made of the shipped one and more lines; returns profile_load's result. */
static int load_with(const char *more, char *err, size_t size)
{
	char path[] = "/tmp/test_profile.XXXXXX", command[400];
	struct profile p;
	int fd = mkstemp(path), r;

	assert_true(fd >= 0);
	close(fd);
	snprintf(command, sizeof(command), "cat %s >%s; printf '%s' >>%s", SHIPPED, path, more, path);
	assert_int_equal(system(command), 0);
	r = profile_load(&p, path, err, size);
	unlink(path);
	return r;
}

static void shipped_profile(void **state)
{
	struct profile p;
	char err[300] = "";

	assert_int_equal(profile_load(&p, SHIPPED, err, sizeof(err)), 0);
	assert_string_equal(p.name, "optane-100");
	assert_true(p.tier[TIER_PMEM].random_ns == 305.0);
	assert_true(p.tier[TIER_DRAM].sequential_ns == 81.4);
	assert_true(p.system_ns_per_instruction == 0); /* not there: as programs' */
	assert_true(p.wake_ns == 0);
	assert_int_equal(profile_set(&p, "llc_kib", "8192", err, sizeof(err)), 0);
	assert_true(p.llc_kib == 8192);
}

static void every_shipped_profile(void **state)
{
	static const char *const names[] = {"optane-100", "optane-200",	 "cxl-asic",
					    "cxl-fpga",	  "numa-remote", "dram-only"};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		struct profile p;
		char path[64], err[300] = "";

		snprintf(path, sizeof(path), "sim/profiles/%s.conf", names[i]);
		if (profile_load(&p, path, err, sizeof(err)))
			fail_msg("%s", err);
		assert_string_equal(p.name, names[i]);
		/* only the device differs */
		assert_true(p.ns_per_instruction == 0.4 && p.llc_kib == 2048);
		assert_true(p.tier[TIER_DRAM].random_ns == 101.5);
		assert_true(p.tier[TIER_PMEM].random_ns + p.tier[TIER_PMEM].remote_ns >= 101.5);
	}
}

static void mistakes(void **state)
{
	struct profile p;
	char err[300];

	assert_int_equal(load_with("[cpu]\\nclock_ghz = 3\\n", err, sizeof(err)), -1);
	assert_non_null(strstr(err, "unknown profile key 'clock_ghz'"));
	assert_int_equal(load_with("[cpu]\\nllc_kib = 3000\\n", err, sizeof(err)), -1);
	assert_non_null(strstr(err, "belongs in section [cache]"));
	assert_int_equal(load_with("[cache]\\nllc_kib = many\\n", err, sizeof(err)), -1);
	assert_non_null(strstr(err, "not a number from 64"));
	assert_int_equal(profile_load(&p, "/nonexistent.conf", err, sizeof(err)), -1);
	assert_non_null(strstr(err, "cannot read profile"));
	assert_int_equal(profile_load(&p, "/dev/null", err, sizeof(err)), -1);
	assert_non_null(strstr(err, "is missing"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shipped_profile),
		cmocka_unit_test(every_shipped_profile),
		cmocka_unit_test(mistakes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
