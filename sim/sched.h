/*
 * Who runs next in simulated time.
 *
 * An actor is a vCPU thread or QEMU's main loop. Each has a local clock; one actor at a time, the one with the
 * lowest clock, holds the token and runs. All times are picoseconds since the simulation began (uint64_t: 213 days).
 */
#ifndef TMSIM_SCHED_H
#define TMSIM_SCHED_H

#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#define SCHED_MAX_VCPUS 64
#define PS_PER_NS	UINT64_C(1000)
#define SCHED_NEVER	UINT64_MAX

enum actor_state {
	ACTOR_NONE,    /* not attached */
	ACTOR_RUNNING, /* holds the token */
	ACTOR_READY,   /* wants the token at its local time */
	ACTOR_WAITING, /* in pthread_cond_wait */
	ACTOR_POLLING, /* main loop in ppoll: wants the token at its deadline, or when an fd is ready */
};

struct actor {
	enum actor_state state;
	bool is_main;
	bool halted;	      /* vCPU: between the idle and the resume callback */
	int id;		      /* vCPU index; the main loop has the highest */
	uint64_t time_ps;     /* local clock */
	uint64_t slice_ps;    /* local clock when its present slice began: the order within a quantum */
	uint64_t limit_ps;    /* vCPU with the token: give it up at this time */
	uint64_t idle_ps;     /* time spent halted */
	uint64_t deadline_ps; /* main loop, when POLLING */
	const pthread_cond_t *cond;
	uint64_t wait_seq;  /* order of waiters on one condition */
	bool woken_outside; /* by a thread that is no actor; these were its clocks: */
	uint64_t slept_time_ps, slept_idle_ps, woken_time_ps;
	uint32_t futex;
};

/* This thread's actor, NULL for any other thread (I/O workers, RCU). */
extern __thread struct actor *sched_self;

/* The main thread becomes the first actor and gets the token. quantum_ns: how far one vCPU may run ahead, 1..1000000. */
void sched_init(uint64_t quantum_ns);

/* The calling thread becomes vCPU index's actor, without the token (it takes it at its next wait or yield). */
struct actor *sched_attach_vcpu(unsigned int index);

/* The vCPU's actor, NULL when it has not started. */
struct actor *sched_vcpu(unsigned int index);

/* The vCPU gives the token to whoever is behind it and returns when it is its turn again. */
void sched_yield_token(struct actor *a);

/* pthread_cond_wait for an actor: releases the token and the mutex, returns with both. */
void sched_cond_wait(struct actor *a, pthread_cond_t *cond, pthread_mutex_t *mutex);

/* Makes actors that wait on cond ready, one (the first) or all. Returns how many. */
int sched_cond_wake(pthread_cond_t *cond, bool all);

/* ppoll for the main loop: timeout_ns of simulated time, -1 none. Returns what poll(2) returns. */
int sched_poll(struct actor *a, struct pollfd *fds, nfds_t n, int64_t timeout_ns);

/* Another thread made one of the main loop's file descriptors ready. */
void sched_kick_main(void);

/* The clock of this thread: its local time, or for threads that are no actors that of the token's holder. */
uint64_t sched_now_ps(void);

/* Writes every actor's state to stderr. */
void sched_dump(void);

/* Nobody has anything to do in simulated time: the main loop sleeps until something outside happens. */
bool sched_waits_outside(void);

/* Counts changes of the token; for the watchdog. */
uint64_t sched_progress(void);

#endif
