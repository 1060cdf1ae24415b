// Callbacks when DRAM is short. A thread of their own, started with the first registration, looks at the count of granules that went
// to PMEM for want of DRAM when a callback may be due again: nobody who allocates has anything to do with it.
//
// The mutex protects the table; it is not held while a callback runs. A callback that runs is `running`: who ends its registration
// waits for that, unless he is the callback. Order: mutex, tm_lock. A forked child begins without any.
#include "allocator/api.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define CALLBACKS 16
#define MS	  UINT64_C(1000000)

static struct callback {
	int id; // 0: free
	tiermem_pressure_fn *fn;
	void *data;
	uint64_t interval, due, seen; // ns, ns, granules
} callbacks[CALLBACKS];

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t ended = PTHREAD_COND_INITIALIZER, changed; // a callback has; the table has
static pthread_t thread;
static bool started;
static int running; // its id

static uint64_t spilled_now(void)
{
	tm_lock();
	uint64_t n = tm.count.spilled;
	tm_unlock();
	return n;
}

static void call(struct callback *c, uint64_t now)
{
	uint64_t spilled = spilled_now();
	struct tiermem_pressure p = {
		.size = sizeof(p),
		.spilled = (spilled - c->seen) << tm.shift,
		.dram = tm.count.total[0] << tm.shift,
		.quota = tm.quota == TM_UNLIMITED ? UINT64_MAX : tm.quota_bytes,
	};
	bool is_short = spilled != c->seen && tm.quota && tm.quota != TM_UNLIMITED;
	tiermem_pressure_fn *fn = c->fn;
	void *data = c->data;

	c->seen = spilled;
	c->due = now + c->interval;
	if (!is_short)
		return;
	running = c->id;
	pthread_mutex_unlock(&mutex);
	fn(&p, data);
	pthread_mutex_lock(&mutex);
	running = 0;
	pthread_cond_broadcast(&ended);
}

static void *watch(void *unused)
{
	pthread_mutex_lock(&mutex);
	for (;;) {
		uint64_t now = tm_os_now_ns(), next = UINT64_MAX;
		for (int i = 0; i < CALLBACKS; i++) {
			struct callback *c = &callbacks[i];
			if (c->id && c->due <= now)
				call(c, now);
			if (c->id && c->due < next)
				next = c->due;
		}
		struct timespec until = {(time_t)(next / (1000 * MS)), (long)(next % (1000 * MS))};
		if (next == UINT64_MAX)
			pthread_cond_wait(&changed, &mutex);
		else if (next > tm_os_now_ns())
			pthread_cond_timedwait(&changed, &mutex, &until);
	}
	return NULL;
}

// mutex held.
static int start(void)
{
	pthread_condattr_t monotonic;
	pthread_attr_t attr;
	sigset_t all, before;

	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&changed, &monotonic);
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int error = pthread_create(&thread, &attr, watch, NULL);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	if (!error)
		pthread_setname_np(thread, "tiermem-press");
	started = !error;
	return error;
}

int tm_api_on_pressure(tiermem_pressure_fn *fn, void *data, unsigned interval_ms, char *why)
{
	static int last_id;
	int i = 0, status = 0;

	pthread_mutex_lock(&mutex);
	while (i < CALLBACKS && callbacks[i].id)
		i++;
	if (i == CALLBACKS) {
		snprintf(why, TM_WHY, "%d callbacks are registered already", CALLBACKS);
		status = -ENOSPC;
	} else if (!started && start()) {
		snprintf(why, TM_WHY, "no thread can be started");
		status = -EAGAIN;
	} else {
		last_id = last_id == INT32_MAX - 1 ? 1 : last_id + 1;
		callbacks[i] = (struct callback){
			last_id,      fn, data, interval_ms * MS, tm_os_now_ns() + interval_ms * MS,
			spilled_now()};
		status = last_id;
		pthread_cond_signal(&changed);
	}
	pthread_mutex_unlock(&mutex);
	return status;
}

int tm_api_off_pressure(int id, char *why)
{
	int i = 0;

	pthread_mutex_lock(&mutex);
	while (i < CALLBACKS && callbacks[i].id != id)
		i++;
	if (i < CALLBACKS) {
		callbacks[i].id = 0;
		while (running == id && !pthread_equal(pthread_self(), thread))
			pthread_cond_wait(&ended, &mutex);
	}
	pthread_mutex_unlock(&mutex);
	if (i < CALLBACKS)
		return 0;
	snprintf(why, TM_WHY, "no callback is registered as %d", id);
	return -EINVAL;
}

void tm_api_pressure_reset(void)
{
	pthread_mutex_t fresh_mutex = PTHREAD_MUTEX_INITIALIZER;
	pthread_cond_t fresh_cond = PTHREAD_COND_INITIALIZER;

	mutex = fresh_mutex;
	ended = fresh_cond;
	memset(callbacks, 0, sizeof(callbacks));
	started = false;
	running = 0;
}
