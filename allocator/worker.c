// The worker thread: sleeps until the policy or the tracker wants to be called, somebody kicks it, or a client asks.
#include "allocator/worker.h"
#include "allocator/arena.h"
#include "allocator/control.h"
#include "allocator/core.h"
#include "allocator/direct_io.h"
#include "allocator/init.h"
#include "allocator/migrate.h"
#include "allocator/move.h"
#include "allocator/policy.h"
#include "allocator/policy_random.h"
#include "allocator/share.h"
#include "allocator/sim_link.h"
#include "allocator/track.h"
#include "allocator/uffd.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

// Times 50 us for others to get the engine: a program that advises all the time never stops wanting it.
#define PATIENCE 200

const struct tm_policy *tm_policy = &tm_policy_static;

static int kick_fd = -1;
// What it takes to wake the worker.
enum { AWAKE, SLEEPS_A_WHILE, SLEEPS };
static atomic_int sleeping;

void tm_kick(bool urgent)
{
	int least = urgent ? SLEEPS_A_WHILE : SLEEPS;

	if (atomic_load_explicit(&sleeping, memory_order_relaxed) >= least &&
	    atomic_exchange(&sleeping, AWAKE) >= least) {
		uint64_t one = 1;
		ssize_t ignored = write(kick_fd, &one, sizeof(one));
		(void)ignored;
	}
}

// Sleeps for wait ns, or until it is kicked or a client asks for work; answers clients meanwhile. False: it cannot.
static bool rest(uint64_t wait)
{
	if (tm_sim) {
		tm_sim_rest(wait);
		return true;
	}
	struct pollfd fds[1 + TM_CONTROL_POLLS] = {{.fd = kick_fd, .events = POLLIN}};
	uint64_t now = tm_os_now_ns(), until = wait == TM_FOREVER ? TM_FOREVER : now + wait, drained;
	bool work;

	do {
		uint64_t most = tm_control_polls(fds + 1, now),
			 left = until == TM_FOREVER ? until : until - now;
		if (most > left)
			most = left;
		struct timespec timeout = {(time_t)(most / 1000000000), (long)(most % 1000000000)};
		// A kick is for who sleeps long: policies that are called soon anyway do not need it.
		if (left > 20000000)
			atomic_store(&sleeping, until == TM_FOREVER ? SLEEPS : SLEEPS_A_WHILE);
		if (ppoll(fds, 1 + TM_CONTROL_POLLS, most == TM_FOREVER ? NULL : &timeout, NULL) < 0) {
			if (errno != EINTR)
				return false;
			for (int i = 0; i <= TM_CONTROL_POLLS; i++)
				fds[i].revents = 0;
		}
		if (fds[0].revents & POLLIN && read(kick_fd, &drained, sizeof(drained)) < 0 &&
		    errno != EAGAIN)
			return false;
		now = tm_os_now_ns();
		work = tm_control_serve(fds + 1, now);
	} while (!work && !(fds[0].revents & POLLIN) && now < until);
	return true;
}

static void *work(void *unused)
{
	tm_arena_bound = true; // no arenas for this thread
	while (tm.uffd_works && !tm_uffd_serves())
		usleep(100);
	if (tm_sim)
		tm_sim_enter();
	for (;;) {
		atomic_store(&sleeping, AWAKE);
		tm_io_scan(tm_os_now_ns());
		tm_arenas_trim(tm_os_now_ns());
		for (int i = 0; i < PATIENCE && tm_engine_wanted(); i++)
			usleep(50);
		tm_engine_take();
		uint64_t now = tm_os_now_ns(), wait = tm_move_tick(now), share = tm_share_tick(now);
		wait = wait < share ? wait : share;
		if (!tm_move_busy()) {
			uint64_t policy = tm_policy->tick(now), track = tm_track_tick(now);
			wait = wait < policy ? wait : policy;
			wait = wait < track ? wait : track;
		}
		tm_engine_give();
		if (!rest(wait))
			return NULL;
	}
}

bool tm_worker_thread(void *(*body)(void *), const char *name)
{
	pthread_t thread;
	pthread_attr_t attr;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, 256 << 10);
	int error = pthread_create(&thread, &attr, body, NULL);
	pthread_attr_destroy(&attr);
	if (error) {
		errno = error;
		return false;
	}
	pthread_setname_np(thread, name);
	return true;
}

// Policy and tracker.
static void choose(void)
{
	const char *name = tm.value[TM_OPT_POLICY_NAME];
	char why[320];

	bool oracle = !strcmp(name, "oracle");
	tm_policy = !strcmp(name, "hotness")   ? &tm_policy_hotness
		    : !strcmp(name, "recency") ? &tm_policy_recency
		    : oracle		       ? &tm_policy_oracle
					       : &tm_policy_static;
	if (!strcmp(tm.value[TM_OPT_TEST_MIGRATE], "random"))
		tm_policy = &tm_policy_random;
	bool hotness = tm_policy == &tm_policy_hotness;
	if (!tm_track_start(tm.value[TM_OPT_TRACK], tm_policy->hints, !hotness && !oracle, why, sizeof(why))) {
		if (!tm_is_listed() && !tm.adopted)
			tm_die("%s", why);
		if (!tm.adopted) // a child may find that its parent has it
			tm_log("%s; another tracker has to do", why);
		tm_track_start("auto", tm_policy->hints, !hotness && !oracle, why, sizeof(why));
	}
	bool counts = tm_sim || (tm_track() && tm_track()->counts);
	if (hotness && counts)
		tm_policy = &tm_policy_samples;
	if (oracle && !counts) {
		tm_log("--policy oracle: nothing here counts uses of memory; nothing migrates");
		tm_policy = &tm_policy_static;
	}
}

bool tm_worker_start(void)
{
	sigset_t all, before;
	bool ok = true;

	if (tm.guest)
		tm_sim_init();
	choose();
	kick_fd = tm_os_high_fd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
	if (kick_fd < 0)
		return false;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	if (tm.uffd_works)
		ok = tm_worker_thread(tm_uffd_thread, "tiermem-fault");
	ok = ok && tm_worker_thread(work, "tiermem-work");
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	tm.engine_on = ok;
	return ok;
}

void tm_worker_forked(void)
{
	if (kick_fd >= 0)
		tm_os_close(kick_fd);
	kick_fd = -1;
	sleeping = AWAKE;
	tm_track_forked();
}
