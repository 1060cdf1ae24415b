// What a program expects of memory that it writes code to and runs, as Java, V8 and PCRE do. "ok", or the rule that is broken.
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rules.h"

#define SIZE ((size_t)1 << 20)
#define ALL  (PROT_READ | PROT_WRITE | PROT_EXEC)

static char *map(void *at, size_t size, int prot, int flags)
{
	char *p = mmap(at, size, prot, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
	rule(p != MAP_FAILED, "mmap succeeds");
	return p;
}

// A function in each page that returns number + the page's.
static void write_code(char *p, size_t size, int number)
{
	for (size_t at = 0; at < size; at += PAGE) {
		int32_t result = number + (int32_t)(at / PAGE);
		p[at] = (char)0xb8; // mov $result, %eax
		memcpy(p + at + 1, &result, sizeof(result));
		p[at + 5] = (char)0xc3; // ret
	}
}

static int returns(char *p, size_t size, int number)
{
	for (size_t at = 0; at < size; at += PAGE) {
		int (*function)(void) = (int (*)(void))(p + at);
		if (function() != number + (int)(at / PAGE))
			return 0;
	}
	return 1;
}

static void across_a_fork(char *p, size_t size, int number)
{
	int status;
	pid_t child = fork();

	if (!child) {
		int bad = !returns(p, size, number);
		write_code(p, size, number + 1000);
		_exit(bad || !returns(p, size, number + 1000));
	}
	rule(waitpid(child, &status, 0) == child && !status, "a child runs it, and code of its own");
	rule(returns(p, size, number), "which the parent does not see");
}

int main(void)
{
	signal(SIGSEGV, on_fault);
	for (int round = 0; round < 3; round++) {
		char *p = map(NULL, SIZE, ALL, 0);
		write_code(p, SIZE, round);
		rule(returns(p, SIZE, round), "code runs");
		across_a_fork(p, SIZE, round);
		rule(!mprotect(p + 5 * PAGE, 7 * PAGE, PROT_READ | PROT_EXEC) && faults(p + 6 * PAGE, 1), "a part can be read-only");
		rule(returns(p, SIZE, round), "and runs");
		rule(!mprotect(p, SIZE, ALL), "and can be written again");
		across_a_fork(p, SIZE, round);
		rule(!madvise(p, SIZE, MADV_DONTNEED) && is_all(p, 0, SIZE), "MADV_DONTNEED");
		write_code(p, SIZE, 7);
		p = mremap(p, SIZE, 2 * SIZE, MREMAP_MAYMOVE);
		rule(p != MAP_FAILED && returns(p, SIZE, 7), "it runs where mremap puts it");
		rule(!munmap(p, 2 * SIZE), "and goes");

		p = map(NULL, 64 * SIZE, PROT_NONE, MAP_NORESERVE);
		rule(map(p + 3 * PAGE, SIZE, ALL, MAP_FIXED) == p + 3 * PAGE, "reserved, then usable by MAP_FIXED");
		write_code(p + 3 * PAGE, SIZE, 20);
		rule(returns(p + 3 * PAGE, SIZE, 20) && faults(p + 2 * PAGE, 0), "code runs there");
		across_a_fork(p + 3 * PAGE, SIZE, 20);
		rule(!mprotect(p + 8 * SIZE, SIZE, PROT_READ | PROT_WRITE), "or by mprotect");
		write_code(p + 8 * SIZE, SIZE, 30);
		rule(!mprotect(p + 8 * SIZE, SIZE, PROT_READ | PROT_EXEC) && returns(p + 8 * SIZE, SIZE, 30), "written first, then run");
		rule(faults(p + 8 * SIZE + PAGE, 1), "and not written any more");
		rule(!munmap(p, 64 * SIZE), "all of it goes");

		char *near = (char *)(((uintptr_t)main + ((uintptr_t)64 << 20)) & ~(PAGE - 1));
		p = map(near, SIZE, ALL, 0);
		rule(p == near, "code lies near other code where that is asked for");
		rule(!munmap(p, SIZE), "and goes, too");
	}
	puts("ok");
	return 0;
}
