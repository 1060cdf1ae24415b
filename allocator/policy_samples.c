// The policy `hotness` where a tracker counts uses: the misses that a sampling unit sees. Heat of a granule: its samples, halved whenever
// there are AGE for each granule in use. What is expected of it: the rate that is likely with that heat (heat_rate.h). Within the migration
// bandwidth, every TICK_NS:
//   fill      free DRAM is filled with the hottest granules of PMEM;
//   headroom  but for some, which the coldest granules leave for memory that is touched for the first time: it is in use just then;
//   exchange  the hottest granules of PMEM and the coldest of DRAM trade places, pair by pair, while the first is considerably hotter than
//             the second: chance alone moves next to nothing, and once hot and cold are in their places nothing moves.
// When PMEM suddenly gets considerably more of the misses, the program does something else than before, and most of what was counted is
// forgotten. A granule that is new counts as average, for want of samples.
// Without samples it sleeps. Each sample costs the program, so they are rarer while nothing is on PMEM, and when little moves. In real time it
// takes a hundredth of a CPU at most: it looks at all granules each time, and less often where there are many.
#include "allocator/core.h"
#include "allocator/heat_file.h"
#include "allocator/heat_rate.h"
#include "allocator/migrate.h"
#include "allocator/pace.h"
#include "allocator/policy.h"
#include "allocator/sim_link.h"
#include "allocator/track.h"

#include <math.h>

#define TICK_NS	 UINT64_C(10000000)
#define AGE	 16
#define KNOWN	 8  // samples for each granule in use: fewer tell little
#define LATELY	 10 // ticks
#define CALM	 32 // part of DRAM that has fewer trades in that time
#define RARE	 4  // factors of the sampling period: when calm,
#define UNUSED	 32 // while nothing is on PMEM
#define LEAST	 1  // expected samples that make a granule worth a place in free DRAM
#define HEADROOM 64 // part of the quota
// A change: of so many samples (a standard deviation of 0.01 at most) the share on PMEM is so many times that of about so many windows
// before, and apart from it; it leaves that part of the heat.
#define WINDOW	 2000
#define WINDOWS	 8
#define SURPRISE 1.25
#define APART	 0.02
#define KEPT	 0.25f

static float *heat; // by granule
static double mass; // all heat
static unsigned spread = 1;
static uint64_t due_ns; // no tick before
static struct tm_heat_fit expected;
static size_t *hot, *cold;	 // candidates: on PMEM, in DRAM
static uint32_t seen, seen_pmem; // samples of this window

// All granules, in the order of addresses.
struct walk {
	enum tm_zone zone;
	size_t span, g, end;
};

static bool next(struct walk *w)
{
	if (w->end && ++w->g < w->end)
		return true;
	do {
		while (!tm_zone_span(w->zone, w->span++, &w->g, &w->end)) {
			if (w->zone == TM_MMAP)
				return false;
			w->zone++;
			w->span = 0;
		}
	} while (w->g >= w->end);
	return true;
}

static struct walk walk(void)
{
	return (struct walk){.zone = tm.guest ? TM_MMAP : TM_SMALL};
}

static void take(size_t g, uint32_t n)
{
	heat[g] += (float)n;
	mass += n;
	seen += n;
	seen_pmem += tm.table[g].state == TM_PMEM ? n : 0;
	if (tm.guest)
		tm_heat_file_take(g, n * spread);
}

static size_t in_use(void)
{
	return tm.count.total[0] + tm.count.total[1];
}

static void keep(float part)
{
	mass *= part;
	for (struct walk w = walk(); next(&w);) {
		if (heat[w.g] != 0) // a table that is not touched takes no memory
			heat[w.g] *= part;
	}
}

static void age(void)
{
	if (mass >= AGE * (double)in_use())
		keep(0.5f);
}

// Lists movable granules of a state by their bins, the hottest or the coldest first, those of one bin by address. Returns how many.
static size_t list(size_t *out, enum tm_granule_state state, bool hottest)
{
	size_t at[TM_HEAT_BINS] = {0}, n = 0;

	for (struct walk w = walk(); next(&w);) {
		if (tm.table[w.g].state == state && tm_movable(&tm.table[w.g]))
			at[tm_heat_bin(heat[w.g])]++;
	}
	for (unsigned b = 0; b < TM_HEAT_BINS; b++) {
		unsigned bin = hottest ? TM_HEAT_BINS - 1 - b : b;
		size_t here = at[bin];
		at[bin] = n;
		n += here;
	}
	size_t most = n; // it may have changed since
	for (struct walk w = walk(); next(&w);) {
		size_t *place = &at[tm_heat_bin(heat[w.g])];
		if (tm.table[w.g].state == state && tm_movable(&tm.table[w.g]) && *place < most)
			out[(*place)++] = w.g;
	}
	return n;
}

static float rate(size_t g)
{
	return expected.rate[tm_heat_bin(heat[g])];
}

static bool held(size_t g)
{
	return tm.table[g].state == TM_DRAM || tm.table[g].state == TM_PMEM;
}

static void fit(void)
{
	uint32_t granules[TM_HEAT_BINS] = {0};
	float average = (float)(mass / (double)in_use());

	for (struct walk w = walk(); next(&w);) {
		if (!held(w.g))
			continue;
		if (heat[w.g] == 0) { // new: what has been seen never comes back to exactly 0
			heat[w.g] = average;
			mass += average;
		}
		granules[tm_heat_bin(heat[w.g])]++;
	}
	tm_heat_fit(&expected, granules);
}

// Forgets when PMEM suddenly gets more of the misses. What the rates tell is no measure for that: they come from the same counts as the
// places of the granules, and promise too little.
static void notice_change(void)
{
	static double usual = -1; // share of the misses, over the last windows

	if (seen < WINDOW)
		return;
	double share = (double)seen_pmem / seen;
	seen = seen_pmem = 0;
	if (usual >= 0 && share > usual * SURPRISE && share > usual + APART) {
		keep(KEPT);
		fit();
		usual = share;
	} else {
		usual = usual < 0 ? share : usual + (share - usual) / WINDOWS;
	}
}

// DRAM that the first touch of memory is to find free, beside the allocator's own slack.
static uint64_t headroom(void)
{
	return tm_quota_slack() + tm.quota / HEADROOM;
}

static bool pay(size_t moved)
{
	return tm_pace_pay(moved);
}

// Fills, leaves headroom and exchanges. Returns how many granules came to DRAM.
static size_t place(void)
{
	size_t n_hot, n_cold, i = 0, k = 0;

	fit();
	notice_change();
	n_hot = list(hot, TM_PMEM, true);
	while (i < n_hot && tm_pace_left() && rate(hot[i]) > LEAST && tm_quota_free() > headroom() &&
	       pay(tm_promote(hot[i], 1)))
		i++;
	if (i == n_hot || !tm_pace_left() || tm.quota == TM_UNLIMITED)
		return i;
	n_cold = list(cold, TM_DRAM, false);
	while (k < n_cold && tm_pace_left() && tm_quota_free() < headroom() && pay(tm_demote(cold[k], 1)))
		k++;
	for (; i < n_hot && k < n_cold && tm_pace_left() && tm_heat_worth(rate(hot[i]), rate(cold[k]));
	     i++, k++) {
		if (!pay(tm_demote(cold[k], 1)) || !pay(tm_promote(hot[i], 1)))
			break;
	}
	return i;
}

// Few enough came to DRAM lately, and enough is known to be content with that.
static bool calm(size_t came)
{
	static double lately;

	lately += (double)came - lately / LATELY;
	return lately * CALM < (double)tm.count.total[0] && mass >= KNOWN * (double)in_use();
}

static bool prepare(void)
{
	size_t n = tm.bytes >> tm.shift;

	if (heat)
		return true;
	hot = tm_os_reserve_table(n * sizeof(*hot));
	cold = tm_os_reserve_table(n * sizeof(*cold));
	heat = hot && cold ? tm_os_reserve_table(n * sizeof(*heat)) : NULL;
	return heat != NULL;
}

static uint64_t tick(uint64_t now)
{
	static uint64_t last;
	uint64_t samples, before = tm_sim ? 0 : tm_os_thread_cpu_ns();
	bool rare;

	if (!tm_migrates() || !tm_track() || !prepare() || now < due_ns)
		return !tm_track() || !heat ? TM_FOREVER : due_ns - now;
	tm_pace_tick(now);
	if (!tm.guest)
		tm_pace_growth(now);
	tm_track()->collect(take);
	samples = tm_track_samples();
	tm_heat_file_write(now, samples == last);
	if (samples == last)
		return TM_FOREVER;
	last = samples;
	rare = calm(tm.count.total[1] && tm.quota ? place() : 0);
	spread = tm_track()->spread(!tm.count.total[1] ? UNUSED : rare ? RARE : 1);
	age();
	uint64_t cost = tm_sim ? 0 : (tm_os_thread_cpu_ns() - before) * 100, wait = cost > TICK_NS ? cost : TICK_NS;
	due_ns = tm_sim ? 0 : now + wait;
	return wait;
}

static void sample(const struct tm_hint_result *unused)
{
}

static bool curious(void)
{
	return false;
}

// Relative to the mean of all granules in use.
static float coldness(size_t g)
{
	double mean = mass / (double)in_use();

	if (!heat || !(mean >= 1))
		return 0;
	return logf((float)mean + 1) - logf(heat[g] + 1);
}

const struct tm_policy tm_policy_samples = {.name = "hotness",
					    .hints = false,
					    .sample = sample,
					    .tick = tick,
					    .curious = curious,
					    .cold = coldness};
