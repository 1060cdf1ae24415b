/*
 * The token protocol.
 *
 * One mutex, `lock`, guards every actor's state. Exactly one actor is RUNNING, except when every vCPU waits and the
 * main loop has no deadline: then the main loop sleeps in a real ppoll. The token moves in three places, all with
 * `lock` held: a vCPU reaches its limit (at the start of a translation block, where it holds no QEMU lock), an actor
 * waits on a condition (its mutex is released before the token goes on), the main loop polls (QEMU released its big
 * lock before). So an actor that waits for the token never holds a QEMU lock, and the token's holder can take any
 * of them: whoever else has it is no actor and gives it back by itself.
 *
 * Simulated time is cut into quanta. Every ready vCPU runs to the end of the present quantum before any enters the next;
 * within it they go in the order in which their slices began, so one that the main loop interrupted goes on before
 * the others, and a needless interruption changes nothing. None runs past the main loop's next deadline, so timers fire at
 * their time. Whoever is woken (pthread_cond_signal by an actor) becomes ready at the waker's time: that a kicked vCPU has not left its
 * futex yet changes nothing, because nobody looks at the host's scheduling. Threads that are no actors (RCU) wake vCPUs at
 * arbitrary moments, for work that takes no simulated time: such a vCPU gets its old clock back when it sleeps again.
 */
#include "sim/sched.h"

#include <linux/futex.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

__thread struct actor *sched_self;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct actor vcpus[SCHED_MAX_VCPUS];
static struct actor main_actor;
static struct actor *holder; /* has the token; NULL while the main loop sleeps in a real poll */
static unsigned int n_vcpus; /* highest attached index + 1 */
static uint64_t quantum_ps;
static uint64_t wait_seq;
static uint64_t progress;
static uint64_t now_ps; /* clock of the last holder when it let go */
static struct pollfd *poll_fds;
static nfds_t poll_n;
static bool main_kicked;
static int wake_fd = -1; /* ends the main loop's real poll */
static uint64_t last_poll_check_ns;

/* Real time of the host in ns, by the system call: clock_gettime is what we replace. */
static uint64_t host_ns(void)
{
	struct timespec ts;

	syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* poll(2) in real time, past our own interposed ppoll. */
static int real_poll(struct pollfd *fds, nfds_t n, int64_t timeout_ns)
{
	struct timespec ts = {.tv_sec = timeout_ns / 1000000000, .tv_nsec = timeout_ns % 1000000000};

	return (int)syscall(SYS_ppoll, fds, n, timeout_ns < 0 ? NULL : &ts, NULL, 0);
}

/* Values of an actor's futex. */
enum { HOLD, GO, SLEEP_OUTSIDE };

/* Waits for the token, or for the order to sleep in a real poll; returns which. */
static uint32_t futex_wait(struct actor *a)
{
	uint32_t v;

	while ((v = __atomic_load_n(&a->futex, __ATOMIC_ACQUIRE)) == HOLD)
		syscall(SYS_futex, &a->futex, FUTEX_WAIT_PRIVATE, HOLD, NULL, NULL, 0);
	return v;
}

static void grant(struct actor *a)
{
	a->state = ACTOR_RUNNING;
	holder = a;
	progress++;
	__atomic_store_n(&a->futex, GO, __ATOMIC_RELEASE);
}

/* The time at which a wants the token, SCHED_NEVER when it does not. */
static uint64_t wants_at(const struct actor *a)
{
	if (a->state == ACTOR_READY)
		return a->time_ps;
	if (a->state == ACTOR_POLLING)
		return a->deadline_ps;
	return SCHED_NEVER;
}

/* Looks whether something outside made one of the main loop's descriptors ready; at most once a millisecond. */
static void check_outside(void)
{
	uint64_t t;

	if (main_actor.state != ACTOR_POLLING || main_kicked)
		return;
	t = host_ns();
	if (t - last_poll_check_ns < 1000000)
		return;
	last_poll_check_ns = t;
	if (real_poll(poll_fds, poll_n, 0) > 0)
		main_kicked = true;
}

/*
 * Sets the running vCPU's limit: the end of its quantum and up to an eighth more, not past the main loop. With all
 * slices alike a spin lock that is let go for a moment in each round may never be seen free (SeaBIOS starts CPUs so).
 */
static void set_limit(struct actor *a)
{
	uint64_t t = wants_at(&main_actor), quantum = a->time_ps / quantum_ps + 1;
	uint64_t hash = (quantum * SCHED_MAX_VCPUS + (uint64_t)a->id) * UINT64_C(0x9e3779b97f4a7c15);

	a->limit_ps = quantum * quantum_ps + (hash >> 32) % (quantum_ps / 8);
	if (t < a->limit_ps)
		a->limit_ps = t;
}

/* Whether vCPU a runs before b: an earlier quantum, then an earlier slice, then a lower index. */
static bool before(const struct actor *a, const struct actor *b)
{
	uint64_t qa = a->time_ps / quantum_ps, qb = b->time_ps / quantum_ps;

	if (qa != qb)
		return qa < qb;
	return a->slice_ps != b->slice_ps ? a->slice_ps < b->slice_ps : a->id < b->id;
}

/* Who runs next: the first vCPU, or the main loop if it wants to run no later. NULL when nobody can. */
static struct actor *pick(void)
{
	struct actor *best = NULL;
	uint64_t t;

	check_outside();
	if (main_kicked && main_actor.state == ACTOR_POLLING) {
		if (main_actor.time_ps < now_ps)
			main_actor.time_ps = now_ps;
		if (main_actor.deadline_ps > main_actor.time_ps)
			main_actor.deadline_ps = main_actor.time_ps;
	}
	for (unsigned int i = 0; i < n_vcpus; i++)
		if (vcpus[i].state == ACTOR_READY && (!best || before(&vcpus[i], best)))
			best = &vcpus[i];
	t = wants_at(&main_actor);
	if (t != SCHED_NEVER && (!best || t <= best->time_ps))
		best = &main_actor;
	return best;
}

/* Gives the token to next, its clock at the time it asked for. */
static void give(struct actor *next)
{
	if (next->state == ACTOR_POLLING && next->deadline_ps != SCHED_NEVER &&
	    next->time_ps < next->deadline_ps)
		next->time_ps = next->deadline_ps;
	grant(next);
	if (!next->is_main)
		set_limit(next);
}

/* Gives the token on at at_ps; the caller has set its own state. Returns the actor to wake, NULL when it is the caller. */
static struct actor *pass_on(struct actor *self, uint64_t at_ps)
{
	struct actor *next;

	now_ps = at_ps;
	self->futex = HOLD;
	next = pick();
	if (next) {
		give(next);
		return next == self ? NULL : next;
	}
	holder = NULL;
	if (main_actor.state != ACTOR_POLLING)
		return NULL;
	__atomic_store_n(&main_actor.futex, SLEEP_OUTSIDE, __ATOMIC_RELEASE);
	return self == &main_actor ? NULL : &main_actor;
}

static void wake(struct actor *a)
{
	if (a)
		syscall(SYS_futex, &a->futex, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

void sched_init(uint64_t quantum_ns)
{
	quantum_ps = quantum_ns * PS_PER_NS;
	wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	main_actor.is_main = true;
	main_actor.id = SCHED_MAX_VCPUS;
	main_actor.deadline_ps = SCHED_NEVER;
	grant(&main_actor);
	sched_self = &main_actor;
}

struct actor *sched_attach_vcpu(unsigned int index)
{
	struct actor *a = &vcpus[index];

	pthread_mutex_lock(&lock);
	a->id = (int)index;
	a->time_ps = now_ps;
	a->state = ACTOR_WAITING; /* until its first wait or yield */
	if (index >= n_vcpus)
		n_vcpus = index + 1;
	pthread_mutex_unlock(&lock);
	sched_self = a;
	return a;
}

struct actor *sched_vcpu(unsigned int index)
{
	return index < SCHED_MAX_VCPUS && vcpus[index].state != ACTOR_NONE ? &vcpus[index] : NULL;
}

void sched_yield_token(struct actor *a)
{
	struct actor *next;

	pthread_mutex_lock(&lock);
	if (a->state == ACTOR_WAITING && holder != a) {
		/* A vCPU that has just attached: it queues for its first token. */
		a->state = ACTOR_READY;
		a->futex = HOLD;
		if (!holder) {
			next = pass_on(a, a->time_ps);
		} else {
			next = NULL;
		}
	} else {
		/* Interrupted before its quantum's end it goes on with the same slice. */
		if (a->time_ps / quantum_ps != a->slice_ps / quantum_ps)
			a->slice_ps = a->time_ps;
		a->state = ACTOR_READY;
		next = pass_on(a, a->time_ps);
	}
	pthread_mutex_unlock(&lock);
	wake(next);
	futex_wait(a);
}

void sched_cond_wait(struct actor *a, pthread_cond_t *cond, pthread_mutex_t *mutex)
{
	struct actor *next = NULL;
	uint64_t at_ps;

	pthread_mutex_lock(&lock);
	at_ps = a->time_ps;
	if (a->woken_outside && a->time_ps == a->woken_time_ps) {
		at_ps = now_ps;
		a->time_ps = a->slept_time_ps;
		a->idle_ps = a->slept_idle_ps;
	}
	a->woken_outside = false;
	a->state = ACTOR_WAITING;
	a->cond = cond;
	a->wait_seq = ++wait_seq;
	/* The mutex first: the next holder of the token may want it at once. A signal between cannot get lost, since we are queued. */
	pthread_mutex_unlock(mutex);
	if (holder == a)
		next = pass_on(a, at_ps);
	else
		a->futex = HOLD;
	pthread_mutex_unlock(&lock);
	wake(next);
	futex_wait(a);
	pthread_mutex_lock(mutex);
}

/* Makes a waiting actor ready at the time of whoever wakes it; outside: of a thread that is no actor. */
static void make_ready(struct actor *a, uint64_t t, bool outside)
{
	a->woken_outside = outside;
	a->slept_time_ps = a->time_ps;
	a->slept_idle_ps = a->idle_ps;
	if (a->time_ps < t) {
		if (a->halted)
			a->idle_ps += t - a->time_ps;
		a->time_ps = t;
	}
	a->woken_time_ps = a->slice_ps = a->time_ps;
	a->cond = NULL;
	a->state = ACTOR_READY;
	if (holder && !holder->is_main && a->is_main && holder->limit_ps > a->time_ps)
		holder->limit_ps = a->time_ps;
}

int sched_cond_wake(pthread_cond_t *cond, bool all)
{
	struct actor *next = NULL;
	uint64_t t;
	int woken = 0;

	pthread_mutex_lock(&lock);
	t = sched_self && holder == sched_self ? sched_self->time_ps : now_ps;
	for (;;) {
		struct actor *first = NULL;

		for (unsigned int i = 0; i < n_vcpus; i++)
			if (vcpus[i].state == ACTOR_WAITING && vcpus[i].cond == cond &&
			    (!first || vcpus[i].wait_seq < first->wait_seq))
				first = &vcpus[i];
		if (main_actor.state == ACTOR_WAITING && main_actor.cond == cond &&
		    (!first || main_actor.wait_seq < first->wait_seq))
			first = &main_actor;
		if (!first)
			break;
		make_ready(first, t, !(sched_self && holder == sched_self));
		woken++;
		if (!all)
			break;
	}
	if (woken && !holder) {
		if (main_actor.state == ACTOR_POLLING) {
			/* The main loop sleeps in a real poll and will give the token on. */
			(void)!write(wake_fd, &(uint64_t){1}, 8);
		} else {
			next = pick();
			if (next)
				give(next);
		}
	}
	pthread_mutex_unlock(&lock);
	wake(next);
	return woken;
}

/* The main loop, when nobody has anything to do in simulated time: sleeps until something outside happens. */
static void sleep_outside(struct actor *a, struct pollfd *fds, nfds_t n)
{
	struct pollfd with_wake[64];
	nfds_t k = n < 63 ? n : 63;
	struct actor *next = NULL;

	while (!next) {
		uint64_t drained;

		memcpy(with_wake, fds, k * sizeof(*fds));
		with_wake[k] = (struct pollfd){.fd = wake_fd, .events = POLLIN};
		real_poll(with_wake, k + 1, 100000000);
		(void)!read(wake_fd, &drained, sizeof(drained));
		pthread_mutex_lock(&lock);
		last_poll_check_ns = 0;
		next = holder ? holder : pick();
		if (next)
			a->futex = HOLD;
		if (next && !holder)
			give(next);
		pthread_mutex_unlock(&lock);
	}
	if (next != a)
		wake(next);
}

int sched_poll(struct actor *a, struct pollfd *fds, nfds_t n, int64_t timeout_ns)
{
	struct actor *next;
	int ready = real_poll(fds, n, 0);

	if (ready != 0 || timeout_ns == 0)
		return ready;
	pthread_mutex_lock(&lock);
	poll_fds = fds;
	poll_n = n;
	main_kicked = false;
	a->state = ACTOR_POLLING;
	a->deadline_ps = timeout_ns < 0 || (uint64_t)timeout_ns > SCHED_NEVER / 4 / PS_PER_NS
				 ? SCHED_NEVER
				 : a->time_ps + (uint64_t)timeout_ns * PS_PER_NS;
	next = pass_on(a, a->time_ps);
	pthread_mutex_unlock(&lock);
	wake(next);
	while (futex_wait(a) == SLEEP_OUTSIDE)
		sleep_outside(a, fds, n);
	return real_poll(fds, n, 0);
}

void sched_kick_main(void)
{
	pthread_mutex_lock(&lock);
	main_kicked = true;
	if (holder && !holder->is_main)
		holder->limit_ps = 0;
	pthread_mutex_unlock(&lock);
}

uint64_t sched_now_ps(void)
{
	struct actor *h;

	if (sched_self)
		return sched_self->time_ps;
	h = __atomic_load_n(&holder, __ATOMIC_RELAXED);
	return h ? __atomic_load_n(&h->time_ps, __ATOMIC_RELAXED) : now_ps;
}

uint64_t sched_progress(void)
{
	struct actor *h = __atomic_load_n(&holder, __ATOMIC_RELAXED);

	return __atomic_load_n(&progress, __ATOMIC_RELAXED) +
	       (h ? __atomic_load_n(&h->time_ps, __ATOMIC_RELAXED) : 0);
}

bool sched_waits_outside(void)
{
	return !__atomic_load_n(&holder, __ATOMIC_RELAXED) && main_actor.state == ACTOR_POLLING;
}

void sched_dump(void)
{
	static const char *const names[] = {"none", "running", "ready", "waiting", "polling"};

	fprintf(stderr, "tmsim: main loop: %s at %.6f s, deadline %.6f s\n", names[main_actor.state],
		(double)main_actor.time_ps / 1e12,
		main_actor.deadline_ps == SCHED_NEVER ? -1.0 : (double)main_actor.deadline_ps / 1e12);
	for (unsigned int i = 0; i < n_vcpus; i++)
		fprintf(stderr, "tmsim: vCPU %u: %s%s at %.6f s\n", i, names[vcpus[i].state],
			vcpus[i].halted ? " (halted)" : "", (double)vcpus[i].time_ps / 1e12);
}
