/*
 * A trap costs some microseconds, and a Linux guest executes rdtsc at every return to user mode (it randomises the offset of
 * its stack by it), MariaDB several times per statement. All of them end in one instruction, in QEMU's cpu_get_ticks. At
 * its first trap it is replaced in memory:
 *
 *	rdtsc			  jmp stub
 *	shl $32, %rdx		  nop
 *
 * The stub saves what a called function may change, calls ticks(), does the shift and jumps back. It must lie within 2 GiB.
 * QEMU executes those bytes under a lock (vm_clock_lock), so no other vCPU does meanwhile.
 */
#include "sim/tsc_site.h"

#include <dlfcn.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* cpu_get_ticks is shorter. */
enum { FUNCTION_BYTES = 512, SITE_BYTES = 6, STUB_BYTES = 4096 };

static const unsigned char site_code[SITE_BYTES] = {0x0f, 0x31, 0x48, 0xc1, 0xe2, 0x20};

/* clang-format off */
static const unsigned char before_call[] = {
	0x48, 0x8d, 0x64, 0x24, 0x80,			/* lea -128(%rsp), %rsp: the red zone */
	0x51, 0x56, 0x57, 0x41, 0x50, 0x41, 0x51,	/* push %rcx, %rsi, %rdi, %r8, %r9 */
	0x41, 0x52, 0x41, 0x53, 0x55,			/* push %r10, %r11, %rbp */
	0x48, 0x89, 0xe5,				/* mov %rsp, %rbp */
	0x48, 0x81, 0xec, 0x00, 0x02, 0x00, 0x00,	/* sub $512, %rsp */
	0x48, 0x83, 0xe4, 0xf0,				/* and $-16, %rsp */
	0x48, 0x0f, 0xae, 0x04, 0x24,			/* fxsave64 (%rsp) */
	0x48, 0xb8,					/* mov $ticks, %rax */
};
static const unsigned char after_call[] = {
	0xff, 0xd0,					/* call *%rax */
	0x48, 0x0f, 0xae, 0x0c, 0x24,			/* fxrstor64 (%rsp) */
	0x48, 0x89, 0xec,				/* mov %rbp, %rsp */
	0x5d, 0x41, 0x5b, 0x41, 0x5a, 0x41, 0x59,	/* pop %rbp, %r11, %r10, %r9 */
	0x41, 0x58, 0x5f, 0x5e, 0x59,			/* pop %r8, %rdi, %rsi, %rcx */
	0x48, 0x8d, 0xa4, 0x24, 0x80, 0x00, 0x00, 0x00, /* lea 128(%rsp), %rsp */
	0x48, 0x89, 0xc2,				/* mov %rax, %rdx */
	0x89, 0xc0,					/* mov %eax, %eax */
	0x48, 0xc1, 0xea, 0x20,				/* shr $32, %rdx */
	0x48, 0xc1, 0xe2, 0x20,				/* shl $32, %rdx */
	0xe9,						/* jmp back */
};
/* clang-format on */

/* A page that a jump from SITE reaches; below it, where the heap does not grow. NULL when there is none. */
static unsigned char *page_near(unsigned char *site)
{
	uintptr_t page = (uintptr_t)site & ~(uintptr_t)0xfffff;

	for (int i = 1; i < 1024; i++) {
		void *p = mmap((void *)(page - ((uintptr_t)i << 20)), STUB_BYTES, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

		if (p != MAP_FAILED)
			return p;
	}
	return NULL;
}

static void *put(unsigned char *at, const void *bytes, size_t n)
{
	return (unsigned char *)memcpy(at, bytes, n) + n;
}

/* The distance of a jump whose displacement is at AT. */
static int32_t distance(const unsigned char *at, const unsigned char *to)
{
	return (int32_t)(to - (at + 4));
}

static unsigned char *make_stub(unsigned char *site, uint64_t (*ticks)(void))
{
	unsigned char *stub = page_near(site), *p;
	int32_t back;

	if (!stub)
		return NULL;
	p = put(stub, before_call, sizeof(before_call));
	p = put(p, &ticks, sizeof(ticks));
	p = put(p, after_call, sizeof(after_call));
	back = distance(p, site + SITE_BYTES);
	put(p, &back, sizeof(back));
	if (mprotect(stub, STUB_BYTES, PROT_READ | PROT_EXEC)) {
		munmap(stub, STUB_BYTES);
		return NULL;
	}
	return stub;
}

bool tsc_site_replace(unsigned char *site, uint64_t (*ticks)(void))
{
	static bool tried;
	unsigned char *function = dlsym(RTLD_DEFAULT, "cpu_get_ticks"),
		      jump[SITE_BYTES] = {0xe9, 0, 0, 0, 0, 0x90}, *stub;
	uintptr_t size = (uintptr_t)sysconf(_SC_PAGESIZE), first = (uintptr_t)site & ~(size - 1);
	size_t length = (uintptr_t)site + SITE_BYTES - first;
	int32_t there;

	if (tried || !function || site < function || site >= function + FUNCTION_BYTES ||
	    memcmp(site, site_code, SITE_BYTES) != 0)
		return false;
	tried = true;
	stub = make_stub(site, ticks);
	if (!stub || mprotect((void *)first, length, PROT_READ | PROT_WRITE | PROT_EXEC))
		return false;
	there = distance(site + 1, stub);
	memcpy(jump + 1, &there, sizeof(there));
	memcpy(site, jump, sizeof(jump));
	mprotect((void *)first, length, PROT_READ | PROT_EXEC);
	return true;
}
