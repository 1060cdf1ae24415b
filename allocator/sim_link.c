#include "allocator/sim_link.h"
#include "allocator/control.h"
#include "allocator/core.h"
#include "sim/underneath.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <time.h>

#pragma weak tmsim_tier_table
#pragma weak tmsim_actor_new
#pragma weak tmsim_actor_enter
#pragma weak tmsim_actor_leave
#pragma weak tmsim_moved
#pragma weak tmsim_fault

bool tm_sim;

static void *actor;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t for_worker = PTHREAD_COND_INITIALIZER, for_listener = PTHREAD_COND_INITIALIZER;
static bool kicked, resting; // the worker is to wake; sleeps without a time limit
static bool asked;	     // the listener has seen something, and waits until the worker has looked at it

// Waits for clients in real time, outside simulated time; the worker, whom it wakes, does the rest.
static void *listen_to_clients(void *unused)
{
	struct pollfd fds[TM_CONTROL_POLLS];

	for (;;) {
		pthread_mutex_lock(&mutex);
		while (asked)
			pthread_cond_wait(&for_listener, &mutex);
		tm_control_polls(fds, tm_os_now_ns());
		pthread_mutex_unlock(&mutex);
		struct timespec second = {.tv_sec = 1}; // who says nothing is hung up on
		if (ppoll(fds, TM_CONTROL_POLLS, &second, NULL) < 0 && errno != EINTR)
			return NULL;
		bool any = false;
		for (int i = 0; i < TM_CONTROL_POLLS; i++)
			any |= fds[i].revents != 0;
		if (!any)
			continue;
		pthread_mutex_lock(&mutex);
		asked = true;
		pthread_cond_signal(&for_worker);
		pthread_mutex_unlock(&mutex);
	}
}

void tm_sim_init(void)
{
	sigset_t all, before;
	pthread_t thread;

	actor = tmsim_actor_new ? tmsim_actor_new() : NULL;
	tm_sim = actor != NULL;
	if (!tm_sim)
		return;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	if (!pthread_create(&thread, NULL, listen_to_clients, NULL))
		pthread_detach(thread);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void tm_sim_publish(size_t g, size_t n)
{
	if (tm_sim && tmsim_tier_table(tm_address(g), n << tm.shift, tm.shift, &tm.table[g].state,
				       sizeof(tm.table[g]), TM_PMEM))
		tm_die("the simulator does not take the table of %zu granules", n);
}

void tm_sim_enter(void)
{
	tmsim_actor_enter(actor);
}

bool tm_sim_rest(uint64_t wait)
{
	struct pollfd fds[TM_CONTROL_POLLS];
	uint64_t until = tm_os_now_ns() + wait;
	struct timespec at = {(time_t)(until / 1000000000), (long)(until % 1000000000)}, none = {0};

	pthread_mutex_lock(&mutex);
	resting = wait == UINT64_MAX;
	while (!kicked && !asked) {
		if (resting)
			pthread_cond_wait(&for_worker, &mutex);
		else if (pthread_cond_timedwait(&for_worker, &mutex, &at) == ETIMEDOUT)
			break;
	}
	kicked = resting = false;
	tm_control_polls(fds, until);
	if (ppoll(fds, TM_CONTROL_POLLS, &none, NULL) < 0)
		fds[0].revents = 0;
	bool work = tm_control_serve(fds, tm_os_now_ns());
	asked = false;
	pthread_cond_signal(&for_listener);
	pthread_mutex_unlock(&mutex);
	return work;
}

void tm_sim_kick(void)
{
	pthread_mutex_lock(&mutex);
	if (resting) {
		resting = false;
		kicked = true;
		pthread_cond_signal(&for_worker);
	}
	pthread_mutex_unlock(&mutex);
}

void tm_sim_moved(size_t g, size_t n, bool to_dram)
{
	if (tm_sim)
		tmsim_moved(tm_address(g), n << tm.shift, to_dram);
}

void tm_sim_fault(int tid, size_t n, bool pmem)
{
	if (tm_sim)
		tmsim_fault(tid, n << tm.shift, pmem);
}
