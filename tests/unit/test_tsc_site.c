/* Replacing rdtsc in a function of the name that it has in QEMU, in this program. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sim/tsc_site.h"

/* As a compiler writes them: what follows rdtsc is the shift in the first and third, not in the second. */
uint64_t cpu_get_ticks(void);
extern unsigned char first_site[], other_site[], third_site[];
__asm__(".text\n.globl cpu_get_ticks\n.type cpu_get_ticks, @function\n"
	"cpu_get_ticks:\n"
	"\tmov $0x1234, %ecx\n\tmov %rcx, -8(%rsp)\n" /* in a register, and in the red zone */
	"first_site:\n"
	"\trdtsc\n\tshl $0x20, %rdx\n\tmov %eax, %eax\n\tor %rdx, %rax\n"
	"\tadd %rcx, %rax\n\tadd -8(%rsp), %rax\n\tret\n"
	"other_site:\n"
	"\trdtsc\n\tmov %edx, %ecx\n\tret\n"
	"third_site:\n"
	"\trdtsc\n\tshl $0x20, %rdx\n\tor %rdx, %rax\n\tret\n"
	".skip 1024\n");

static uint64_t answer;

/* Uses vector registers and much of the stack, as the compiler likes. */
static uint64_t ticks(void)
{
	volatile double d[64];

	for (int i = 0; i < 64; i++)
		d[i] = i * 1.5;
	return answer + (uint64_t)(d[2] - 3);
}

static void test_only_what_can_be_replaced_is(void **state)
{
	static unsigned char elsewhere[] = {0x0f, 0x31, 0x48, 0xc1, 0xe2, 0x20};

	assert_false(tsc_site_replace(elsewhere, ticks));
	assert_false(tsc_site_replace(other_site, ticks));
	assert_int_equal(other_site[0], 0x0f);
}

static void test_the_function_gives_our_ticks(void **state)
{
	volatile double kept = 0.25;
	uint64_t was = cpu_get_ticks();

	assert_true(cpu_get_ticks() >= was);
	assert_true(tsc_site_replace(first_site, ticks));
	for (answer = 1; answer < UINT64_C(1) << 62; answer = answer * 3 + 1)
		assert_int_equal(cpu_get_ticks(), answer + 2 * 0x1234);
	assert_true(kept == 0.25);
	assert_false(tsc_site_replace(third_site, ticks)); /* one is enough */
	assert_int_equal(third_site[0], 0x0f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_only_what_can_be_replaced_is),
		cmocka_unit_test(test_the_function_gives_our_ticks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
