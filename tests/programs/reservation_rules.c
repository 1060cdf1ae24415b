// What a program expects of an address range that it reserves and makes usable piece by piece, as Java and V8 do. "ok", or the rule that is
// broken.
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rules.h"

#define SIZE ((size_t)64 << 20)

static char *reserve(void *hint, size_t size)
{
	char *p = mmap(hint, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	rule(p != MAP_FAILED, "address space can be reserved");
	return p;
}

static char *fixed(char *at, size_t size, int prot)
{
	return mmap(at, size, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
}

// As V8: aligned by cutting off, committed with mprotect, given back by decommitting.
static void with_mprotect(size_t cut)
{
	char *all = reserve((void *)0x300000000000, SIZE + 4 * cut), *p = all + cut;

	rule(!munmap(all, cut) && !munmap(p + SIZE, 3 * cut), "both ends can be cut off");
	rule(faults(all, 0) && faults(p, 0), "reserved memory faults");
	rule(!mprotect(p + 3 * PAGE, SIZE / 2, PROT_READ | PROT_WRITE), "a part can be made usable");
	rule(is_all(p + 3 * PAGE, 0, SIZE / 2), "it is zero");
	rule(faults(p + 2 * PAGE, 1) && faults(p + 3 * PAGE + SIZE / 2, 1),
	     "what is around it is not usable");
	memset(p + 3 * PAGE, 5, SIZE / 2);
	rule(!mprotect(p, 3 * PAGE, PROT_READ | PROT_WRITE) && is_all(p, 0, 3 * PAGE),
	     "what is before it can be, too");
	rule(is_all(p + 3 * PAGE, 5, SIZE / 2), "that changes nothing");
	rule(!mprotect(p, SIZE / 4, PROT_NONE) && faults(p + 10 * PAGE, 0), "it can be locked away");
	rule(!mprotect(p, SIZE / 4, PROT_READ) && is_all(p + 3 * PAGE, 5, SIZE / 4 - 3 * PAGE),
	     "and comes back as it was");
	rule(faults(p + SIZE / 8, 1), "read-only as asked");
	rule(!mprotect(p, PAGE, PROT_READ | PROT_EXEC) && !faults(p, 0), "code can lie in it");
	rule(!madvise(p + SIZE / 4, SIZE / 8, MADV_DONTNEED) && is_all(p + SIZE / 4, 0, SIZE / 8),
	     "MADV_DONTNEED");
	rule(!munmap(p, SIZE), "it can be unmapped as a whole");
	rule(faults(p + SIZE / 4, 0) && faults(p + 3 * PAGE, 0), "then all of it faults");
}

// As Java: committed and given back with MAP_FIXED.
static void with_map_fixed(void)
{
	char *p = reserve(NULL, SIZE);
	int status;

	rule(fixed(p, SIZE / 2, PROT_READ | PROT_WRITE) == p && is_all(p, 0, SIZE / 2),
	     "MAP_FIXED makes it usable");
	memset(p, 6, SIZE / 2);
	pid_t child = fork();
	if (!child) {
		int bad = !is_all(p, 6, SIZE / 2) ||
			  fixed(p + SIZE / 2, 8 * PAGE, PROT_READ | PROT_WRITE) != p + SIZE / 2;
		memset(p, 7, SIZE / 2 + 8 * PAGE);
		_exit(bad || !is_all(p, 7, SIZE / 2 + 8 * PAGE));
	}
	rule(waitpid(child, &status, 0) == child && !status, "a child has it");
	rule(is_all(p, 6, SIZE / 2) && faults(p + SIZE / 2, 0), "and changes only its own");
	rule(fixed(p + PAGE, SIZE / 4, PROT_READ | PROT_WRITE) == p + PAGE && is_all(p + PAGE, 0, SIZE / 4),
	     "again: zero");
	rule(is_all(p, 6, PAGE) && is_all(p + PAGE + SIZE / 4, 6, SIZE / 4 - PAGE),
	     "what is around it stays");
	rule(fixed(p, SIZE / 4, PROT_NONE) == p && faults(p + PAGE, 0), "PROT_NONE gives it back");
	rule(fixed(p, SIZE / 4, PROT_READ | PROT_WRITE) == p && is_all(p, 0, SIZE / 4),
	     "and it is zero when it is used again");

	FILE *file = tmpfile();
	rule(file && !ftruncate(fileno(file), 16 * PAGE) && pwrite(fileno(file), "file", 4, 0) == 4,
	     "tmpfile");
	char *f = mmap(p + SIZE / 2 + 3 * PAGE, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED,
		       fileno(file), 0);
	rule(f == p + SIZE / 2 + 3 * PAGE && !memcmp(f, "file", 4), "a file can be mapped into it");
	rule(!mprotect(p + SIZE / 2, SIZE / 4, PROT_READ | PROT_WRITE) && !memcmp(f, "file", 4), "and stays");
	rule(fixed(p + SIZE / 2, SIZE / 4, PROT_READ | PROT_WRITE) != MAP_FAILED &&
		     is_all(p + SIZE / 2, 0, SIZE / 4),
	     "until it is replaced");
	memset(p + SIZE / 2, 8, SIZE / 4);
	rule(is_all(p + SIZE / 2, 8, SIZE / 4), "by memory");
	rule(!munmap(p, SIZE) && faults(p, 0) && faults(p + SIZE / 2, 0), "all of it goes");
}

// As MariaDB, which reserves terabytes and uses the beginning; and here and there, for who does that.
static void huge(void)
{
	const size_t all = (size_t)8 << 40, part = (size_t)8 << 20;
	char *p = reserve(NULL, all), *at[] = {p, p + part, p + (all >> 1) - PAGE, p + all - part};
	int status;

	for (int i = 0; i < 4; i++) {
		if (i % 2)
			rule(!mprotect(at[i], part, PROT_READ | PROT_WRITE), "a part of terabytes can be made usable");
		else
			rule(fixed(at[i], part, PROT_READ | PROT_WRITE) == at[i], "also with MAP_FIXED");
		rule(is_all(at[i], 0, part), "it is zero");
		memset(at[i], i + 1, part);
	}
	rule(faults(p + 2 * part, 0) && faults(p + all / 4, 0), "between them nothing is");
	pid_t child = fork();
	if (!child) {
		int bad = 0;
		for (int i = 0; i < 4; i++)
			bad |= !is_all(at[i], i + 1, part) || !memset(at[i], 9, part);
		_exit(bad);
	}
	rule(waitpid(child, &status, 0) == child && !status, "a child has all parts");
	for (int i = 0; i < 4; i++)
		rule(is_all(at[i], i + 1, part), "and changes its own");
	rule(fixed(p + part / 2, all / 2, PROT_NONE) == p + part / 2 && faults(at[2], 0) && faults(at[1], 0),
	     "a terabyte and more is given back in one call");
	rule(is_all(p, 1, part / 2) && is_all(at[2] + part / 2 + PAGE, 3, part / 2 - PAGE), "and nothing else");
	rule(!mprotect(at[1], part, PROT_READ | PROT_WRITE) && is_all(at[1], 0, part), "and comes back");
	rule(!munmap(p + part, all - part) && is_all(p, 1, part / 2) && faults(p + all - 1, 0), "cut off");
	rule(!munmap(p, part), "and gone");
}

int main(void)
{
	signal(SIGSEGV, on_fault);
	for (int round = 0; round < 3; round++) {
		with_mprotect(PAGE);
		with_mprotect(SIZE);
		with_map_fixed();
		huge();
		for (int i = 0; i < 100; i++) // looking for a good address
			rule(!munmap(reserve((void *)((uintptr_t)(i + 1) << 32), (size_t)8 << 30),
				     (size_t)8 << 30),
			     "reserved and not used");
	}
	puts("ok");
	return 0;
}
