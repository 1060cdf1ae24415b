// Uses 24 MB and gives half of it back while DRAM is short, so that jemalloc does not keep it (arena.h), then forks. What calloc gives to the
// child must be zero, on whatever frames it comes to lie. What is given back has neighbours in use: jemalloc knows that it is zero, and does not
// write to it.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ARRAYS = 384, ARRAY = 1 << 16, VALUES = 400, VALUE = 10000 };

static int in_child(void)
{
	for (int i = 0; i < ARRAYS; i++) {
		char *p = calloc(1, ARRAY);
		for (int k = 0; k < ARRAY; k++) {
			if (p[k]) {
				printf("array %d: %d at %d\n", i, p[k], k);
				return 1;
			}
		}
		memset(p, 1, ARRAY);
	}
	puts("zeros");
	return 0;
}

int main(void)
{
	static char *array[ARRAYS];
	int status = -1;

	for (int i = 0; i < ARRAYS; i++)
		memset(array[i] = malloc(ARRAY), 1, ARRAY);
	for (int i = 0; i < ARRAYS; i += 2)
		free(array[i]);
	for (int i = 0; i < VALUES; i++) { // new memory all the time: DRAM is short
		memset(malloc(VALUE), 2, VALUE);
		usleep(10000);
	}
	pid_t child = fork();
	if (!child) {
		status = in_child();
		fflush(stdout);
		_exit(status);
	}
	return waitpid(child, &status, 0) != child || status;
}
