// Moving on demand. A sweep visits the heap and the captured mappings: to PMEM values go first and small allocations last, to
// DRAM the other way round. Values and mappings are visited three times: what is known to be colder (hotter) than the rest,
// what is as warm as most or not known, all. The worker does a slice of some milliseconds at a time, so that forks, hints and
// clients never wait long; the migration bandwidth is the policy's affair, not that of who asks for memory.
#include "allocator/move.h"
#include "allocator/direct_io.h"
#include "allocator/frames.h"
#include "allocator/hint.h"
#include "allocator/migrate.h"
#include "allocator/policy.h"
#include "allocator/pool.h"

#include <inttypes.h>
#include <stdio.h>

#define SLICE_NS     UINT64_C(10000000)
#define PAUSE_NS     UINT64_C(2000000) // between slices: others may have the engine
#define RETRY_NS     UINT64_C(100000000)
#define RETRY_MAX_NS UINT64_C(10000000000)
#define REFUSALS     64
#define LOOK_NS	     UINT64_C(200000000) // between looks at what other processes want
#define WARM	     0.35f // ln: within a factor of 1.4 of the average

struct step {
	uint8_t zone, pass;
};
static const struct step down[] = {{TM_BULK, 0}, {TM_MMAP, 0}, {TM_BULK, 1},   {TM_MMAP, 1},
				   {TM_BULK, 2}, {TM_MMAP, 2}, {TM_BUFFER, 2}, {TM_SMALL, 2}};
static const struct step up[] = {{TM_SMALL, 2}, {TM_BUFFER, 2}, {TM_BULK, 0}, {TM_MMAP, 0},
				 {TM_BULK, 1},	{TM_MMAP, 1},	{TM_BULK, 2}, {TM_MMAP, 2}};
#define STEPS (sizeof(down) / sizeof(down[0]))

struct sweep {
	bool to_dram;
	size_t step; // STEPS: it has been everywhere
	size_t at;   // number of the next granule in the zone
	uint64_t moved[TM_ZONES], total;
	unsigned refused; // in a row
};

static struct sweep shrink = {.step = STEPS}, demand = {.step = STEPS}, yield = {.step = STEPS};
static struct tm_move_job job;
static uint64_t shrink_retry_ns, shrink_pause = RETRY_NS;
static const char *shrink_why;
static unsigned changes;

// True if a granule is due in a pass.
static bool suits(size_t g, unsigned pass, bool to_dram)
{
	float cold;

	if (pass >= 2 || !tm_policy->cold)
		return pass >= 1;
	cold = tm_policy->cold(g);
	if (to_dram)
		cold = -cold;
	return pass ? cold >= -WARM : cold > WARM;
}

// True if no granule can go to PMEM now.
static bool no_room(void)
{
	return !tm_frames_free() || tm.vmas + 4 > tm.vmas_max;
}

// Moves one run of at most n granules from g on. 0: it cannot; the sweep may be over then.
static size_t move(struct sweep *s, size_t g, uint64_t n, enum tm_zone zone)
{
	size_t k = s->to_dram ? tm_promote(g, (size_t)n) : tm_demote(g, (size_t)n);

	s->moved[zone] += k;
	s->total += k;
	s->refused = k ? 0 : s->refused + 1;
	if (!k && (s->to_dram ? s->refused > REFUSALS : no_room()))
		s->step = STEPS;
	return k;
}

// Moves at most n granules within a slice.
static void sweep(struct sweep *s, uint64_t n, uint64_t until)
{
	enum tm_granule_state from = s->to_dram ? TM_PMEM : TM_DRAM;
	uint64_t most = s->total + n, looked = 0;

	for (; s->step < STEPS; s->step++, s->at = 0) {
		struct step step = (s->to_dram ? up : down)[s->step];
		enum tm_zone zone = (enum tm_zone)step.zone;
		while (s->at < tm_zone_size(zone)) {
			size_t g = tm_zone_granule(zone, s->at), k = 0;
			const struct tm_granule *t = &tm.table[g];
			if (t->state == from && tm_movable(t) && suits(g, step.pass, s->to_dram)) {
				k = move(s, g, most - s->total, zone);
				looked |= 1023; // that took a while
			}
			s->at += k ? k : 1;
			if (s->step == STEPS || s->total >= most ||
			    (++looked % 1024 == 0 && tm_os_now_ns() > until))
				return;
		}
	}
}

const char *tm_move_never(const char **mend)
{
	*mend = "start the program as root or after: sysctl vm.unprivileged_userfaultfd=1";
	if (!tm_migrates())
		return "userfaultfd is denied";
	*mend = "start the program with --io-uring deny, or without POSIX aio";
	return tm_io_refusal ? "it does device I/O that cannot be followed" : NULL;
}

// Why what is left cannot move.
static const char *obstacle(void)
{
	const char *mend, *why = tm_move_never(&mend);

	if (why)
		return why;
	if (!tm_frames_free())
		return "PMEM is full";
	if (tm.vmas + 4 > tm.vmas_max)
		return "too many mappings; raise vm.max_map_count or the granule";
	return "the rest is pinned, protected or under direct I/O";
}

static uint64_t over(void)
{
	return tm.quota != TM_UNLIMITED && tm.count.total[0] > tm.quota ? tm.count.total[0] - tm.quota : 0;
}

// Down to the quota.
static uint64_t shrink_tick(uint64_t now)
{
	uint64_t n = over();
	const char *mend;

	if (!n || tm_move_never(&mend)) {
		shrink_why = n ? obstacle() : NULL;
		shrink.step = STEPS;
		shrink_retry_ns = 0;
		return TM_FOREVER;
	}
	if (shrink.step == STEPS) {
		if (now < shrink_retry_ns)
			return shrink_retry_ns - now;
		tm_hint_expire(0);
		shrink = (struct sweep){.step = 0};
	}
	uint64_t before = shrink.total;
	sweep(&shrink, n, now + SLICE_NS);
	tm_lock();
	tm.count.spilled += shrink.total - before;
	tm_unlock();
	if (shrink.step < STEPS || !over())
		return PAUSE_NS;
	// Been everywhere, and it is not enough: some were on their way, or cannot move.
	shrink_pause = shrink.total ? RETRY_NS : shrink_pause * 2;
	if (shrink_pause > RETRY_MAX_NS)
		shrink_pause = RETRY_MAX_NS;
	shrink_why = shrink.total ? NULL : obstacle();
	shrink_retry_ns = now + shrink_pause;
	return shrink_pause;
}

// What somebody asked for.
static uint64_t job_tick(uint64_t now)
{
	uint64_t wanted =
		job.wanted == TM_UNLIMITED ? SIZE_MAX / 2 : (job.wanted + tm.granule - 1) >> tm.shift;

	if (!job.running)
		return TM_FOREVER;
	sweep(&demand, wanted - demand.total, now + SLICE_NS);
	for (int z = 0; z < TM_ZONES; z++)
		job.moved[z] = demand.moved[z];
	job.running = demand.step < STEPS && demand.total < wanted;
	if (job.running || demand.total >= wanted)
		return PAUSE_NS;
	if (!tm.count.total[job.to_dram]) // all of it
		job.why = job.wanted == TM_UNLIMITED ? NULL : "there is no more";
	else
		job.why = job.to_dram && demand.refused && tm.quota != TM_UNLIMITED ? "the DRAM quota is full"
										    : obstacle();
	return PAUSE_NS;
}

// What others want of the DRAM that all share, in the order of a lower quota.
static uint64_t yield_tick(uint64_t now)
{
	uint64_t n = tm_quota_yield();
	const char *mend;

	if (tm.pool_dram == TM_UNLIMITED || tm_move_never(&mend))
		return TM_FOREVER;
	tm_lock(); // or the dead would have their share
	tm_pool_reclaim();
	tm_unlock();
	if (yield.step == STEPS)
		yield = (struct sweep){.step = 0};
	uint64_t before = yield.total;
	if (n)
		sweep(&yield, n, now + SLICE_NS);
	return yield.total > before ? PAUSE_NS : LOOK_NS;
}

uint64_t tm_move_tick(uint64_t now)
{
	uint64_t due = job_tick(now), wait = shrink_tick(now), way = yield_tick(now);

	wait = due < wait ? due : wait;
	return way < wait ? way : wait;
}

bool tm_move_start(bool to_dram, uint64_t bytes, char *why, size_t size)
{
	const char *mend, *cannot = tm_move_never(&mend);

	if (cannot || job.running) {
		if (cannot)
			snprintf(why, size, "%s, so memory cannot move; %s", cannot, mend);
		else
			snprintf(why, size, "another migration is under way; wait for its end");
		return false;
	}
	tm_hint_expire(0);
	job = (struct tm_move_job){.running = true, .to_dram = to_dram, .wanted = bytes};
	demand = (struct sweep){.to_dram = to_dram};
	return true;
}

const struct tm_move_job *tm_move_job(void)
{
	return &job;
}

void tm_move_cancel(void)
{
	job.running = false;
}

bool tm_move_busy(void)
{
	return job.running || shrink.step < STEPS;
}

bool tm_move_quota(uint64_t bytes, char *why, size_t size)
{
	if (bytes > tm.pool_dram)
		bytes = tm.pool_dram;
	uint64_t quota = bytes == TM_UNLIMITED ? TM_UNLIMITED : bytes >> tm.shift;
	const char *mend, *cannot = tm_move_never(&mend);

	tm_lock();
	uint64_t held = tm.count.total[0], room = tm_frames_free();
	bool fits = quota >= held || (!cannot && held - quota <= room);
	if (fits) {
		if (quota != TM_UNLIMITED)
			tm_keep_small();
		tm.quota = quota;
		tm.quota_bytes = bytes;
		changes++;
	}
	tm_unlock();
	if (!fits && cannot)
		snprintf(why, size,
			 "%s, so the %" PRIu64
			 " bytes in DRAM cannot move and the quota cannot shrink below them; %s",
			 cannot, held << tm.shift, mend);
	else if (!fits)
		snprintf(why, size,
			 "%" PRIu64 " bytes would have to move to PMEM, which has room for %" PRIu64
			 "; the least that the quota can be now is %" PRIu64,
			 (held - quota) << tm.shift, room << tm.shift, (held - room) << tm.shift);
	shrink.step = STEPS; // a new sweep, if one is due
	shrink_retry_ns = 0;
	shrink_pause = RETRY_NS;
	shrink_why = NULL;
	return fits;
}

void tm_move_quota_state(struct tm_move_state *state)
{
	state->changes = changes;
	state->over_bytes = over() << tm.shift;
	state->why = state->over_bytes ? shrink_why : NULL;
}

void tm_move_reset(void)
{
	shrink.step = demand.step = yield.step = STEPS;
	job = (struct tm_move_job){0};
	shrink_retry_ns = 0;
	shrink_pause = RETRY_NS;
	shrink_why = NULL;
	changes = 0;
}
