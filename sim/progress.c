#include "sim/progress.h"

#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "sim/phase.h"
#include "sim/sched.h"
#include "sim/vcpu.h"

enum { INTERVAL_MS = 500 };

static bool started, ended;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static uint64_t instructions(void)
{
	uint64_t n = 0;

	for (unsigned int i = 0; i < SCHED_MAX_VCPUS; i++)
		if (machine.vcpu[i])
			n += __atomic_load_n(&machine.vcpu[i]->actor->instructions, __ATOMIC_RELAXED);
	return n;
}

/* Other threads change all that it reads: the line is for people. */
static void *print(void *arg)
{
	uint64_t last = 0;

	(void)arg;
	for (;;) {
		struct timespec interval = {.tv_nsec = INTERVAL_MS * 1000000L};
		const char *phase = phase_name();
		uint64_t now;

		syscall(SYS_nanosleep, &interval, NULL);
		now = instructions();
		pthread_mutex_lock(&lock);
		if (!ended)
			fprintf(stderr,
				"\rtmsim: %.3f s simulated, %" PRIu64 " million instructions/s, %s%s%s\033[K",
				(double)sched_now_ps() / 1e12, (now - last) * (1000 / INTERVAL_MS) / 1000000,
				machine.model_on ? "model on" : "fast-forward", phase[0] ? ", phase " : "",
				phase);
		pthread_mutex_unlock(&lock);
		last = now;
	}
	return NULL;
}

void progress_start(void)
{
	pthread_t thread;
	sigset_t all, old;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &old);
	started = !pthread_create(&thread, NULL, print, NULL);
	if (started)
		pthread_detach(thread);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

void progress_end(void)
{
	if (!started)
		return;
	pthread_mutex_lock(&lock);
	ended = true;
	fputs("\n", stderr);
	pthread_mutex_unlock(&lock);
}
