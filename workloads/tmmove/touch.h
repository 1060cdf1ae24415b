/* Threads that access memory while it moves, how long each access takes, and whether each value is what was written last. */
#ifndef TMMOVE_TOUCH_H
#define TMMOVE_TOUCH_H

#include "workloads/tmload/stats.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

enum { TOUCH_MAX_THREADS = 64 };

struct touch_thread;

struct touch {
	unsigned char *base;
	size_t size;
	unsigned pause_us;	  /* between two accesses of a thread; 0: none */
	_Atomic size_t from, len; /* what moves now: every other access goes there, and those are measured. len 0: all of it */
	atomic_bool measure;
	int threads;
	struct touch_thread *thread;
};

/* Starts threads 1..TOUCH_MAX_THREADS on memory of zeros, a multiple of 4096 bytes per thread. 0 or an errno. */
int touch_start(struct touch *t, int threads);

/* Moves what has been measured to *out, and starts again. Nanoseconds of a read and a write of one word, the clock's own cost in it. */
void touch_take(struct touch *t, struct op_stats *out);

/* Ends the threads. How many values were wrong. */
uint64_t touch_end(struct touch *t);

#endif
