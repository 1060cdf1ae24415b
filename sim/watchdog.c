#include "sim/watchdog.h"

#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "sim/sched.h"

static unsigned int limit_s = 60;

static void *watch(void *arg)
{
	uint64_t last = 0;
	unsigned int still = 0;

	for (;;) {
		struct timespec second = {.tv_sec = 1};
		uint64_t now;

		syscall(SYS_nanosleep, &second, NULL);
		now = sched_progress();
		still = now == last && !sched_waits_outside() ? still + 1 : 0;
		last = now;
		if (still >= limit_s) {
			fprintf(stderr, "tmsim: no simulated progress for %u s\n", limit_s);
			sched_dump();
			_exit(1);
		}
	}
	return NULL;
}

void watchdog_start(void)
{
	const char *env = getenv("TMSIM_WATCHDOG_S");
	pthread_t thread;
	sigset_t all, old;

	if (env && atoi(env) > 0)
		limit_s = (unsigned int)atoi(env);
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &old);
	if (!pthread_create(&thread, NULL, watch, NULL))
		pthread_detach(thread);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}
