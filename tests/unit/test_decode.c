/* The decoder on bytes as the assembler makes them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "sim/decode.h"

#define BYTES(s) (const unsigned char *)(s), sizeof(s) - 1

static void nt_stores(void **state)
{
	assert_true(decode_nt_store(BYTES("\x0f\xc3\x07")));		 /* movnti %eax,(%rdi) */
	assert_true(decode_nt_store(BYTES("\x48\x0f\xc3\x47\x08")));	 /* movnti %rax,8(%rdi) */
	assert_true(decode_nt_store(BYTES("\x66\x0f\xe7\x07")));	 /* movntdq %xmm0,(%rdi) */
	assert_true(decode_nt_store(BYTES("\x66\x44\x0f\xe7\x47\x40"))); /* movntdq %xmm8,64(%rdi) */
	assert_true(decode_nt_store(BYTES("\x0f\x2b\x07")));		 /* movntps %xmm0,(%rdi) */
	assert_true(decode_nt_store(BYTES("\xc5\xfd\xe7\x07")));	 /* vmovntdq %ymm0,(%rdi) */
	assert_true(decode_nt_store(BYTES("\xc4\xc1\x7d\xe7\x00")));	 /* vmovntdq %ymm0,(%r8) */
}

static void ordinary_instructions(void **state)
{
	assert_false(decode_nt_store(BYTES("\x48\x89\x07")));	      /* mov %rax,(%rdi) */
	assert_false(decode_nt_store(BYTES("\x0f\x29\x07")));	      /* movaps %xmm0,(%rdi) */
	assert_false(decode_nt_store(BYTES("\xc5\xfe\x7f\x07")));     /* vmovdqu %ymm0,(%rdi) */
	assert_false(decode_nt_store(BYTES("\xc3")));		      /* ret */
	assert_false(decode_nt_store(BYTES("\x66\x0f\x38\x2a\x07"))); /* movntdqa (%rdi),%xmm0: a load */
	assert_false(decode_nt_store(BYTES("\xc4\xe2\x7d\x2a\x07"))); /* vmovntdqa (%rdi),%ymm0 */
}

static void fences(void **state)
{
	assert_true(decode_fence(BYTES("\x0f\xae\xe8")));  /* lfence */
	assert_true(decode_fence(BYTES("\x0f\xae\xf0")));  /* mfence */
	assert_false(decode_fence(BYTES("\x0f\xae\xf8"))); /* sfence orders stores only */
	assert_false(decode_fence(BYTES("\x0f\xae\x27"))); /* xsave (%rdi) */
}

static void flushes(void **state)
{
	assert_int_equal(decode_flush(BYTES("\x66\x0f\xae\x37")), FLUSH_KEEP);	       /* clwb (%rdi) */
	assert_int_equal(decode_flush(BYTES("\x66\x41\x0f\xae\x70\x40")), FLUSH_KEEP); /* clwb 64(%r8) */
	assert_int_equal(decode_flush(BYTES("\x66\x0f\xae\x3f")), FLUSH_DROP);	       /* clflushopt (%rdi) */
	assert_int_equal(decode_flush(BYTES("\x0f\xae\x3f")), FLUSH_DROP);	       /* clflush (%rdi) */
	assert_int_equal(decode_flush(BYTES("\x0f\xae\xf8")), FLUSH_NONE);	       /* sfence */
	assert_int_equal(decode_flush(BYTES("\x0f\xae\x37")), FLUSH_NONE);	       /* xsaveopt (%rdi) */
	assert_int_equal(decode_flush(BYTES("\x66\x0f\xae\xf0")), FLUSH_NONE);	       /* tpause %eax */
	assert_true(decode_store_fence(BYTES("\x0f\xae\xf8")));			       /* sfence */
	assert_true(decode_store_fence(BYTES("\x0f\xae\xf0")));			       /* mfence */
	assert_false(decode_store_fence(BYTES("\x0f\xae\xe8")));		       /* lfence */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nt_stores),
		cmocka_unit_test(ordinary_instructions),
		cmocka_unit_test(fences),
		cmocka_unit_test(flushes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
