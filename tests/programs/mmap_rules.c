// What a program may expect of private anonymous memory, captured or not. Prints the first rule that does not hold.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rules.h"

#define SIZE ((size_t)8 << 20)

static char *map(size_t size)
{
	char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	rule(p != MAP_FAILED, "mmap succeeds");
	return p;
}

// Parts of a mapping have protections of their own, are gone, or are somebody else's: what is left is the child's own all the same.
static void in_parts_across_a_fork(void)
{
	char *p = map(SIZE);
	int status;

	memset(p, 1, SIZE);
	rule(!mprotect(p + 3 * PAGE, PAGE, PROT_READ) && !munmap(p + 20 * PAGE, PAGE), "a page read-only, one gone");
	rule(mmap(p + 40 * PAGE, PAGE, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_SHARED | MAP_ANONYMOUS, -1, 0) ==
		     p + 40 * PAGE,
	     "and one shared");
	pid_t child = fork();
	if (!child) {
		int bad = !is_all(p, 1, 20 * PAGE) || !is_all(p + 21 * PAGE, 1, 19 * PAGE) ||
			  !faults(p + 3 * PAGE, 1) || !faults(p + 20 * PAGE, 0);
		memset(p, 2, 3 * PAGE);
		memset(p + 4 * PAGE, 2, 16 * PAGE);
		memset(p + 21 * PAGE, 2, 30 * PAGE);
		_exit(bad);
	}
	rule(waitpid(child, &status, 0) == child && !status, "a child has what is left");
	rule(is_all(p, 1, 20 * PAGE) && is_all(p + 21 * PAGE, 1, 19 * PAGE) && is_all(p + 41 * PAGE, 1, SIZE - 41 * PAGE),
	     "and writes to its own");
	rule(is_all(p + 40 * PAGE, 2, PAGE), "but for what is shared");
	rule(!munmap(p, SIZE), "all of it can go");
}

// Parts have protections of their own, are gone or somebody else's before what is beside them has been touched: they stay so.
static void in_parts_before_a_touch(void)
{
	char *p = map(SIZE), *q = map(SIZE);
	FILE *file = tmpfile();

	rule(file && !ftruncate(fileno(file), PAGE) && pwrite(fileno(file), "file", 4, 0) == 4, "tmpfile");
	rule(mmap(p + 2 * PAGE, PAGE, PROT_READ, MAP_FIXED | MAP_PRIVATE, fileno(file), 0) == p + 2 * PAGE, "a page of a file");
	rule(mmap(p + 40 * PAGE, PAGE, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == p + 40 * PAGE, "one of memory");
	rule(!mprotect(p + 60 * PAGE, PAGE, PROT_NONE) && !munmap(p + 80 * PAGE, PAGE), "a guard page, and one gone");
	p[40 * PAGE] = 1;
	for (size_t i = 0; i < 100; i++)
		if (i != 2 && i != 40 && i != 60 && i != 80)
			p[i * PAGE] = 2;
	rule(!memcmp(p + 2 * PAGE, "file", 4) && faults(p + 2 * PAGE, 1), "the file's is still there");
	rule(p[40 * PAGE] == 1, "and the other memory");
	rule(faults(p + 60 * PAGE, 0) && faults(p + 80 * PAGE, 0), "the guard guards, what is gone is gone");
	rule(!madvise(p + 36 * PAGE, 8 * PAGE, MADV_DONTNEED) && is_all(p + 36 * PAGE, 0, 8 * PAGE), "MADV_DONTNEED on all parts");
	rule(p[35 * PAGE] == 2 && p[44 * PAGE] == 2, "and not on others");
	rule(!munmap(p, SIZE) && !fclose(file), "all of it goes");
	rule(mmap(q + 8 * PAGE, PAGE, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == q + 8 * PAGE, "memory over memory");
	q[8 * PAGE] = 3;
	q = mremap(q, SIZE, 2 * SIZE, MREMAP_MAYMOVE);
	rule(q != MAP_FAILED && q[8 * PAGE] == 3 && is_all(q, 0, 8 * PAGE), "moves with it");
	rule(!munmap(q, 2 * SIZE), "and goes");
}

// A program finds free addresses, by mmap and munmap, and maps or moves something there (stress-ng's mremap does): they are not free any more.
static void at_free_addresses(void)
{
	static char *at[40];

	for (int i = 0; i < 40; i++) {
		size_t size = (size_t)(i % 7 + 1) * SIZE / 8 + (size_t)(i % 3) * 5 * PAGE;
		char *p = i % 2 ? map(size) : NULL, *free_one = map(size + PAGE);
		rule(!munmap(free_one, size + PAGE), "a mapping goes");
		if (i % 2) {
			memset(p, i + 1, size);
			rule(mremap(p, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, p + PAGE) == MAP_FAILED, "mremap does not move to where it is");
			at[i] = mremap(p, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, free_one);
			rule(at[i] == free_one, "mremap moves to where nothing is");
		} else {
			at[i] = mmap(free_one, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
			rule(at[i] == free_one && is_all(at[i], 0, size), "MAP_FIXED takes what is free");
			memset(at[i], i + 1, size);
		}
		if (i % 5 == 4) {
			size_t before = (size_t)((i - 2) % 7 + 1) * SIZE / 8 + (size_t)((i - 2) % 3) * 5 * PAGE;
			rule(is_all(at[i - 2], (char)(i - 1), before) && !munmap(at[i - 2], before), "what is there stays until it goes");
			rule(faults(at[i - 2], 0) && faults(at[i - 2] + before - PAGE, 0), "and faults then");
			at[i - 2] = NULL;
		}
	}
	for (int i = 0; i < 40; i++) {
		size_t size = (size_t)(i % 7 + 1) * SIZE / 8 + (size_t)(i % 3) * 5 * PAGE;
		rule(!at[i] || (is_all(at[i], (char)(i + 1), size) && !munmap(at[i], size)), "what is at such addresses is nobody else's");
	}
}

int main(void)
{
	signal(SIGSEGV, on_fault);
	for (int round = 0; round < 3; round++) {
		char *p = map(SIZE);
		rule(is_all(p, 0, SIZE), "new memory is zero");
		memset(p, round + 1, SIZE);
		madvise(p + 3 * PAGE, SIZE / 2, MADV_DONTNEED);
		rule(is_all(p + 3 * PAGE, 0, SIZE / 2), "MADV_DONTNEED leaves zeros");
		rule(is_all(p, (char)(round + 1), 3 * PAGE), "MADV_DONTNEED leaves what is before it");
		rule(is_all(p + 3 * PAGE + SIZE / 2, (char)(round + 1), SIZE / 2 - 3 * PAGE),
		     "and what is behind it");
		rule(!munmap(p, SIZE), "munmap succeeds");
		rule(faults(p, 0), "unmapped memory faults");
	}

	char *p = map(SIZE + 5 * PAGE);
	memset(p, 7, SIZE + 5 * PAGE);
	rule(!munmap(p + 17 * PAGE, 30 * PAGE), "a part can be unmapped");
	rule(faults(p + 20 * PAGE, 0), "the part faults");
	rule(is_all(p, 7, 17 * PAGE) && is_all(p + 47 * PAGE, 7, SIZE - 42 * PAGE), "the rest stays");
	rule(!munmap(p, SIZE + 5 * PAGE), "and goes, holes or not");

	p = map(SIZE);
	memset(p, 9, SIZE / 2);
	char *q = mremap(p, SIZE, 2 * SIZE, MREMAP_MAYMOVE);
	rule(q != MAP_FAILED && is_all(q, 9, SIZE / 2) && is_all(q + SIZE / 2, 0, SIZE + SIZE / 2),
	     "mremap grows, with contents");
	q = mremap(q, 2 * SIZE, SIZE / 4, 0);
	rule(q != MAP_FAILED && is_all(q, 9, SIZE / 4), "mremap shrinks in place");
	rule(faults(q + SIZE / 4, 0), "what was cut off faults");

	rule(!mprotect(q, 64 * PAGE, PROT_READ), "mprotect succeeds");
	rule(faults(q + PAGE, 1) && !faults(q + PAGE, 0), "read-only memory can be read, not written");
	rule(!mprotect(q, 64 * PAGE, PROT_READ | PROT_WRITE) && !faults(q + PAGE, 1),
	     "and written again later");
	rule(!mprotect(q, PAGE, PROT_NONE) && faults(q, 0), "PROT_NONE faults");

	char *fixed = mmap(q + 2 * PAGE, 70 * PAGE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	rule(fixed == q + 2 * PAGE && is_all(fixed, 0, 70 * PAGE), "MAP_FIXED replaces");
	rule(is_all(q + 72 * PAGE, 9, SIZE / 4 - 72 * PAGE), "MAP_FIXED leaves the rest");
	rule(!munmap(q, SIZE / 4), "munmap takes both");

	in_parts_before_a_touch();
	in_parts_across_a_fork();
	at_free_addresses();

	int fds[2];
	p = map(SIZE);
	rule(!pipe(fds) && write(fds[1], "hello", 5) == 5, "pipe");
	rule(read(fds[0], p + SIZE / 2, 5) == 5 && !memcmp(p + SIZE / 2, "hello", 6),
	     "the kernel writes to untouched memory");
	rule(write(fds[1], p, PAGE) == (ssize_t)PAGE, "the kernel reads untouched memory");
	puts("ok");
	return 0;
}
