/*
 * The scheduler without QEMU: threads that behave as QEMU's do, on a host that stalls any of them at any moment. Whatever the host
 * does, the same actors must run at the same simulated times in the same order, and no clock may go backwards.
 *
 * The machine: vCPUs that compute, read clocks, kick each other, halt until they are kicked, submit I/O and wait for it halted, and
 * now and then stop all others (an exclusive section); a main loop with a timer; I/O workers; an RCU thread outside
 * simulated time that takes the big lock and wakes vCPUs for nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "sim/sched.h"

enum { MAX_VCPUS = 32, TIMER_NS = 50000, DISK_NS = 77000 };
#define END_PS (UINT64_C(6000000) * PS_PER_NS)

static unsigned int n_vcpus, noise, parallel = 1;
static unsigned int host_cpus; /* that this process may use */
static unsigned int side_by_side; /* most vCPUs that were seen to run at once */
static unsigned int computing;
static uint64_t clocks[MAX_VCPUS]; /* of vCPUs that compute; 0: others */
static pthread_mutex_t big_lock = PTHREAD_MUTEX_INITIALIZER, list_lock = PTHREAD_MUTEX_INITIALIZER,
		       pool_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t created = PTHREAD_COND_INITIALIZER, request = PTHREAD_COND_INITIALIZER,
		      exclusive_done = PTHREAD_COND_INITIALIZER, all_stopped = PTHREAD_COND_INITIALIZER;
static pthread_cond_t halt[MAX_VCPUS];
static bool is_created[MAX_VCPUS], pending[MAX_VCPUS], finished[MAX_VCPUS], exclusive;
static unsigned int running, queued, completed, idle_workers, workers;
static int event_fd;
static bool over; /* ends the RCU thread */

/* A number that depends on simulated things only. */
static unsigned int draw(uint64_t *state)
{
	*state = *state * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return (unsigned int)(*state >> 33);
}

/* The host stalls this thread, differently in each run. */
static void stall(void)
{
	static __thread unsigned int s;

	if (!noise)
		return;
	if (!s)
		s = noise * 7919 + (unsigned int)(uintptr_t)&s;
	if (rand_r(&s) % 16 == 0)
		usleep((unsigned int)rand_r(&s) % 400);
}

static void wait_on(pthread_cond_t *cond, pthread_mutex_t *mutex, int64_t timeout_ns, int *result)
{
	int r = sched_cond_wait(sched_self, cond, mutex, timeout_ns);

	stall();
	if (result)
		*result = r;
}

static void check_clock(uint64_t *last)
{
	uint64_t now = sched_now_ps();

	if (now < *last) {
		fprintf(stderr, "a clock went backwards\n");
		_exit(2);
	}
	*last = now;
}

/* This vCPU runs: so do `parallel` at most, none of which is more than two quanta and an eighth behind. */
static void check_company(const struct actor *a)
{
	unsigned int n = __atomic_load_n(&computing, __ATOMIC_RELAXED);

	if (n > parallel) {
		fprintf(stderr, "%u vCPUs run at once\n", n);
		_exit(5);
	}
	if (parallel > 1 && parallel == host_cpus) {
		cpu_set_t set;

		if (sched_getaffinity(0, sizeof(set), &set) || CPU_COUNT(&set) != 1) {
			fprintf(stderr, "a vCPU with a token has no host CPU of its own\n");
			_exit(7);
		}
	}
	if (n > __atomic_load_n(&side_by_side, __ATOMIC_RELAXED))
		__atomic_store_n(&side_by_side, n, __ATOMIC_RELAXED);
	for (unsigned int i = 0; i < n_vcpus; i++) {
		uint64_t other = __atomic_load_n(&clocks[i], __ATOMIC_RELAXED);

		if (other && a->time_ps > other + 50000 * PS_PER_NS) {
			fprintf(stderr, "a vCPU is %.1f us ahead\n", (double)(a->time_ps - other) / 1e6);
			_exit(6);
		}
	}
}

/* An I/O worker, as in QEMU's thread pool: ends after 1 ms without work. */
static void *worker(void *arg)
{
	int timed_out;

	stall();
	sched_enter(arg);
	pthread_mutex_lock(&pool_lock);
	for (;;) {
		if (!queued) {
			idle_workers++;
			wait_on(&request, &pool_lock, 1000000, &timed_out);
			idle_workers--;
			if (timed_out == ETIMEDOUT && !queued)
				break;
			continue;
		}
		queued--;
		pthread_mutex_unlock(&pool_lock);
		stall();
		sched_sleep_until(sched_self, sched_now_ps() + DISK_NS * PS_PER_NS);
		pthread_mutex_lock(&pool_lock);
		completed++;
		(void)!write(event_fd, &(uint64_t){1}, 8);
		sched_kick_pollers();
	}
	workers--;
	pthread_mutex_unlock(&pool_lock);
	sched_leave(arg);
	return NULL;
}

static void submit(void)
{
	pthread_mutex_lock(&pool_lock);
	queued++;
	if (!idle_workers && workers < 8) {
		struct actor *a = sched_new_worker();
		pthread_t t;

		workers++;
		if (pthread_create(&t, NULL, worker, a))
			abort();
		pthread_detach(t);
	}
	pthread_mutex_unlock(&pool_lock);
	sched_cond_wake(&request, false, false);
}

static void kick_vcpu(unsigned int i)
{
	pending[i] = true;
	stall(); /* kicked, but not awake */
	sched_cond_wake(&halt[i], true, false);
}

static void enter_guest(void)
{
	pthread_mutex_lock(&list_lock);
	while (exclusive)
		wait_on(&exclusive_done, &list_lock, -1, NULL);
	running++;
	pthread_mutex_unlock(&list_lock);
}

static void leave_guest(void)
{
	pthread_mutex_lock(&list_lock);
	running--;
	if (exclusive && !running)
		sched_cond_wake(&all_stopped, false, false);
	pthread_mutex_unlock(&list_lock);
}

static void exclusive_section(void)
{
	pthread_mutex_lock(&list_lock);
	while (exclusive)
		wait_on(&exclusive_done, &list_lock, -1, NULL);
	exclusive = true;
	while (running)
		wait_on(&all_stopped, &list_lock, -1, NULL);
	exclusive = false;
	sched_cond_wake(&exclusive_done, true, false);
	pthread_mutex_unlock(&list_lock);
}

static void *vcpu(void *arg)
{
	unsigned int me = (unsigned int)(uintptr_t)arg;
	uint64_t r = me + 1, last = 0;
	struct actor *a;

	pthread_mutex_lock(&big_lock);
	a = sched_attach_vcpu(me);
	is_created[me] = true;
	sched_cond_wake(&created, true, false);
	a->halted = true;
	while (!pending[me])
		wait_on(&halt[me], &big_lock, -1, NULL);
	a->halted = false;
	pthread_mutex_unlock(&big_lock);
	while (a->time_ps < END_PS) {
		enter_guest();
		__atomic_add_fetch(&computing, 1, __ATOMIC_RELAXED);
		for (unsigned int blocks = draw(&r) % 2000 + 1; blocks && !exclusive; blocks--) {
			check_company(a);
			if (blocks % 64 == 0)
				stall();
			a->time_ps += draw(&r) % 100000;
			__atomic_store_n(&clocks[me], a->time_ps, __ATOMIC_RELAXED);
			if (a->time_ps >= __atomic_load_n(&a->limit_ps, __ATOMIC_RELAXED)) {
				__atomic_sub_fetch(&computing, 1, __ATOMIC_RELAXED);
				sched_yield_token(a);
				__atomic_add_fetch(&computing, 1, __ATOMIC_RELAXED);
			}
			check_clock(&last);
		}
		__atomic_sub_fetch(&computing, 1, __ATOMIC_RELAXED);
		__atomic_store_n(&clocks[me], 0, __ATOMIC_RELAXED);
		leave_guest();
		stall();
		pthread_mutex_lock(&big_lock);
		switch (draw(&r) % 8) {
		case 0:
			kick_vcpu(draw(&r) % n_vcpus);
			break;
		case 1:
			submit();
			break;
		case 2:
			pthread_mutex_unlock(&big_lock);
			exclusive_section();
			pthread_mutex_lock(&big_lock);
			break;
		case 3:
			(void)!write(event_fd, &(uint64_t){1}, 8);
			sched_kick_pollers();
			break;
		case 4:
		case 5:
			pending[me] = false;
			a->halted = true;
			while (!pending[me])
				wait_on(&halt[me], &big_lock, -1, NULL);
			a->halted = false;
			break;
		default:
			break;
		}
		check_clock(&last);
		pthread_mutex_unlock(&big_lock);
	}
	finished[me] = true;
	(void)!write(event_fd, &(uint64_t){1}, 8);
	sched_kick_pollers();
	sched_leave(a);
	return NULL;
}

/* QEMU's RCU thread: takes the big lock for a while, wakes vCPUs that have nothing to do. */
static void *rcu(void *arg)
{
	(void)arg;
	for (unsigned int i = 0; !__atomic_load_n(&over, __ATOMIC_RELAXED); i++) {
		sched_cond_wake(&halt[i % n_vcpus], true, true);
		(void)sched_now_ps();
		pthread_mutex_lock(&big_lock);
		usleep(noise * 13 % 100);
		pthread_mutex_unlock(&big_lock);
		usleep(200);
	}
	return NULL;
}

static bool all_finished(void)
{
	for (unsigned int i = 0; i < n_vcpus; i++)
		if (!finished[i])
			return false;
	return true;
}

/* The main loop: a timer every TIMER_NS wakes a vCPU; completed I/O wakes another. */
static void main_loop(void)
{
	struct pollfd fd = {.fd = event_fd, .events = POLLIN};
	uint64_t r = 99, last = 0, timer_ps = TIMER_NS * PS_PER_NS, drained;

	while (!all_finished()) {
		uint64_t now = sched_now_ps();
		int64_t timeout = timer_ps > now ? (int64_t)((timer_ps - now + 999) / PS_PER_NS) : 0;

		pthread_mutex_unlock(&big_lock);
		stall();
		sched_poll(sched_self, &fd, 1, timeout, false);
		stall();
		pthread_mutex_lock(&big_lock);
		check_clock(&last);
		(void)!read(event_fd, &drained, 8);
		for (; completed; completed--)
			kick_vcpu(draw(&r) % n_vcpus);
		while (timer_ps <= sched_now_ps()) {
			timer_ps += TIMER_NS * PS_PER_NS;
			kick_vcpu(draw(&r) % n_vcpus);
		}
	}
}

/* One run in a process of its own; its changes of the token go to path. */
static int run(const char *path)
{
	pid_t pid = fork();
	pthread_t t, rcu_thread;
	cpu_set_t cpus;
	int status;

	if (pid) {
		waitpid(pid, &status, 0);
		return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	}
	alarm(120);
	event_fd = eventfd(0, EFD_NONBLOCK);
	for (unsigned int i = 0; i < n_vcpus; i++)
		pthread_cond_init(&halt[i], NULL);
	sched_getaffinity(0, sizeof(cpus), &cpus);
	host_cpus = (unsigned int)CPU_COUNT(&cpus);
	sched_init(20000, parallel);
	if (sched_trace(path))
		_exit(3);
	pthread_mutex_lock(&big_lock);
	if (pthread_create(&rcu_thread, NULL, rcu, NULL))
		_exit(3);
	for (unsigned int i = 0; i < n_vcpus; i++) {
		if (pthread_create(&t, NULL, vcpu, (void *)(uintptr_t)i))
			_exit(3);
		while (!is_created[i])
			wait_on(&created, &big_lock, -1, NULL);
	}
	for (unsigned int i = 0; i < n_vcpus; i++)
		kick_vcpu(i);
	main_loop();
	__atomic_store_n(&over, true, __ATOMIC_RELAXED);
	fflush(NULL);
	_exit(parallel > 1 && noise && side_by_side < 2 ? 7 : 0);
}

/* The part of a trace after time 0, where threads are still being created; the caller frees it. */
static char *read_trace(const char *path, size_t *lines)
{
	char line[128], *all = NULL;
	size_t size = 0;
	FILE *f = fopen(path, "r"), *out = open_memstream(&all, &size);

	assert_non_null(f);
	assert_non_null(out);
	*lines = 0;
	while (fgets(line, sizeof(line), f)) {
		unsigned long long t;

		if (sscanf(line, "%*d %llu", &t) == 1 && t > 0) {
			fputs(line, out);
			++*lines;
		}
	}
	fclose(f);
	fclose(out);
	return all;
}

static void same_order_whatever_the_host_does(void **state)
{
	static const unsigned int sizes[] = {1, 2, 8, 32};
	char path[64];

	(void)state;
	snprintf(path, sizeof(path), "/tmp/test_sched.%d", (int)getpid());
	for (size_t s = 0; s < sizeof(sizes) / sizeof(*sizes); s++) {
		size_t lines, first_lines;
		char *first;

		n_vcpus = sizes[s];
		noise = 0;
		assert_int_equal(run(path), 0);
		first = read_trace(path, &first_lines);
		assert_true(first_lines > 500);
		for (noise = 1; noise <= 3; noise++) {
			char *other;

			assert_int_equal(run(path), 0);
			other = read_trace(path, &lines);
			if (strcmp(first, other))
				fail_msg("%u vCPUs, noise %u: another order (%zu and %zu turns)", n_vcpus,
					 noise, first_lines, lines);
			free(other);
		}
		free(first);
	}
	unlink(path);
}

static void vcpus_side_by_side(void **state)
{
	static const unsigned int sizes[][2] = {{2, 2}, {8, 2}, {8, 4}, {32, 3}};
	char path[64];

	(void)state;
	snprintf(path, sizeof(path), "/tmp/test_sched.%d", (int)getpid());
	for (size_t s = 0; s < sizeof(sizes) / sizeof(*sizes); s++) {
		n_vcpus = sizes[s][0];
		parallel = sizes[s][1];
		for (noise = 0; noise <= 3; noise++)
			assert_int_equal(run(path), 0);
	}
	parallel = 1;
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(same_order_whatever_the_host_does),
					   cmocka_unit_test(vcpus_side_by_side)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
