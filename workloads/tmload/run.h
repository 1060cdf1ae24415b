/* What the threads of one run share. */
#ifndef TMLOAD_RUN_H
#define TMLOAD_RUN_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "workloads/tmload/keygen.h"
#include "workloads/tmload/net.h"
#include "workloads/tmload/options.h"
#include "workloads/tmload/stats.h"

enum run_state { RUN_GOES, RUN_INTERRUPTED, RUN_FAILED };

struct run {
	/* Set before the threads start, then read-only. */
	const struct options *opt;
	struct address address;
	struct keydist dist[OP_KINDS];
	uint64_t connections; /* of all threads */
	pthread_t main_thread;
	/* Shared. */
	pthread_barrier_t start;   /* all threads are connected */
	_Atomic int state;	   /* enum run_state; leaves RUN_GOES once */
	_Atomic bool started;	   /* requests are under way */
	_Atomic unsigned finished; /* threads that send no more */
	_Atomic unsigned running;  /* threads that have not ended */
	_Atomic unsigned reported; /* error lines printed */
};

/* End the run as failed; the first caller's message becomes the one line on stderr. */
void run_fail(struct run *run, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Print one wrong reply, unless enough have been printed already. */
void run_report(struct run *run, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
