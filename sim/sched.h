/*
 * Who runs next in simulated time.
 *
 * An actor is a vCPU thread, QEMU's main loop or an I/O worker. Each has a local clock; one actor at a time holds the token
 * and runs. All times are picoseconds since the simulation began (uint64_t: 213 days). Nothing here looks at the host's
 * clock or at the host's scheduling, so the same inputs give the same order of actors. (With more than one token vCPUs run side by
 * side, and that holds no more.)
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

/* QEMU's thread pool has 64 threads at most. */
enum { SCHED_MAX_WORKERS = 64, SCHED_MAX_ACTORS = SCHED_MAX_VCPUS + 1 + SCHED_MAX_WORKERS };

enum actor_kind { KIND_VCPU, KIND_MAIN, KIND_WORKER };

enum actor_state {
	ACTOR_NONE,	/* not attached */
	ACTOR_RUNNING,	/* holds the token */
	ACTOR_READY,	/* wants the token at its local time */
	ACTOR_WAITING,	/* in pthread_cond_wait: wants the token when signalled, or at its deadline */
	ACTOR_POLLING,	/* in ppoll: wants the token at its deadline, or when a descriptor is ready */
	ACTOR_SLEEPING, /* I/O worker, until the disk has done: wants the token at its deadline */
};

/* Apart from its neighbours in the host's caches: its thread writes to it all the time. */
struct actor {
	_Alignas(64) enum actor_state state;
	enum actor_kind kind;
	bool halted;	      /* vCPU: between the idle and the resume callback */
	int id;		      /* vCPU index; then the main loop; then workers */
	uint64_t time_ps;     /* local clock */
	uint64_t limit_ps;    /* vCPU with the token: give it up at this time */
	uint64_t instructions; /* vCPU: executed */
	uint64_t slice_ps;    /* local clock when its present slice began: the order within a quantum */
	uint64_t idle_ps;     /* time spent halted */
	uint64_t deadline_ps; /* WAITING, POLLING, SLEEPING; SCHED_NEVER: none */
	const pthread_cond_t *cond;
	uint64_t wait_seq;  /* order of waiters on one condition */
	bool timed_out;	    /* the last wait ended at its deadline */
	bool woken_outside; /* by a thread that is no actor; these were its clocks: */
	uint64_t slept_time_ps, slept_idle_ps, woken_time_ps;
	struct pollfd *fds; /* POLLING */
	nfds_t n_fds;
	bool kicked; /* POLLING: somebody made one of its descriptors ready */
	int tid;     /* Linux's number of its thread */
	unsigned int place; /* vCPU, free mode: its token's host CPU, */
	bool placed;	    /* if it has had one */
	uint32_t futex;
};

/* What a vCPU pays to interrupt a halted one, and a halted one to go on, ps, beside the instructions. */
extern uint64_t sched_wake_ps;

/* This thread's actor, NULL for any other thread (RCU). */
extern __thread struct actor *sched_self;

/* vCPUs by index, then the main loop, then workers. */
extern struct actor sched_actors[SCHED_MAX_ACTORS];

/* The main thread becomes the first actor and gets a token. quantum_ns: how far one vCPU may run ahead, 1..1000000. tokens: vCPUs
   that may run at the same time, 1..SCHED_MAX_VCPUS; with 1 the order of actors is the same in every run. */
void sched_init(uint64_t quantum_ns, unsigned int tokens);

/* The calling thread becomes vCPU index's actor, without the token (it takes it at its next wait or yield). */
struct actor *sched_attach_vcpu(unsigned int index);

/* For a thread that the calling actor is about to create: an actor ready at the caller's time. NULL when the caller does not
   hold the token or there are SCHED_MAX_WORKERS already: that thread stays outside. */
struct actor *sched_new_worker(void);

/* A new thread inherits the host CPU of the vCPU that made it, if that has one: the calling thread may run on all again. */
void sched_anywhere(void);

/* The new thread is a: returns when it has the token. */
void sched_enter(struct actor *a);

/* The worker's thread ends: gives up the token and the actor. */
void sched_leave(struct actor *a);

/* The vCPU gives the token to whoever is behind it and returns when it is its turn again. */
void sched_yield_token(struct actor *a);

/* The worker gives the token away until at_ps. */
void sched_sleep_until(struct actor *a, uint64_t at_ps);

/* Lets ps pass for the actor whose thread is tid: it waits for something outside simulated time that takes so long in it. */
void sched_charge(int tid, uint64_t ps);

/* pthread_cond_wait for an actor: releases the token and the mutex, returns with both. timeout_ns of simulated time, -1 none.
   Returns 0 or ETIMEDOUT. */
int sched_cond_wait(struct actor *a, pthread_cond_t *cond, pthread_mutex_t *mutex, int64_t timeout_ns);

/* Makes actors that wait on cond ready, one (the first) or all. from_rcu: the caller is QEMU's RCU thread, which wakes halted
   vCPUs for nothing that they need: they sleep on. Returns how many were woken. */
int sched_cond_wake(pthread_cond_t *cond, bool all, bool from_rcu);

/* ppoll for an actor: timeout_ns of simulated time, -1 none. locked: it holds QEMU's big lock meanwhile, so only I/O workers
   may run. Returns what poll(2) returns. */
int sched_poll(struct actor *a, struct pollfd *fds, nfds_t n, int64_t timeout_ns, bool locked);

/* The calling actor may have made a polling actor's file descriptor ready. */
void sched_kick_pollers(void);

/* The clock of this thread: its local time, or for threads that are no actors that of the token's holder. */
uint64_t sched_now_ps(void);

/* Writes every actor's state to stderr. */
void sched_dump(void);

/* Nobody has anything to do in simulated time: an actor sleeps in a real poll, until something outside happens. */
bool sched_waits_outside(void);

/* Changes whenever simulated time passes for anyone; for the watchdog. */
uint64_t sched_progress(void);

/* Writes a line for each change of the token to path: actor, its clock in ps, why it ran. 0, or -1 with errno. */
int sched_trace(const char *path);

#endif
