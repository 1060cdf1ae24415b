// Moving on demand. A sweep visits the heap and the captured mappings: to PMEM values go first and small allocations last, to
// DRAM the other way round. Values and mappings are visited three times: what is known to be colder (hotter) than the rest,
// what is as warm as most or not known, all. The worker does a slice of some milliseconds at a time, so that forks, hints and
// clients never wait long; the migration bandwidth is the policy's affair, not that of who asks for memory.
#include "allocator/move.h"
#include "allocator/frames.h"
#include "allocator/hint.h"
#include "allocator/migrate.h"
#include "allocator/policy.h"

#include <inttypes.h>
#include <stdio.h>

#define SLICE_NS     UINT64_C(10000000)
#define PAUSE_NS     UINT64_C(2000000) // between slices: others may have the engine
#define RETRY_NS     UINT64_C(100000000)
#define RETRY_MAX_NS UINT64_C(10000000000)
#define WARM	     0.35f // ln: within a factor of 1.4 of the average

struct step {
	uint8_t zone, pass;
};
static const struct step down[] = {{TM_BULK, 0}, {TM_MMAP, 0}, {TM_BULK, 1},   {TM_MMAP, 1},
				   {TM_BULK, 2}, {TM_MMAP, 2}, {TM_BUFFER, 2}, {TM_SMALL, 2}};
#define STEPS (sizeof(down) / sizeof(down[0]))

struct sweep {
	const struct step *steps;
	size_t step, at; // at: the next granule, 0: the step's first
	uint64_t moved;
};

static struct sweep shrink = {.steps = down, .step = STEPS};
static uint64_t shrink_retry_ns, shrink_pause = RETRY_NS;
static const char *shrink_why;
static unsigned changes;

// True if a granule is due in a pass that moves to PMEM.
static bool suits(size_t g, unsigned pass)
{
	float cold = 0;

	if (pass >= 2 || !tm_policy->cold)
		return pass >= 1;
	cold = tm_policy->cold(g);
	return pass ? cold >= -WARM : cold > WARM;
}

// True if no granule can go to PMEM now.
static bool no_room(void)
{
	return !tm_frames_free() || tm.vmas + 4 > tm.vmas_max;
}

// Moves at most n granules within a slice. Returns how many; s->step is STEPS when it has been everywhere.
static uint64_t sweep(struct sweep *s, uint64_t n, uint64_t until)
{
	uint64_t moved = 0, looked = 0;

	for (; s->step < STEPS; s->step++, s->at = 0) {
		enum tm_zone zone = (enum tm_zone)s->steps[s->step].zone;
		size_t end = tm_zone_end(zone), g = s->at ? s->at : tm_zone_first(zone);
		while (g < end) {
			const struct tm_granule *t = &tm.table[g];
			size_t k = 0;
			if (t->state == TM_DRAM && tm_movable(t) && suits(g, s->steps[s->step].pass)) {
				k = tm_demote(g, (size_t)(n - moved));
				if (!k && no_room()) {
					s->step = STEPS;
					return moved;
				}
				looked |= 1023; // a move takes a while
			}
			g += k ? k : 1;
			moved += k;
			s->at = g;
			s->moved += k;
			if (moved >= n || (++looked % 1024 == 0 && tm_os_now_ns() > until))
				return moved;
		}
	}
	return moved;
}

// Why what is over the quota cannot move.
static const char *obstacle(void)
{
	if (!tm.uffd_works)
		return "userfaultfd is denied";
	if (!tm_frames_free())
		return "PMEM is full";
	if (tm.vmas + 4 > tm.vmas_max)
		return "too many mappings; raise vm.max_map_count or the granule";
	return "the rest is pinned or protected";
}

static uint64_t over(void)
{
	return tm.quota != TM_UNLIMITED && tm.count.total[0] > tm.quota ? tm.count.total[0] - tm.quota : 0;
}

uint64_t tm_move_tick(uint64_t now)
{
	uint64_t n = over();

	if (!n || !tm.uffd_works) {
		shrink_why = n ? obstacle() : NULL;
		shrink.step = STEPS;
		shrink_retry_ns = 0;
		return TM_FOREVER;
	}
	if (shrink.step == STEPS) {
		if (now < shrink_retry_ns)
			return shrink_retry_ns - now;
		tm_hint_expire(0);
		shrink = (struct sweep){.steps = down};
	}
	sweep(&shrink, n, now + SLICE_NS);
	if (shrink.step < STEPS || !over())
		return PAUSE_NS;
	// Been everywhere, and it is not enough: some were on their way, or cannot move.
	shrink_pause = shrink.moved ? RETRY_NS : shrink_pause * 2;
	if (shrink_pause > RETRY_MAX_NS)
		shrink_pause = RETRY_MAX_NS;
	shrink_why = shrink.moved ? NULL : obstacle();
	shrink_retry_ns = now + shrink_pause;
	return shrink_pause;
}

bool tm_move_quota(uint64_t bytes, char *why, size_t size)
{
	uint64_t quota = bytes == TM_UNLIMITED ? TM_UNLIMITED : bytes >> tm.shift;

	tm_lock();
	uint64_t held = tm.count.total[0], room = tm_frames_free();
	bool fits = quota >= held || (tm.uffd_works && held - quota <= room);
	if (fits) {
		if (quota != TM_UNLIMITED)
			tm_keep_small();
		tm.quota = quota;
		tm.quota_bytes = bytes;
		changes++;
	}
	tm_unlock();
	if (!fits && !tm.uffd_works)
		snprintf(why, size,
			 "userfaultfd is denied, so the %" PRIu64
			 " bytes in DRAM cannot move and the quota cannot shrink below them; start the "
			 "program as root or after: sysctl vm.unprivileged_userfaultfd=1",
			 held << tm.shift);
	else if (!fits)
		snprintf(why, size,
			 "%" PRIu64 " bytes would have to move to PMEM, which has room for %" PRIu64
			 "; the least that the quota can be now is %" PRIu64,
			 (held - quota) << tm.shift, room << tm.shift, (held - room) << tm.shift);
	shrink.step = STEPS;
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
