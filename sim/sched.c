/*
 * The token protocol.
 *
 * One mutex, `lock`, guards every actor's state. Exactly one actor is RUNNING (with more than one token: at least one), except when
 * every actor waits and nobody has a deadline: then one polling actor sleeps in a real ppoll. The token moves with `lock` held: a vCPU
 * reaches its limit (at the start of a translation block, where it holds no QEMU lock), an actor waits on a condition (its mutex is
 * released before the token goes on), an actor polls (QEMU released its big lock before), a worker waits for the disk or ends. So an
 * actor that waits for the token holds no QEMU lock, and the token's holder can take any of them: whoever else has
 * it is no actor and gives it back by itself. The exception is an actor that polls with the big lock held (it waits for its
 * own I/O): while it does, only I/O workers run, which never want that lock.
 *
 * With more than one token (free mode on a host with several CPUs) vCPUs run side by side, as long as none is more than a quantum
 * ahead of another, and the main loop and workers beside them: at once when something has happened for them, at a time that they
 * wanted when no running vCPU is behind it. Who gets where first is then up to the host, so runs differ.
 * A token has a host CPU when there are as many (take_place()).
 *
 * Simulated time is cut into quanta. Every ready vCPU runs to the end of the present quantum before any enters the next;
 * within it they go in the order in which their slices began, so one that was interrupted goes on before the others, and
 * a needless interruption changes nothing. None runs past the next event, that is the time at which the main loop or
 * a worker wants to run, so timers fire and I/O completes at their times. Whoever is woken (pthread_cond_signal by an actor) becomes
 * ready at the waker's time: that a kicked vCPU has not left its futex yet changes nothing, because nobody looks at the
 * host's scheduling. Threads that are no actors wake vCPUs at arbitrary moments, for work that takes no simulated time:
 * such a vCPU gets its old clock back when it sleeps again. The RCU thread, which does so all the time, wakes no halted vCPU.
 */
#include "sim/sched.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/futex.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Descriptors are looked at for events from outside (a monitor, a signal) this often, in simulated time. */
#define OUTSIDE_CHECK_PS (1000000 * PS_PER_NS)

uint64_t sched_wake_ps;
__thread struct actor *sched_self;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
/* vCPUs by index, then the main loop, then workers. */
struct actor sched_actors[SCHED_MAX_ACTORS];
static struct actor *const main_actor = &sched_actors[SCHED_MAX_VCPUS];
static struct actor *const workers = &sched_actors[SCHED_MAX_VCPUS + 1];
static struct actor *holder;   /* has a token; NULL: nobody, or somebody sleeps in a real poll */
static unsigned int n_running; /* actors with a token */
static unsigned int n_events;  /* those of them that are no vCPUs */
static unsigned int parallel;  /* vCPUs that may run at a time */
/* Tokens' host CPUs in free mode; none: Linux chooses. */
static struct {
	int cpu;
	bool taken;
} place[SCHED_MAX_VCPUS];
static unsigned int n_places;
static cpu_set_t all_cpus;
static struct actor *locked_poller; /* polls with QEMU's big lock held; NULL: nobody */
static unsigned int n_vcpus;	    /* highest attached index + 1 */
static unsigned int n_workers;
static uint64_t quantum_ps;
static uint64_t wait_seq;
static bool asleep_outside; /* outside_sleeper() is in its real poll */
static uint64_t now_ps;	    /* clock of the last holder when it let go */
static uint64_t outside_check_ps;
static int wake_fd = -1; /* ends a real poll */
static FILE *trace;

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

static void wake(struct actor *a)
{
	syscall(SYS_futex, &a->futex, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

/* The clock of an actor that runs in another thread. */
static uint64_t clock_of(const struct actor *a)
{
	return __atomic_load_n(&a->time_ps, __ATOMIC_RELAXED);
}

/* Finds a host CPU for each token; none when QEMU may use more or fewer of them. */
static void find_cpus(void)
{
	unsigned int n = 0;

	if (parallel == 1 || parallel > SCHED_MAX_VCPUS ||
	    sched_getaffinity(0, sizeof(all_cpus), &all_cpus) ||
	    (unsigned int)CPU_COUNT(&all_cpus) != parallel)
		return;
	for (int i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, &all_cpus))
			place[n++].cpu = i;
	n_places = n;
}

void sched_anywhere(void)
{
	if (n_places)
		sched_setaffinity(0, sizeof(all_cpus), &all_cpus);
}

/*
 * Puts vCPU a, which gets a token, on a free host CPU: its last one, or where the token's last holder stops. Linux would at times put it
 * behind another vCPU that runs, and leave it there while this CPU is idle.
 */
static void take_place(struct actor *a)
{
	unsigned int i = a->place;
	cpu_set_t set;

	if (!n_places)
		return;
	if (i >= n_places || place[i].taken)
		for (i = 0; i < n_places - 1 && place[i].taken; i++)
			;
	place[i].taken = true;
	if (a->placed && a->place == i)
		return;
	a->placed = true;
	a->place = i;
	CPU_ZERO(&set);
	CPU_SET(place[i].cpu, &set);
	sched_setaffinity(a->tid, sizeof(set), &set);
}

static void leave_place(const struct actor *a)
{
	if (n_places)
		place[a->place].taken = false;
}

/* The time at which a wants the token, SCHED_NEVER when it does not. */
static uint64_t wants_at(const struct actor *a)
{
	switch (a->state) {
	case ACTOR_READY:
		return a->time_ps;
	case ACTOR_POLLING:
		if (a->kicked)
			return a->time_ps;
		/* fall through */
	case ACTOR_WAITING:
	case ACTOR_SLEEPING:
		return a->deadline_ps;
	default:
		return SCHED_NEVER;
	}
}

static bool may_run(const struct actor *a)
{
	return !locked_poller || a == locked_poller || a->kind == KIND_WORKER;
}

/* All actors there are, one after another from NULL to NULL. */
static struct actor *next_actor(const struct actor *a)
{
	size_t i = a ? (size_t)(a - sched_actors) + 1 : 0;

	if (i >= n_vcpus && i < SCHED_MAX_VCPUS)
		i = SCHED_MAX_VCPUS;
	return i < SCHED_MAX_VCPUS + 1 + n_workers ? &sched_actors[i] : NULL;
}

/* Whoever wants the token at a fixed time: all but vCPUs that are ready, which share the quanta. The first by time, then id. */
static struct actor *next_event(uint64_t *at_ps)
{
	struct actor *best = NULL;

	*at_ps = SCHED_NEVER;
	for (struct actor *a = next_actor(NULL); a; a = next_actor(a)) {
		uint64_t t;

		if (a->kind == KIND_VCPU && a->state == ACTOR_READY)
			continue;
		t = wants_at(a);
		if (t < *at_ps && may_run(a)) {
			*at_ps = t;
			best = a;
		}
	}
	return best;
}

/*
 * Sets the running vCPU's limit: the end of its quantum and up to an eighth more, not past the next event. With all
 * slices alike a spin lock that is let go for a moment in each round may never be seen free (SeaBIOS starts CPUs so).
 */
static void set_limit(struct actor *a)
{
	uint64_t t, quantum = a->time_ps / quantum_ps + 1;
	uint64_t hash = (quantum * SCHED_MAX_VCPUS + (uint64_t)a->id) * UINT64_C(0x9e3779b97f4a7c15);

	a->limit_ps = quantum * quantum_ps + (hash >> 32) % (quantum_ps / 8);
	next_event(&t);
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

static void kick(struct actor *a)
{
	if (a->state != ACTOR_POLLING || a->kicked)
		return;
	a->kicked = true;
	if (a->time_ps < now_ps)
		a->time_ps = now_ps;
	if (a->deadline_ps < a->time_ps)
		a->time_ps = a->deadline_ps;
}

/* Calls f on every actor that polls. */
static void each_poller(void (*f)(struct actor *))
{
	for (unsigned int i = 0; i < n_vcpus; i++)
		if (sched_actors[i].state == ACTOR_POLLING)
			f(&sched_actors[i]);
	if (main_actor->state == ACTOR_POLLING)
		f(main_actor);
}

/* Looks whether something outside made one of a poller's descriptors ready. */
static void check_poller(struct actor *a)
{
	if (!a->kicked && real_poll(a->fds, a->n_fds, 0) > 0)
		kick(a);
}

static void check_outside(void)
{
	if (now_ps < outside_check_ps)
		return;
	outside_check_ps = now_ps + OUTSIDE_CHECK_PS;
	each_poller(check_poller);
}

/* Who runs next: the first vCPU, or whoever wants to run no later. NULL when nobody can. */
static struct actor *pick(void)
{
	struct actor *best = NULL, *event;
	uint64_t t;

	check_outside();
	event = next_event(&t);
	if (!locked_poller)
		for (unsigned int i = 0; i < n_vcpus; i++)
			if (sched_actors[i].state == ACTOR_READY && (!best || before(&sched_actors[i], best)))
				best = &sched_actors[i];
	return event && (!best || t <= best->time_ps) ? event : best;
}

/* Whether a wants the token for what has happened, not because its time has come. */
static bool has_reason(const struct actor *a)
{
	return a->state == ACTOR_READY || (a->state == ACTOR_POLLING && a->kicked);
}

/* Whether next, the first in line, may run now. */
static bool may_join(const struct actor *next)
{
	bool event = next->kind != KIND_VCPU || next->state != ACTOR_READY;
	uint64_t at_ps = wants_at(next);

	if (!n_running)
		return true;
	if (parallel == 1 || (!event && n_running - n_events >= parallel))
		return false;
	if (locked_poller || (event && has_reason(next)))
		return true;
	for (const struct actor *a = next_actor(NULL); a; a = next_actor(a))
		if (a->state == ACTOR_RUNNING &&
		    (event ? clock_of(a) < at_ps : clock_of(a) / quantum_ps + 1 < at_ps / quantum_ps))
			return false;
	return true;
}

/* Gives a token to next, its clock at the time it asked for. */
static void give(struct actor *next)
{
	if (next->state != ACTOR_READY) {
		uint64_t t = wants_at(next);

		next->timed_out = next->state == ACTOR_WAITING;
		if (t != SCHED_NEVER && next->time_ps < t)
			next->time_ps = t;
		next->cond = NULL;
	}
	if (trace)
		fprintf(trace, "%d %" PRIu64 " %d\n", next->id, next->time_ps, next->state);
	next->state = ACTOR_RUNNING;
	holder = next;
	n_running++;
	if (next->kind == KIND_VCPU) {
		take_place(next);
		set_limit(next);
	} else {
		n_events++;
	}
	if (__atomic_exchange_n(&next->futex, GO, __ATOMIC_RELEASE) == SLEEP_OUTSIDE)
		(void)!write(wake_fd, &(uint64_t){1}, 8);
}

/* The actor that sleeps in a real poll when nobody can run; NULL: none polls. */
static struct actor *outside_sleeper(void)
{
	if (locked_poller)
		return locked_poller;
	return main_actor->state == ACTOR_POLLING ? main_actor : NULL;
}

/* Gives tokens to all who may run now, and wakes them, but for self, the caller. */
static void dispatch(const struct actor *self)
{
	struct actor *next;

	while (!n_running || parallel > 1) {
		next = pick();
		if (!next || !may_join(next))
			break;
		give(next);
		if (next != self)
			wake(next);
	}
	if (n_running)
		return;
	next = outside_sleeper();
	if (!next)
		return;
	__atomic_store_n(&next->futex, SLEEP_OUTSIDE, __ATOMIC_RELEASE);
	if (next != self)
		wake(next);
}

/* The caller, who has a token and whose state is no longer RUNNING, lets go of it at at_ps. */
static void pass_on(struct actor *self, uint64_t at_ps)
{
	now_ps = at_ps;
	self->futex = HOLD;
	n_running--;
	if (self->kind == KIND_VCPU)
		leave_place(self);
	else
		n_events--;
	if (holder == self) {
		holder = NULL;
		for (struct actor *a = n_running ? next_actor(NULL) : NULL; a; a = next_actor(a))
			if (a->state == ACTOR_RUNNING)
				holder = a;
	}
	dispatch(self);
}

/* No running vCPU goes beyond t, a time at which somebody wants to run. */
static void limit_running(uint64_t t)
{
	for (unsigned int i = 0; i < n_vcpus; i++)
		if (sched_actors[i].state == ACTOR_RUNNING && sched_actors[i].limit_ps > t)
			__atomic_store_n(&sched_actors[i].limit_ps, t, __ATOMIC_RELAXED);
}

/* The caller will want to run at t: vCPUs that run beside it have not heard of that. */
static void announce(uint64_t t)
{
	if (parallel > 1)
		limit_running(t);
}

void sched_init(uint64_t quantum_ns, unsigned int tokens)
{
	quantum_ps = quantum_ns * PS_PER_NS;
	parallel = tokens;
	find_cpus();
	wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	main_actor->kind = KIND_MAIN;
	main_actor->id = SCHED_MAX_VCPUS;
	main_actor->state = ACTOR_READY;
	main_actor->tid = (int)syscall(SYS_gettid);
	give(main_actor);
	sched_self = main_actor;
}

struct actor *sched_attach_vcpu(unsigned int index)
{
	struct actor *a = &sched_actors[index];

	pthread_mutex_lock(&lock);
	a->id = (int)index;
	a->kind = KIND_VCPU;
	a->time_ps = now_ps;
	a->deadline_ps = SCHED_NEVER;
	a->state = ACTOR_WAITING; /* until its first wait or yield */
	a->tid = (int)syscall(SYS_gettid);
	if (index >= n_vcpus)
		n_vcpus = index + 1;
	pthread_mutex_unlock(&lock);
	sched_self = a;
	return a;
}

struct actor *sched_new_worker(void)
{
	struct actor *a = NULL;

	pthread_mutex_lock(&lock);
	for (unsigned int i = 0; sched_self && sched_self->state == ACTOR_RUNNING && i < SCHED_MAX_WORKERS;
	     i++) {
		if (workers[i].state != ACTOR_NONE)
			continue;
		a = &workers[i];
		memset(a, 0, sizeof(*a));
		a->kind = KIND_WORKER;
		a->id = SCHED_MAX_VCPUS + 1 + (int)i;
		a->time_ps = sched_self->time_ps;
		a->state = ACTOR_READY;
		if (i >= n_workers)
			n_workers = i + 1;
		limit_running(a->time_ps);
		break;
	}
	pthread_mutex_unlock(&lock);
	return a;
}

void sched_enter(struct actor *a)
{
	sched_self = a;
	a->tid = (int)syscall(SYS_gettid);
	futex_wait(a);
}

void sched_charge(int tid, uint64_t ps)
{
	pthread_mutex_lock(&lock);
	for (struct actor *a = next_actor(NULL); a; a = next_actor(a))
		if (a->state == ACTOR_RUNNING && a->tid == tid)
			a->time_ps += ps;
	pthread_mutex_unlock(&lock);
}

void sched_leave(struct actor *a)
{
	pthread_mutex_lock(&lock);
	a->state = ACTOR_NONE;
	pass_on(a, a->time_ps);
	pthread_mutex_unlock(&lock);
	sched_self = NULL;
}

void sched_yield_token(struct actor *a)
{
	pthread_mutex_lock(&lock);
	if (a->state == ACTOR_WAITING) {
		/* A vCPU that has just attached: it queues for its first token. */
		a->state = ACTOR_READY;
		a->futex = HOLD;
		if (!n_running)
			now_ps = a->time_ps;
		dispatch(a);
	} else {
		/* Interrupted before its quantum's end it goes on with the same slice. */
		if (a->time_ps / quantum_ps != a->slice_ps / quantum_ps)
			a->slice_ps = a->time_ps;
		a->state = ACTOR_READY;
		pass_on(a, a->time_ps);
	}
	pthread_mutex_unlock(&lock);
	futex_wait(a);
}

void sched_sleep_until(struct actor *a, uint64_t at_ps)
{
	pthread_mutex_lock(&lock);
	a->state = ACTOR_SLEEPING;
	a->deadline_ps = at_ps;
	announce(at_ps);
	pass_on(a, a->time_ps);
	pthread_mutex_unlock(&lock);
	futex_wait(a);
}

/* timeout_ns from a's clock on. */
static uint64_t deadline(const struct actor *a, int64_t timeout_ns)
{
	if (timeout_ns < 0 || (uint64_t)timeout_ns > SCHED_NEVER / 4 / PS_PER_NS)
		return SCHED_NEVER;
	return a->time_ps + (uint64_t)timeout_ns * PS_PER_NS;
}

int sched_cond_wait(struct actor *a, pthread_cond_t *cond, pthread_mutex_t *mutex, int64_t timeout_ns)
{
	uint64_t at_ps;
	bool ran;

	pthread_mutex_lock(&lock);
	at_ps = a->time_ps;
	ran = a->state == ACTOR_RUNNING;
	if (a->woken_outside && a->time_ps == a->woken_time_ps) {
		at_ps = now_ps;
		a->time_ps = a->slept_time_ps;
		a->idle_ps = a->slept_idle_ps;
	}
	a->woken_outside = false;
	a->state = ACTOR_WAITING;
	a->deadline_ps = deadline(a, timeout_ns);
	a->timed_out = false;
	a->cond = cond;
	a->wait_seq = ++wait_seq;
	announce(a->deadline_ps);
	/* The mutex first: the next holder of the token may want it at once. A signal between cannot get lost, since we are queued. */
	pthread_mutex_unlock(mutex);
	if (ran)
		pass_on(a, at_ps);
	else
		a->futex = HOLD;
	pthread_mutex_unlock(&lock);
	futex_wait(a);
	pthread_mutex_lock(mutex);
	return a->timed_out ? ETIMEDOUT : 0;
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
	if (a->kind != KIND_VCPU)
		limit_running(a->time_ps);
}

/* The first of the actors that wait on cond. */
static struct actor *first_waiter(const pthread_cond_t *cond, bool not_halted)
{
	struct actor *first = NULL;

	for (struct actor *a = next_actor(NULL); a; a = next_actor(a))
		if (a->state == ACTOR_WAITING && a->cond == cond && !(not_halted && a->halted) &&
		    (!first || a->wait_seq < first->wait_seq))
			first = a;
	return first;
}

int sched_cond_wake(pthread_cond_t *cond, bool all, bool from_rcu)
{
	struct actor *first;
	bool outside;
	uint64_t t;
	int woken = 0;

	pthread_mutex_lock(&lock);
	outside = !sched_self || sched_self->state != ACTOR_RUNNING;
	t = outside ? now_ps : sched_self->time_ps;
	while ((first = first_waiter(cond, from_rcu))) {
		uint64_t pays_ps = first->halted && !outside ? sched_wake_ps : 0;

		if (pays_ps && sched_self->kind == KIND_VCPU) {
			/* Its slice gets longer by that: it may hold a lock of the guest's that the other wants at once. */
			t = sched_self->time_ps += pays_ps;
			sched_self->limit_ps += pays_ps;
		}
		make_ready(first, t, outside);
		first->time_ps += pays_ps;
		woken++;
		if (!all)
			break;
	}
	if (woken && !n_running && outside_sleeper())
		/* It sleeps in a real poll and will give the token on. */
		(void)!write(wake_fd, &(uint64_t){1}, 8);
	else if (woken)
		dispatch(NULL);
	pthread_mutex_unlock(&lock);
	return woken;
}

/* Nobody has anything to do in simulated time: sleeps until something outside happens, then gives the token on. */
static void sleep_outside(struct actor *a)
{
	struct pollfd fds[64];
	nfds_t k = a->n_fds < 63 ? a->n_fds : 63;
	bool over = false;

	while (!over) {
		uint64_t drained;

		memcpy(fds, a->fds, k * sizeof(*fds));
		fds[k] = (struct pollfd){.fd = wake_fd, .events = POLLIN};
		__atomic_store_n(&asleep_outside, true, __ATOMIC_RELEASE);
		real_poll(fds, k + 1, 100000000);
		__atomic_store_n(&asleep_outside, false, __ATOMIC_RELEASE);
		(void)!read(wake_fd, &drained, sizeof(drained));
		pthread_mutex_lock(&lock);
		outside_check_ps = 0;
		over = n_running || pick();
		if (over && a->futex == SLEEP_OUTSIDE)
			a->futex = HOLD;
		if (over)
			dispatch(a);
		pthread_mutex_unlock(&lock);
	}
}

int sched_poll(struct actor *a, struct pollfd *fds, nfds_t n, int64_t timeout_ns, bool locked)
{
	int ready = real_poll(fds, n, 0);

	if (ready != 0 || timeout_ns == 0)
		return ready;
	pthread_mutex_lock(&lock);
	a->fds = fds;
	a->n_fds = n;
	a->kicked = false;
	a->state = ACTOR_POLLING;
	a->deadline_ps = deadline(a, timeout_ns);
	if (locked)
		locked_poller = a;
	announce(a->deadline_ps);
	pass_on(a, a->time_ps);
	pthread_mutex_unlock(&lock);
	while (futex_wait(a) == SLEEP_OUTSIDE)
		sleep_outside(a);
	if (locked) {
		pthread_mutex_lock(&lock);
		locked_poller = NULL;
		dispatch(NULL);
		pthread_mutex_unlock(&lock);
	}
	return real_poll(fds, n, 0);
}

void sched_kick_pollers(void)
{
	pthread_mutex_lock(&lock);
	if (sched_self && sched_self->state == ACTOR_RUNNING) {
		now_ps = sched_self->time_ps;
		each_poller(kick);
		/* Alone, it makes room for them. */
		if (parallel == 1)
			limit_running(0);
		else
			dispatch(NULL);
	}
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
	uint64_t sum = 0;

	for (unsigned int i = 0; i < SCHED_MAX_ACTORS; i++)
		sum += __atomic_load_n(&sched_actors[i].time_ps, __ATOMIC_RELAXED);
	return sum;
}

bool sched_waits_outside(void)
{
	return __atomic_load_n(&asleep_outside, __ATOMIC_ACQUIRE);
}

int sched_trace(const char *path)
{
	trace = fopen(path, "we");
	return trace ? 0 : -1;
}

void sched_dump(void)
{
	static const char *const states[] = {"none",	"running", "ready",
					     "waiting", "polling", "waiting for the disk"};
	static const char *const kinds[] = {"vCPU", "main loop", "I/O worker"};

	for (unsigned int i = 0; i < SCHED_MAX_ACTORS; i++) {
		const struct actor *a = &sched_actors[i];

		if (a->state == ACTOR_NONE)
			continue;
		fprintf(stderr, "tmsim: %s %d: %s%s at %.6f s", kinds[a->kind],
			a->kind == KIND_VCPU ? a->id : a->id - SCHED_MAX_VCPUS, states[a->state],
			a->halted ? " (halted)" : "", (double)a->time_ps / 1e12);
		if (wants_at(a) != SCHED_NEVER)
			fprintf(stderr, ", wants to run at %.6f s", (double)wants_at(a) / 1e12);
		fprintf(stderr, "\n");
	}
}
