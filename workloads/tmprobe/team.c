/*
 * Threads count what they have done in a cell of their own; the main thread sleeps, and looks at the cells and at the
 * clock when the warm-up is over and after each third of the time. So no thread reads the clock while it is measured.
 */
#include "workloads/tmprobe/probe.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { CHUNK = 4096, MIX = 256, CHASES = 16, PARTS = 3 };

static const double LOOK_S = 20e-6;

struct worker {
	_Alignas(64) atomic_ullong done; /* bytes, or accesses of a chase */
	pthread_t thread;
	const struct job *job;
	unsigned char *base;
	uint64_t region;
	unsigned int index;
};

static struct worker workers[MAX_THREADS];
static uint64_t run;	  /* number of the measurement */
static uint64_t chase_at; /* where the first thread's last chase ended */
static atomic_uint ready;
static atomic_bool go, stop;

static void pin(unsigned int index)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(index % (cpus > 0 ? (unsigned long)cpus : 1), &set);
	pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
}

static void count(struct worker *w, uint64_t n)
{
	atomic_store_explicit(&w->done, atomic_load_explicit(&w->done, memory_order_relaxed) + n,
			      memory_order_relaxed);
}

static bool running(void)
{
	return !atomic_load_explicit(&stop, memory_order_relaxed);
}

/*
 * The region in turn. Threads begin on different DIMMs, and each measurement a golden section of the region further than
 * the last: a slow thread would not get out of what the caches still hold.
 */
static void run_sequential(struct worker *w)
{
	uint64_t chunks = w->region / CHUNK, at = (w->index + run * (chunks * 382 / 1000)) % chunks * CHUNK;

	while (running()) {
		op_run(w->job->op, w->base + at, CHUNK);
		at = at + CHUNK < w->region ? at + CHUNK : 0;
		count(w, CHUNK);
	}
}

/* Blocks of job->access bytes at random places. */
static void run_random(struct worker *w)
{
	uint64_t state = (w->index + run * MAX_THREADS) * UINT64_C(0x9e3779b97f4a7c15) + 1,
		 blocks = w->region / w->job->access, since = 0;

	while (running()) {
		state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		op_run(w->job->op, w->base + (state >> 33) % blocks * w->job->access, w->job->access);
		since += w->job->access;
		if (since >= CHUNK / 4) {
			count(w, since);
			since = 0;
		}
	}
}

/* Reads and writes by turns, each a stream of its own: reads in the region's first half, writes in its second. */
static void run_mix(struct worker *w)
{
	uint64_t half = w->region / 2, chunks = half / CHUNK;
	uint64_t from = (w->index + run * (chunks * 382 / 1000)) % chunks * CHUNK, to = from;

	while (running()) {
		for (unsigned int i = 0; i < w->job->reads; i++) {
			op_run(OP_READ, w->base + from, MIX);
			from = (from + MIX) % half;
		}
		for (unsigned int i = 0; i < w->job->writes; i++) {
			op_run(OP_NT, w->base + half + to, MIX);
			to = (to + MIX) % half;
		}
		count(w, (uint64_t)(w->job->reads + w->job->writes) * MIX);
	}
}

static void run_chase(struct worker *w)
{
	uint64_t lines = 1, at = w->index + chase_at;

	while (lines * 2 * LINE <= w->region)
		lines *= 2;
	while (running()) {
		chase(w->base, lines, CHASES, &at);
		count(w, CHASES);
	}
	if (!w->index)
		chase_at = at; /* the next measurement must not find what this one left in the caches */
}

static void *work(void *arg)
{
	struct worker *w = arg;

	pin(w->index);
	atomic_fetch_add(&ready, 1);
	while (!atomic_load_explicit(&go, memory_order_acquire))
		sched_yield();
	if (w->job->chase)
		run_chase(w);
	else if (w->job->reads || w->job->writes)
		run_mix(w);
	else if (w->job->access)
		run_random(w);
	else
		run_sequential(w);
	return NULL;
}

static void sleep_s(double s)
{
	struct timespec t = {(time_t)s, (long)((s - (double)(time_t)s) * 1e9)};

	while (nanosleep(&t, &t))
		;
}

/* What has been done so far: bytes and chase accesses, and when. */
struct sample {
	double at, bytes, accesses;
};

/* Looks at all cells; again when it took so long that somebody must have run in between. */
static struct sample look(unsigned int n)
{
	struct sample s;

	for (int tries = 0; tries < 20; tries++) {
		s = (struct sample){.at = seconds()};
		for (unsigned int i = 0; i < n; i++)
			*(workers[i].job->chase ? &s.accesses : &s.bytes) +=
				(double)atomic_load_explicit(&workers[i].done, memory_order_relaxed);
		if (seconds() - s.at < LOOK_S)
			break;
	}
	return s;
}

/* The thread that looks must not wait for the workers of its CPU. Without the right to do that it may, which look() notices. */
static void take_precedence(void)
{
	struct sched_param p = {.sched_priority = 1};

	(void)sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &p);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* The median of the parts: what else a machine does now and then is not to be measured. */
static struct job_result result(const struct sample *at, unsigned int chases)
{
	double gbps[PARTS], ns[PARTS];

	for (int i = 0; i < PARTS; i++) {
		double time = at[i + 1].at - at[i].at, accesses = at[i + 1].accesses - at[i].accesses;

		gbps[i] = (at[i + 1].bytes - at[i].bytes) / time / 1e9;
		ns[i] = accesses > 0 ? time * chases / accesses * 1e9 : 0;
	}
	qsort(gbps, PARTS, sizeof(gbps[0]), by_value);
	qsort(ns, PARTS, sizeof(ns[0]), by_value);
	return (struct job_result){.gbps = gbps[PARTS / 2], .chase_ns = ns[PARTS / 2]};
}

int team_run(const struct settings *s, const struct area *a, const struct job *jobs, unsigned int n,
	     struct job_result *out)
{
	struct sample at[PARTS + 1];
	unsigned int chases = 0, made;
	int err = 0;

	if (n > MAX_THREADS || s->region * n > a->size) {
		complain("%u threads with %llu bytes each do not fit in %llu bytes; --region takes less", n,
			 (unsigned long long)s->region, (unsigned long long)a->size);
		return -1;
	}
	run++;
	atomic_store(&ready, 0);
	atomic_store(&go, false);
	atomic_store(&stop, false);
	for (made = 0; made < n && !err; made++) {
		struct worker *w = &workers[made];

		w->job = &jobs[made];
		w->base = a->base + made * s->region;
		w->region = s->region;
		w->index = made;
		atomic_store(&w->done, 0);
		chases += w->job->chase;
		err = pthread_create(&w->thread, NULL, work, w);
	}
	if (err) {
		complain("cannot start thread %u: %s", made, strerror(err));
		made--;
	}
	while (!err && atomic_load(&ready) < n)
		sleep_s(0.0001);
	atomic_store(&stop, err != 0);
	atomic_store_explicit(&go, true, memory_order_release);
	if (!err) {
		take_precedence();
		sleep_s(s->warm_s);
		at[0] = look(n);
		for (int i = 1; i <= PARTS; i++) {
			sleep_s(s->time_s / PARTS);
			at[i] = look(n);
		}
		*out = result(at, chases);
	}
	atomic_store(&stop, true);
	for (unsigned int i = 0; i < made; i++)
		pthread_join(workers[i].thread, NULL);
	return err ? -1 : 0;
}
