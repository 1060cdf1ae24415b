/* The RESP parser: whole, cut at every byte, and malformed input. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "workloads/tmload/resp.h"
#include "workloads/tmload/value.h"

/* Feed input in chunks of `step` bytes and write the events to out as text. */
static void trace(const char *input, size_t n, size_t step, char *out, size_t size)
{
	struct resp p = {0};
	struct resp_event ev;

	*out = '\0';
	for (size_t at = 0; at < n; at += step) {
		size_t len = n - at < step ? n - at : step;
		char *chunk = malloc(len); /* its own memory, so that a sanitizer sees reads beyond it */
		const char *cur = chunk;
		memcpy(chunk, input + at, len);
		for (;;) {
			char *end = out + strlen(out);
			size_t room = size - (size_t)(end - out);
			resp_next(&p, &cur, chunk + len, &ev);
			switch (ev.kind) {
			case RESP_STATUS:
				snprintf(end, room, "+%.*s ", (int)ev.n, ev.data);
				break;
			case RESP_ERROR:
				snprintf(end, room, "-%.*s ", (int)ev.n, ev.data);
				break;
			case RESP_INT:
				snprintf(end, room, ":%lld ", (long long)ev.value);
				break;
			case RESP_NIL:
				snprintf(end, room, "nil ");
				break;
			case RESP_BULK:
				snprintf(end, room, "$%lld[", (long long)ev.value);
				break;
			case RESP_DATA:
				snprintf(end, room, "%.*s", (int)ev.n, ev.data);
				break;
			case RESP_END:
				snprintf(end, room, "] ");
				break;
			case RESP_BAD:
				snprintf(end, room, "BAD");
				break;
			case RESP_MORE:
				break;
			}
			if (ev.kind == RESP_MORE || ev.kind == RESP_BAD)
				break;
		}
		free(chunk);
		if (ev.kind == RESP_BAD)
			return;
	}
}

static void all_kinds_cut_anywhere(void **state)
{
	static const char input[] =
		"+OK\r\n$5\r\nhe\r\no\r\n$-1\r\n$0\r\n\r\n-ERR no such\r\n:-42\r\n+OK\r\n";
	char out[512];

	for (size_t step = 1; step <= sizeof(input); step++) {
		trace(input, sizeof(input) - 1, step, out, sizeof(out));
		assert_string_equal(out, "+OK $5[he\r\no] nil $0[] -ERR no such :-42 +OK ");
	}
}

static void malformed(void **state)
{
	static const char *const inputs[] = {
		"HTTP/1.1 200 OK\r\n",
		"garbage without end",
		"+OK\n",
		"$x\r\n",
		"$-2\r\n",
		"$99999999999999999999\r\n",
		"$3\r\nabcde\r\n",
		"*1\r\n",
		"$\r\n",
		"\r\n",
		":1x\r\n",
		"$2\r\nab\n\r",
	};
	char out[512];

	for (size_t i = 0; i < sizeof(inputs) / sizeof(inputs[0]); i++) {
		for (size_t step = 1; step <= 24; step++) {
			trace(inputs[i], strlen(inputs[i]), step, out, sizeof(out));
			if (strstr(out, "BAD") == NULL)
				fail_msg("'%s' in steps of %zu gives '%s'", inputs[i], step, out);
		}
	}
}

static void long_error_lines_are_cut_not_lost(void **state)
{
	char input[1024], out[2048];

	memset(input, 'e', sizeof(input));
	input[0] = '-';
	memcpy(input + 700, "\r\n+OK\r\n", 8);
	for (size_t step = 1; step < 712; step++) {
		trace(input, 707, step, out, sizeof(out));
		assert_string_equal(out + strlen(out) - 5, " +OK ");
		assert_ptr_equal(strstr(out, "BAD"), NULL);
	}
}

static void values_are_checked_to_the_byte(void **state)
{
	static const uint64_t sizes[] = {1, 7, 8, 15, 16, 17, 23, 24, 25, 100, 1024, 4096, 4119, 5000, 70000};
	unsigned char *buf = malloc(70000), *other = malloc(70000);
	struct value v, w;

	value_setup();
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		uint64_t n = sizes[i], step = n > 5000 ? 97 : 1;
		value_describe(&v, 12345, n);
		value_write(&v, buf);
		assert_true(value_check(&v, 0, buf, n));
		for (uint64_t at = 0; at < n; at += step) {
			assert_true(value_check(&v, at, buf + at, n - at));
			buf[at] ^= 1;
			assert_false(value_check(&v, 0, buf, n));
			assert_false(value_check(&v, at, buf + at, 1));
			buf[at] ^= 1;
		}
		assert_false(value_check(&v, 1, buf, n));
		if (n < 8)
			continue;
		value_describe(&w, 12346, n);
		value_write(&w, other);
		assert_false(value_check(&v, 0, other, n));
		value_describe(&w, 12345, n + 1);
		assert_false(value_check(&w, 0, buf, n));
	}
	free(buf);
	free(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_kinds_cut_anywhere),
		cmocka_unit_test(malformed),
		cmocka_unit_test(long_error_lines_are_cut_not_lost),
		cmocka_unit_test(values_are_checked_to_the_byte),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
