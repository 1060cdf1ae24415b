/* What sysbench and MariaDB print: a real output each (tests/fixtures), whole and damaged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "harness/sysbench.h"

static char *fixture(const char *name)
{
	char path[256], *text;

	snprintf(path, sizeof(path), "tests/fixtures/%s", name);
	text = read_file(path, NULL);
	assert_non_null(text); /* run it in the source tree, as make does */
	return text;
}

static double figure(const struct metrics *m, const char *name)
{
	double v;

	assert_true(metrics_get(m, "ro", name, &v));
	return v;
}

static void whole(void **state)
{
	char *text = fixture("sysbench-read-only.txt"), reason[REASON_LEN] = "";
	struct metrics m = {0};

	assert_int_equal(results_sysbench(&m, "ro", text, reason), 0);
	assert_true(figure(&m, "requests") == 300);
	assert_float_equal(figure(&m, "ops"), 2982.56, 1e-9);
	assert_float_equal(figure(&m, "queries"), 47721.04, 1e-9);
	assert_float_equal(figure(&m, "latency_avg"), 2.16, 1e-9);
	assert_float_equal(figure(&m, "latency_max"), 4.86, 1e-9);
	/* sysbench's own 99th percentile is 4.10, from the same histogram */
	assert_float_equal(figure(&m, "latency_p99"), 4.101, 1e-9);
	assert_true(figure(&m, "latency_p50") < figure(&m, "latency_p95"));
	assert_true(figure(&m, "latency_p95") < figure(&m, "latency_p99"));
	assert_true(figure(&m, "errors") == 0);
	metrics_free(&m);
	free(text);
}

/* The output with FROM replaced by TO (not longer) must be refused with a REASON that has WORDS. */
static void refused(const char *from, const char *to, const char *words)
{
	char *text = fixture("sysbench-read-only.txt"), *at = strstr(text, from), reason[REASON_LEN] = "";
	struct metrics m = {0};

	assert_non_null(at);
	memmove(at + strlen(to), at + strlen(from), strlen(at + strlen(from)) + 1);
	memcpy(at, to, strlen(to));
	assert_int_equal(results_sysbench(&m, "ro", text, reason), -1);
	assert_non_null(strstr(reason, words));
	assert_non_null(strstr(reason, "phase ro"));
	metrics_free(&m);
	free(text);
}

static void damaged(void **state)
{
	refused("transactions:", "", "lacks one of its figures");
	refused("99th percentile:", "95th percentile:", "lacks one of its figures");
	refused("Latency histogram", "", "lacks one of its figures");
	refused("avg:  ", "", "lacks one of its figures");
	refused("reconnects:                          0", "reconnects:                          2", "lost 2 connections");
	refused("(2982.56 per sec.)", "(0.00 per sec.)", "0 connections");
	refused("transactions:                        300", "transactions:                        299", "does not fit");
	refused("4.10\n", "4.25\n", "does not fit");
}

static void status(void **state)
{
	char *text = fixture("mariadb-status.txt"), reason[REASON_LEN] = "", *after;
	struct metrics m = {0};

	assert_int_equal(results_mariadb(&m, "ro", text, reason), 0);
	assert_true(figure(&m, "pool_reads") == 0 && figure(&m, "pool_hits") == 1);
	assert_true(figure(&m, "pool_requests") > 300 * 14);
	assert_true(figure(&m, "pool_pages") == 24336 && figure(&m, "pool_bytes") == 265437184);
	metrics_free(&m);
	after = strstr(text, "\nafter\n");
	assert_non_null(after);
	*after = '\0';
	assert_int_equal(results_mariadb(&m, "ro", text, reason), -1);
	assert_non_null(strstr(reason, "lacks the buffer pool"));
	metrics_free(&m);
	free(text);
}

static void checksums(void **state)
{
	static const char *const bad[] = {"sbtest.sbtest1\tNULL\n", "sbtest.sbtest1\n", "sbtest.sbtest1\t12x\n"};
	struct metrics m = {0};
	char reason[REASON_LEN];
	size_t i;

	assert_int_equal(results_tables(&m, "ro", "sbtest.sbtest1\t12\nsbtest.sbtest2\t30\n", reason), 0);
	assert_true(figure(&m, "tables_checksum") == 12 + 2 * 30); /* exchanged tables are not the same */
	metrics_free(&m);
	for (i = 0; i < COUNT(bad); i++) {
		assert_int_equal(results_tables(&m, "ro", bad[i], reason), -1);
		assert_non_null(strstr(reason, "sbtest.sbtest1"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole),
		cmocka_unit_test(damaged),
		cmocka_unit_test(status),
		cmocka_unit_test(checksums),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
