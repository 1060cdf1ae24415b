// What was touched lately is in DRAM: second chance (CLOCK) on hint faults. Small enough to begin one's own policy with.
//
// A hint shows how long nobody touched a granule. "Lately" is a window that follows the program: half of what is looked at is touched within it. A
// touch well within the window, or none well beyond it, is evidence about the granule's region; what is in between says nothing. SURE pieces of
// the same kind in a row, and a region that was touched lately trades places with the one in DRAM that was not touched for longest: the first
// exception gives another chance. Each move makes a region's next one need more evidence, until it is known to be in its place: so where all
// memory is alike, and what is evidence comes by chance, moving stops.
#include "allocator/core.h"
#include "allocator/migrate.h"
#include "allocator/note.h"
#include "allocator/pace.h"
#include "allocator/policy.h"

#include <stdlib.h>

#define REGION	 64   // granules
#define KNOWN	 1024 // regions, of all that were ever looked at
#define WITHIN	 4    // well within the window: so many times shorter; well beyond it: longer
#define SURE	 4
#define HARDER	 4    // more, for each move
#define SETTLED	 20   // in a row, and earlier moves are forgotten
#define MOST	 100
#define PATIENCE 512 // samples without a move, and the tracker may look less often
#define LATELY	 32  // samples of a tier
#define SURPRISE 0.25
#define WINDOW	 UINT64_C(500000000) // ns, the longest
#define TICK_NS	 UINT64_C(200000000)

struct region {
	uint64_t touched_ns; // last seen so
	int8_t run;	     // pieces of evidence in a row: of touches, or (negative) of none
	uint8_t moved;
};

static struct region *regions; // of the whole table
static size_t known[KNOWN], known_n;
static uint64_t window = 1000000;
static unsigned fruitless; // samples since the last move
static double soon[2];	   // part of the samples of PMEM, DRAM that were touched within the window

static bool get_region(size_t g, struct region **r)
{
	if (!regions)
		regions = tm_os_reserve_table((tm.bytes >> tm.shift) / REGION * sizeof(*regions));
	*r = regions ? &regions[g / REGION] : NULL;
	if (regions && !(*r)->run)
		known[known_n < KNOWN ? known_n++ : (size_t)rand() % KNOWN] = g / REGION;
	return regions;
}

// One piece of evidence.
static void note(struct region *r, bool touched, bool dram)
{
	if (touched)
		r->touched_ns = tm_os_now_ns();
	if ((r->run > 0) != touched)
		r->run = 0;
	if (abs(r->run) < MOST)
		r->run = (int8_t)(r->run + (touched ? 1 : -1));
	if (touched == dram && abs(r->run) >= SETTLED)
		r->moved = 0;
}

static void sample(const struct tm_hint_result *result)
{
	bool in_window = result->touched && result->delay_ns < window;
	struct region *r;

	fruitless++;
	soon[result->dram] += (in_window - soon[result->dram]) / LATELY;
	if (result->touched && result->delay_ns < window / WITHIN && get_region(result->g, &r))
		note(r, true, result->dram);
	else if (result->delay_ns > window * WITHIN && get_region(result->g, &r))
		note(r, false, result->dram);
	if (in_window)
		window -= window / 32;
	else if (result->delay_ns >= window && window < WINDOW)
		window += window / 32 + 1;
}

// The region on a tier with enough evidence that it should leave (1: it was touched, the latest; -1: it was not, for longest), and the first
// granule to move. NULL: none.
static struct region *find(enum tm_granule_state state, int sign, size_t *granule)
{
	struct region *best = NULL;

	for (size_t k = 0; k < known_n; k++) {
		struct region *r = &regions[known[k]];
		if (sign * r->run < SURE + HARDER * r->moved ||
		    (best && (sign > 0 ? r->touched_ns <= best->touched_ns : r->touched_ns >= best->touched_ns)))
			continue;
		for (size_t g = known[k] * REGION; g < (known[k] + 1) * REGION; g++) {
			if (tm.table[g].state == state && tm_movable(&tm.table[g]) && !tm_advised_here(g, state)) {
				best = r;
				*granule = g;
				break;
			}
		}
	}
	return best;
}

// Moves a run of a region; with its last granule it has moved.
static bool move(struct region *r, size_t g, bool to_dram)
{
	size_t n = (g / REGION + 1) * REGION - g, done = tm_pace_pay(to_dram ? tm_promote(g, n) : tm_demote(g, n));
	enum tm_granule_state from = to_dram ? TM_PMEM : TM_DRAM;

	if (!done)
		return false;
	fruitless = 0;
	for (g += done; g % REGION; g++) {
		if (tm.table[g].state == from)
			return true;
	}
	r->run = r->run > 0 ? 1 : -1; // from here on it must be seen anew
	r->moved = (uint8_t)(r->moved < MOST / HARDER ? r->moved + 1 : r->moved);
	return true;
}

static uint64_t tick(uint64_t now)
{
	size_t hot_g, cold_g;
	struct region *hot, *cold;

	if (!tm_migrates() || !tm.quota || !tm.count.total[1])
		return TM_FOREVER;
	tm_pace_tick(now);
	tm_pace_growth(now);
	while (tm_pace_left() && !tm_quota_asked() && (hot = find(TM_PMEM, 1, &hot_g))) {
		if (move(hot, hot_g, true))
			continue;
		if (!(cold = find(TM_DRAM, -1, &cold_g)) || !move(cold, cold_g, false)) // no room, and nothing to make some
			break;
	}
	return TICK_NS;
}

// While moves happen, or what is on PMEM is touched sooner than what is in DRAM: the program has changed.
static bool curious(void)
{
	return fruitless < PATIENCE || soon[0] > soon[1] + SURPRISE;
}

static float cold(size_t g)
{
	return regions ? -0.25f * regions[g / REGION].run : 0;
}

const struct tm_policy tm_policy_recency = {
	.name = "recency", .hints = true, .sample = sample, .tick = tick, .curious = curious, .cold = cold};
