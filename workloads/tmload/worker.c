/*
 * A load thread. Each thread has its own libevent loop, connections, buffers and counters; threads share
 * only struct run. A thread connects all its connections, waits at the barrier until the others have, sends,
 * and ends when its connections are finished or run->state is no longer RUN_GOES (looked at after each
 * wake-up, one every TICK_MS at least). The last thread to end wakes the main thread with SIGUSR1, which is
 * blocked everywhere and only waited for.
 */
#include "workloads/tmload/worker.h"
#include "workloads/tmload/request.h"
#include "sim/mark.h"

#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TICK_MS	  50
#define NOW_USES  4
#define SEND_ROOM ((size_t)64 << 10)

uint64_t worker_now(struct worker *w)
{
	struct timespec ts;

	if (w->now_uses == 0) {
		clock_gettime(CLOCK_MONOTONIC, &ts);
		w->now_ns = (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
		w->now_uses = NOW_USES;
	}
	w->now_uses--;
	return w->now_ns;
}

/* Look for time-outs and for the end of the run. */
static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct worker *w = arg;
	uint64_t now = worker_now(w);

	for (uint64_t i = 0; i < w->run->opt->clients; i++)
		conn_check_timeout(&w->conns[i], now, w->run->opt->reply_timeout * 1000000000u);
}

/* --test-time is over. */
static void on_end(evutil_socket_t fd, short what, void *arg)
{
	struct worker *w = arg;

	w->draining = true;
	for (uint64_t i = 0; i < w->run->opt->clients; i++)
		conn_drain(&w->conns[i]);
}

/* Make the event loop, the buffers and the connections. Returns 0, or -1 after run_fail. */
static int set_up(struct worker *w)
{
	const struct options *o = w->run->opt;
	struct event_config *config = event_config_new();

	if (config) {
		event_config_set_flag(config,
				      EVENT_BASE_FLAG_NOLOCK | (o->rate ? EVENT_BASE_FLAG_PRECISE_TIMER : 0));
		w->base = event_base_new_with_config(config);
		event_config_free(config);
	}
	w->prefix_len = strlen(o->key_prefix);
	w->send_room = REQUEST_OVERHEAD + o->size_max;
	if (w->send_room < SEND_ROOM)
		w->send_room = SEND_ROOM;
	w->send_buf = malloc(w->send_room);
	w->recv_buf = malloc(RECV_ROOM);
	w->conns = calloc(o->clients, sizeof(*w->conns));
	if (!w->base || !w->send_buf || !w->recv_buf || !w->conns) {
		run_fail(w->run, "not enough memory for thread %u", w->index);
		return -1;
	}
	for (uint64_t i = 0; i < o->clients; i++)
		w->conns[i].fd = -1;
	for (uint64_t i = 0; i < o->clients && w->run->state == RUN_GOES; i++) {
		uint64_t id = w->index * o->clients + i;
		int fd = net_connect(&w->run->address, o->reply_timeout);
		if (fd < 0) {
			w->stats.errors.connection++;
			run_fail(w->run, "cannot connect to %s: %s", w->run->address.text, strerror(-fd));
			return -1;
		}
		if (conn_init(&w->conns[i], w, id, fd) != 0) {
			run_fail(w->run, "not enough memory for the connections");
			return -1;
		}
	}
	return 0;
}

/* Run the loop until all connections are finished or the run is stopped. */
static void run_loop(struct worker *w)
{
	const struct options *o = w->run->opt;
	struct timeval tick = {.tv_usec = TICK_MS * 1000}, end = {.tv_sec = (time_t)o->test_time};

	event_assign(&w->tick, w->base, -1, EV_PERSIST, on_tick, w);
	event_add(&w->tick, &tick);
	event_assign(&w->end, w->base, -1, 0, on_end, w);
	if (o->test_time)
		event_add(&w->end, &end);
	w->now_uses = 0;
	w->start_ns = w->end_ns = worker_now(w);
	w->open = o->clients;
	for (uint64_t i = 0; i < o->clients; i++) {
		w->now_uses = 0;
		conn_start(&w->conns[i]);
	}
	while (w->open > 0 && atomic_load_explicit(&w->run->state, memory_order_relaxed) == RUN_GOES) {
		w->now_uses = 0;
		event_base_loop(w->base, EVLOOP_ONCE);
	}
	event_del(&w->tick);
	event_del(&w->end);
}

void *worker_main(void *arg)
{
	struct worker *w = arg;
	cpu_set_t set;
	int ready;

	if (w->cpu >= 0) {
		CPU_ZERO(&set);
		CPU_SET(w->cpu, &set);
		sched_setaffinity(0, sizeof(set), &set);
	}
	for (int i = 0; i < OP_KINDS; i++)
		op_stats_init(&w->stats.op[i]);
	ready = set_up(w);
	if (pthread_barrier_wait(&w->run->start) == PTHREAD_BARRIER_SERIAL_THREAD && w->run->opt->mark)
		mark_begin(w->run->opt->mark);
	if (ready == 0 && w->run->state == RUN_GOES) {
		w->run->started = true;
		run_loop(w);
	}
	if (atomic_fetch_add(&w->run->finished, 1) + 1 == w->run->opt->threads && w->run->opt->mark)
		mark_end();
	for (uint64_t i = 0; w->conns && i < w->run->opt->clients; i++)
		conn_free(&w->conns[i]);
	free(w->conns);
	free(w->send_buf);
	free(w->recv_buf);
	if (w->base)
		event_base_free(w->base);
	if (atomic_fetch_sub(&w->run->running, 1) == 1)
		pthread_kill(w->run->main_thread, SIGUSR1);
	return NULL;
}
