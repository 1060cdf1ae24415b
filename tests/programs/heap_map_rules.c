// What a program may do to pages of malloc's memory as if they were mappings of its own: protect them, run code in them, give back their contents,
// map something over them. "ok", or the rule that is broken.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rules.h"

#define SIZE ((size_t)2 << 20)

static char *pages(size_t size)
{
	void *p;
	rule(!posix_memalign(&p, PAGE, size), "posix_memalign succeeds");
	memset(p, 1, size);
	return p;
}

int main(void)
{
	signal(SIGSEGV, on_fault);
	char *small = pages(3 * PAGE), *guard = pages(SIZE), *code = pages(4 * PAGE), *empty = pages(SIZE), *file = pages(SIZE);
	static const char function[] = {(char)0xb8, 42, 0, 0, 0, (char)0xc3}; // mov $42, %eax; ret
	FILE *f = tmpfile();
	int status;

	rule(!mprotect(guard + 100 * PAGE, PAGE, PROT_NONE) && !mprotect(small + PAGE, PAGE, PROT_READ), "pages can be protected");
	memcpy(code + PAGE, function, sizeof(function));
	rule(!mprotect(code + PAGE, PAGE, PROT_READ | PROT_EXEC), "and be for code");
	rule(f && !ftruncate(fileno(f), PAGE) && pwrite(fileno(f), "file", 4, 0) == 4, "tmpfile");
	rule(mmap(file + 50 * PAGE, PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, fileno(f), 0) == file + 50 * PAGE, "or become a file's");
	for (int i = 0; i < 200; i++) { // time to migrate
		memset(empty, i + 1, SIZE);
		rule(!madvise(empty + 7 * PAGE, SIZE / 2, MADV_DONTNEED) && is_all(empty + 7 * PAGE, 0, SIZE / 2), "MADV_DONTNEED leaves zeros");
		rule(is_all(empty, (char)(i + 1), 7 * PAGE) && is_all(empty + 7 * PAGE + SIZE / 2, (char)(i + 1), SIZE / 2 - 7 * PAGE), "and nothing else");
		rule(faults(guard + 100 * PAGE, 0) && !faults(guard + 99 * PAGE, 1) && !faults(guard + 101 * PAGE, 1), "a guard page guards");
		rule(faults(small + PAGE, 1) && !faults(small + PAGE, 0), "what is read-only is not written");
		rule(((int (*)(void))(code + PAGE))() == 42, "code runs");
		rule(!memcmp(file + 50 * PAGE, "file", 4) && file[49 * PAGE] == 1 && file[51 * PAGE] == 1, "the file is where it was mapped");
	}
	memset(empty, 5, SIZE);
	pid_t child = fork();
	if (!child) {
		int bad = !faults(guard + 100 * PAGE, 0) || ((int (*)(void))(code + PAGE))() != 42 || memcmp(file + 50 * PAGE, "file", 4) ||
			  !is_all(empty, 5, SIZE);
		madvise(empty, SIZE / 2, MADV_DONTNEED);
		_exit(bad || !is_all(empty, 0, SIZE / 2) || !is_all(empty + SIZE / 2, 5, SIZE / 2));
	}
	rule(waitpid(child, &status, 0) == child && !status, "a child has all that");
	rule(is_all(empty, 5, SIZE), "and gives back its own only");
	rule(!mprotect(guard, SIZE, PROT_READ | PROT_WRITE) && is_all(guard + 102 * PAGE, 1, SIZE - 102 * PAGE), "protection can go");
	free(guard);
	puts("ok");
	return 0;
}
