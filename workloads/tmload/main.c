/* tmload: a memtier-compatible load generator for Redis that checks every reply. */
#include "workloads/tmload/report.h"
#include "workloads/tmload/worker.h"

#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

/* Wall clock in ms since 1970. */
static uint64_t wall_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* The i-th CPU, counted round, of those the process may use; -1 if that is unknown. */
static int nth_cpu(unsigned i)
{
	cpu_set_t set;
	int n;

	if (sched_getaffinity(0, sizeof(set), &set) != 0 || (n = CPU_COUNT(&set)) == 0)
		return -1;
	i %= (unsigned)n;
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (CPU_ISSET(cpu, &set) && i-- == 0)
			return cpu;
	}
	return -1;
}

/* Make room for a socket per connection. Returns 0, or -1 after a line on stderr. */
static int raise_file_limit(uint64_t connections)
{
	struct rlimit limit;
	rlim_t want = connections + 64;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= want)
		return 0;
	limit.rlim_cur = want;
	if (limit.rlim_max < want)
		limit.rlim_max = want;
	if (setrlimit(RLIMIT_NOFILE, &limit) == 0)
		return 0;
	fprintf(stderr,
		"tmload: %" PRIu64
		" connections need more open files than allowed; raise ulimit -n or use fewer\n",
		connections);
	return -1;
}

/* Fill what the threads share. Returns 0, or -1 after a line on stderr. */
static int run_init(struct run *run, const struct options *o)
{
	run->opt = o;
	run->connections = o->threads * o->clients;
	run->main_thread = pthread_self();
	run->running = (unsigned)o->threads;
	for (int i = 0; i < OP_KINDS; i++)
		keydist_init(&run->dist[i], o->pattern[i], o->key_min, o->key_max, o->key_median,
			     o->key_stddev, o->zipf_exp);
	if (pthread_barrier_init(&run->start, NULL, (unsigned)o->threads) != 0)
		return -1;
	if (net_resolve(&run->address, o) != 0 || raise_file_limit(run->connections) != 0)
		return -1;
	return o->wait_for_server ? net_wait_for_server(&run->address, o->wait_for_server) : 0;
}

/* Show how far the run is, on one line. */
static void show_progress(const struct run *run, const struct worker *workers, uint64_t seconds,
			  uint64_t *before)
{
	const struct options *o = run->opt;
	uint64_t done = 0;

	for (uint64_t i = 0; i < o->threads; i++)
		done += atomic_load_explicit(&workers[i].done, memory_order_relaxed);
	fprintf(stderr, "\r[RUN] %" PRIu64 " s, %" PRIu64 " requests, %" PRIu64 " ops/sec", seconds, done,
		done - *before);
	if (o->test_time)
		fprintf(stderr, ", %.0f %%   ", 100.0 * (double)seconds / (double)o->test_time);
	else if (!o->all_keys)
		fprintf(stderr, ", %.0f %%   ",
			100.0 * (double)done / ((double)o->requests * (double)run->connections));
	*before = done;
}

/* Wait for the threads' end; take signals meanwhile. `set` has SIGUSR1, which the last thread sends. */
static void wait_for_threads(struct run *run, const struct worker *workers, const sigset_t *set)
{
	const char *when = run->opt->progress;
	bool progress = !strcmp(when, "always") || (!strcmp(when, "auto") && isatty(STDERR_FILENO));
	struct timespec second = {.tv_sec = 1};
	uint64_t seconds = 0, before = 0;

	while (run->running > 0) {
		int sig = sigtimedwait(set, NULL, &second), expected = RUN_GOES;

		if (sig == SIGINT || sig == SIGTERM || sig == SIGHUP) {
			if (!run->started ||
			    !atomic_compare_exchange_strong(&run->state, &expected, RUN_INTERRUPTED)) {
				fprintf(stderr, "tmload: interrupted\n");
				_exit(1);
			}
		} else if (sig < 0 && errno == EAGAIN && progress) {
			show_progress(run, workers, ++seconds, &before);
		}
	}
	if (progress && seconds > 0)
		fprintf(stderr, "\n");
}

/* Start the threads and wait until they have ended. Returns 0, or -1 after a line on stderr. */
static int run_threads(struct run *run, struct worker *workers)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	for (uint64_t i = 0; i < run->opt->threads; i++) {
		struct worker *w = &workers[i];
		int rc;
		w->run = run;
		w->index = (unsigned)i;
		w->cpu = run->opt->pin_threads ? nth_cpu(w->index) : -1;
		rc = pthread_create(&w->thread, NULL, worker_main, w);
		if (rc != 0) {
			/* The threads that exist wait at the barrier: there is no orderly way back. */
			fprintf(stderr, "tmload: cannot start thread %" PRIu64 ": %s\n", i, strerror(rc));
			_exit(1);
		}
	}
	wait_for_threads(run, workers, &set);
	for (uint64_t i = 0; i < run->opt->threads; i++)
		pthread_join(workers[i].thread, NULL);
	return 0;
}

/* Merge the threads' results. */
static void collect(struct result *r, const struct run *run, const struct worker *workers)
{
	uint64_t first = UINT64_MAX, last = 0;

	op_stats_init(&r->total);
	for (int k = 0; k < OP_KINDS; k++)
		op_stats_init(&r->stats.op[k]);
	for (uint64_t i = 0; i < run->opt->threads; i++) {
		const struct worker *w = &workers[i];
		for (int k = 0; k < OP_KINDS; k++)
			op_stats_merge(&r->stats.op[k], &w->stats.op[k]);
		r->stats.errors.wrong += w->stats.errors.wrong;
		r->stats.errors.missing += w->stats.errors.missing;
		r->stats.errors.protocol += w->stats.errors.protocol;
		r->stats.errors.connection += w->stats.errors.connection;
		if (w->start_ns > 0 && w->start_ns < first)
			first = w->start_ns;
		if (w->end_ns > last)
			last = w->end_ns;
	}
	for (int k = 0; k < OP_KINDS; k++)
		op_stats_merge(&r->total, &r->stats.op[k]);
	r->duration_ns = last > first ? last - first : 0;
	r->interrupted = run->state == RUN_INTERRUPTED;
	r->failed = run->state == RUN_FAILED;
}

/* Run with valid options. Returns the exit status. */
static int run_load(const struct options *o)
{
	struct run *run = calloc(1, sizeof(*run));
	struct worker *workers = calloc(o->threads, sizeof(*workers));
	struct result *r = calloc(1, sizeof(*r));
	int status = 1;

	if (!run || !workers || !r) {
		fprintf(stderr, "tmload: not enough memory\n");
		goto out;
	}
	value_setup();
	if (run_init(run, o) != 0)
		goto out;
	r->opt = o;
	r->start_ms = wall_ms();
	if (run_threads(run, workers) != 0)
		goto out;
	r->finish_ms = wall_ms();
	collect(r, run, workers);
	status = r->interrupted || r->failed || errors_total(&r->stats.errors) > 0;
	if (run->started)
		report_print(r);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		fprintf(stderr, "tmload: cannot write the results: %s\n", strerror(errno));
		status = 1;
	}
	if (o->json_file && report_json(r, o->json_file) != 0)
		status = 1;
	if (r->interrupted)
		fprintf(stderr, "tmload: interrupted; the results are those until then\n");
out:
	free(r);
	free(workers);
	free(run);
	return status;
}

/* Entry point. */
int main(int argc, char **argv)
{
	struct options o;
	int rc = options_parse(&o, argc, argv);

	if (rc != 0)
		return rc;
	if (o.help)
		options_help();
	else if (o.version)
		printf("tmload %s\n", TMLOAD_VERSION);
	else
		return run_load(&o);
	return 0;
}
