/*
 * The libc functions that QEMU's notion of time goes through, answered in simulated time: LD_PRELOAD puts these
 * in front of libc's. Only the actors of sched.h are affected, except that every thread reads the simulated clock.
 */
#include "sim/sched.h"
#include "sim/shim.h"
#include "sim/threads.h"

#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

/* The clock does not begin at 0: QEMU takes 0 for "never". */
#define EPOCH_NS 1000000000ULL

static bool active;
static uint64_t wall_start_ns;
static int (*libc_cond_wait)(pthread_cond_t *, pthread_mutex_t *);
static int (*libc_cond_timedwait)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);
static int (*libc_cond_signal)(pthread_cond_t *);
static int (*libc_cond_broadcast)(pthread_cond_t *);
static bool (*big_lock_held)(void);

/* The old symbol versions of the condition functions have another layout: ask for the current one. */
static void *libc_symbol(const char *name)
{
	void *p = dlvsym(RTLD_NEXT, name, "GLIBC_2.3.2");

	return p ? p : dlsym(RTLD_NEXT, name);
}

static void resolve(void)
{
	if (libc_cond_wait)
		return;
	*(void **)&libc_cond_timedwait = libc_symbol("pthread_cond_timedwait");
	*(void **)&libc_cond_signal = libc_symbol("pthread_cond_signal");
	*(void **)&libc_cond_broadcast = libc_symbol("pthread_cond_broadcast");
	*(void **)&libc_cond_wait = libc_symbol("pthread_cond_wait");
}

void shim_start(uint64_t wall_s)
{
	struct timespec ts = {.tv_sec = (time_t)wall_s};

	resolve();
	if (!wall_s)
		syscall(SYS_clock_gettime, CLOCK_REALTIME, &ts);
	wall_start_ns = (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
	/* Before QEMU 8.2 and since. */
	*(void **)&big_lock_held = dlsym(RTLD_DEFAULT, "qemu_mutex_iothread_locked");
	if (!big_lock_held)
		*(void **)&big_lock_held = dlsym(RTLD_DEFAULT, "bql_locked");
	active = true;
}

/* The wall clock: where the host's, or strict mode's, stood at the start, plus simulated time. */
static uint64_t wall_ns(void)
{
	return wall_start_ns + sched_now_ps() / PS_PER_NS;
}

EXPORT int clock_gettime(clockid_t id, struct timespec *ts)
{
	uint64_t ns;

	if (!active || (id != CLOCK_MONOTONIC && id != CLOCK_REALTIME))
		return (int)syscall(SYS_clock_gettime, id, ts);
	ns = id == CLOCK_REALTIME ? wall_ns() : EPOCH_NS + sched_now_ps() / PS_PER_NS;
	ts->tv_sec = (time_t)(ns / 1000000000u);
	ts->tv_nsec = (long)(ns % 1000000000u);
	return 0;
}

/* QEMU sizes its TLBs by this clock, which the guest can notice in its page tables. */
EXPORT int gettimeofday(struct timeval *restrict tv, void *restrict zone)
{
	uint64_t ns;

	if (!active)
		return (int)syscall(SYS_gettimeofday, tv, zone);
	ns = wall_ns();
	tv->tv_sec = (time_t)(ns / 1000000000u);
	tv->tv_usec = (suseconds_t)(ns / 1000 % 1000000u);
	return 0;
}

EXPORT time_t time(time_t *out)
{
	time_t t = active ? (time_t)(wall_ns() / 1000000000u) : (time_t)syscall(SYS_time, NULL);

	if (out)
		*out = t;
	return t;
}

EXPORT int ppoll(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask)
{
	struct actor *a = sched_self;

	if (!active || !a || a->kind == KIND_WORKER || mask)
		return (int)syscall(SYS_ppoll, fds, n, timeout, mask, 8);
	/* With the big lock held it waits for its own I/O. */
	return sched_poll(a, fds, n, timeout ? (int64_t)timeout->tv_sec * 1000000000 + timeout->tv_nsec : -1,
			  big_lock_held && big_lock_held());
}

EXPORT int pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex)
{
	resolve();
	if (!active || !sched_self)
		return libc_cond_wait(cond, mutex);
	return sched_cond_wait(sched_self, cond, mutex, -1);
}

/* Threads outside simulated time computed the time from the simulated clock: they keep the distance, in real time. */
EXPORT int pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex, const struct timespec *until)
{
	/* Which clock the condition goes by cannot be asked; the monotonic one is decades behind. */
	clockid_t clock =
		(uint64_t)until->tv_sec >= wall_start_ns / 1000000000u ? CLOCK_REALTIME : CLOCK_MONOTONIC;
	struct timespec now, real, end;
	int64_t ns;

	resolve();
	if (!active)
		return libc_cond_timedwait(cond, mutex, until);
	clock_gettime(clock, &now);
	ns = ((int64_t)until->tv_sec - now.tv_sec) * 1000000000 + until->tv_nsec - now.tv_nsec;
	if (ns < 0)
		ns = 0;
	if (sched_self)
		return sched_cond_wait(sched_self, cond, mutex, ns);
	syscall(SYS_clock_gettime, clock, &real);
	ns += real.tv_nsec;
	end.tv_sec = real.tv_sec + ns / 1000000000;
	end.tv_nsec = ns % 1000000000;
	return libc_cond_timedwait(cond, mutex, &end);
}

EXPORT int pthread_cond_signal(pthread_cond_t *cond)
{
	resolve();
	if (active && sched_cond_wake(cond, false, threads_is_rcu()) > 0)
		return 0;
	return libc_cond_signal(cond);
}

EXPORT int pthread_cond_broadcast(pthread_cond_t *cond)
{
	resolve();
	if (active)
		sched_cond_wake(cond, true, threads_is_rcu());
	return libc_cond_broadcast(cond);
}

/* QEMU wakes a poller by writing 8 bytes to an eventfd: then it gets a turn at the writer's time. */
EXPORT ssize_t write(int fd, const void *buf, size_t n)
{
	ssize_t r = syscall(SYS_write, fd, buf, n);

	if (active && n == 8 && sched_self) {
		int saved = errno;

		sched_kick_pollers();
		errno = saved;
	}
	return r;
}
