// What programs that check rules of memory have in common. on_fault is to be the handler of SIGSEGV.
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#define PAGE ((size_t)4096)

static sigjmp_buf back;

static void on_fault(int sig)
{
	siglongjmp(back, 1);
}

static void rule(int holds, const char *text)
{
	if (!holds) {
		printf("broken: %s\n", text);
		exit(1);
	}
}

static int is_all(const char *p, char value, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (p[i] != value)
			return 0;
	}
	return 1;
}

static int faults(volatile char *p, int write)
{
	if (sigsetjmp(back, 1))
		return 1;
	if (write)
		*p = 1;
	else
		(void)*p;
	return 0;
}
