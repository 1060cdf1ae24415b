// Threads that start at once: each has arenas of its own, and so have a forked child's. jemalloc's mallctl() says which.
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { THREADS = 4, ROUNDS = 300, SMALL = 100, LARGE = 20000 };

static int (*control)(const char *name, void *old, size_t *old_size, void *new, size_t new_size);
static pthread_barrier_t start;

struct arenas {
	unsigned small, large;
};

static unsigned arena_of(void *p)
{
	unsigned arena = 0;
	size_t size = sizeof(arena);

	if (control("arenas.lookup", &arena, &size, &p, sizeof(p)))
		exit(2);
	return arena;
}

static void *allocate(void *arg)
{
	struct arenas *mine = arg;
	size_t size = sizeof(mine->small);
	void *small[SMALL], *large;

	pthread_barrier_wait(&start);
	for (int i = 0; i < SMALL; i++)
		memset(small[i] = malloc(50), 1, 50);
	large = malloc(LARGE);
	mine->large = arena_of(large);
	if (control("thread.arena", &mine->small, &size, NULL, 0))
		exit(2);
	pthread_barrier_wait(&start); // none ends before all have theirs
	for (int i = 0; i < SMALL; i++)
		free(small[i]);
	free(large);
	return NULL;
}

// How many threads found arenas that another one has, or that are for both kinds.
static int shared(void)
{
	int n = 0;

	for (int round = 0; round < ROUNDS; round++) {
		struct arenas of[THREADS];
		pthread_t id[THREADS];

		for (int i = 0; i < THREADS; i++)
			pthread_create(&id[i], NULL, allocate, &of[i]);
		for (int i = 0; i < THREADS; i++)
			pthread_join(id[i], NULL);
		for (int i = 0; i < THREADS; i++) {
			int others = 0;
			for (int k = 0; k < i; k++)
				others += of[k].small == of[i].small || of[k].large == of[i].large;
			n += others || of[i].small == of[i].large;
		}
	}
	return n;
}

static void report(const char *who)
{
	unsigned arenas = 0;
	size_t size = sizeof(arenas);
	int n = shared();

	control("arenas.narenas", &arenas, &size, NULL, 0);
	printf("%s: %d share, %u arenas\n", who, n, arenas);
	fflush(stdout);
}

int main(void)
{
	int status;

	*(void **)&control = dlsym(RTLD_DEFAULT, "mallctl");
	if (!control)
		return 2;
	pthread_barrier_init(&start, NULL, THREADS);
	report("parent");
	if (!fork()) {
		report("child");
		_exit(0);
	}
	return wait(&status) < 0 || status;
}
