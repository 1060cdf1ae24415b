// The policy `hotness` where a sampling unit counts misses (underneath a simulated VM). Heat of a granule: its samples, halved whenever
// there are AGE for each granule in use. What is expected of it: the rate that is likely with that heat (heat_rate.h). Within the migration
// bandwidth, every TICK_NS:
//   fill      free DRAM is filled with the hottest granules of PMEM;
//   headroom  but for some, which the coldest granules leave for memory that is touched for the first time: it is in use just then;
//   exchange  the hottest granules of PMEM and the coldest of DRAM trade places, pair by pair, while the first is considerably hotter than
//             the second: chance alone moves next to nothing, and once hot and cold are in their places nothing moves.
// When PMEM suddenly gets considerably more of the misses, the program does something else than before, and most of what was counted is
// forgotten. A granule that is new counts as average, for want of samples.
// Without samples it sleeps. Each sample costs the program, so they are rarer while nothing is on PMEM, and when little moves.
#include "allocator/core.h"
#include "allocator/heat_file.h"
#include "allocator/heat_rate.h"
#include "allocator/migrate.h"
#include "allocator/policy.h"
#include "allocator/track_sample.h"

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

static float *heat; // by granule of the zone
static double mass; // all heat
static size_t first;
static uint64_t last_ns;
static double budget; // bytes
static struct tm_heat_fit expected;
static uint32_t *hot, *cold;	 // candidates: on PMEM, in DRAM; numbers of granules from first on
static uint32_t seen, seen_pmem; // samples of this window

static void take(size_t g, uint32_t n)
{
	heat[g - first] += (float)n;
	mass += n;
	seen += n;
	seen_pmem += tm.table[g].state == TM_PMEM ? n : 0;
	tm_heat_file_take(g, n * tm_samples_spread(0));
}

static size_t in_use(void)
{
	return tm.count.total[0] + tm.count.total[1];
}

static void keep(float part)
{
	size_t end = tm_zone_end(TM_MMAP);

	mass *= part;
	for (size_t g = first; g < end; g++)
		heat[g - first] *= part;
}

static void age(void)
{
	if (mass >= AGE * (double)in_use())
		keep(0.5f);
}

// Lists movable granules of a state by their bins, the hottest or the coldest first, those of one bin by address. Returns how many.
static size_t list(uint32_t *out, enum tm_granule_state state, bool hottest)
{
	size_t end = tm_zone_end(TM_MMAP), at[TM_HEAT_BINS] = {0}, n = 0;

	for (size_t g = first; g < end; g++) {
		if (tm.table[g].state == state && tm_movable(&tm.table[g]))
			at[tm_heat_bin(heat[g - first])]++;
	}
	for (unsigned b = 0; b < TM_HEAT_BINS; b++) {
		unsigned bin = hottest ? TM_HEAT_BINS - 1 - b : b;
		size_t here = at[bin];
		at[bin] = n;
		n += here;
	}
	for (size_t g = first; g < end; g++) {
		if (tm.table[g].state == state && tm_movable(&tm.table[g]))
			out[at[tm_heat_bin(heat[g - first])]++] = (uint32_t)(g - first);
	}
	return n;
}

static float rate(uint32_t i)
{
	return expected.rate[tm_heat_bin(heat[i])];
}

static bool held(size_t g)
{
	return tm.table[g].state == TM_DRAM || tm.table[g].state == TM_PMEM;
}

static void fit(void)
{
	size_t end = tm_zone_end(TM_MMAP);
	uint32_t granules[TM_HEAT_BINS] = {0};
	float average = (float)(mass / (double)in_use());

	for (size_t g = first; g < end; g++) {
		if (!held(g))
			continue;
		if (heat[g - first] == 0) { // new: what has been seen never comes back to exactly 0
			heat[g - first] = average;
			mass += average;
		}
		granules[tm_heat_bin(heat[g - first])]++;
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
	budget -= (double)(moved << tm.shift);
	return moved != 0;
}

// Fills, leaves headroom and exchanges. Returns how many granules came to DRAM.
static size_t place(void)
{
	size_t n_hot, n_cold, i = 0, k = 0;

	fit();
	notice_change();
	n_hot = list(hot, TM_PMEM, true);
	while (i < n_hot && budget > 0 && rate(hot[i]) > LEAST && tm_quota_free() > headroom() &&
	       pay(tm_promote(first + hot[i], 1)))
		i++;
	if (i == n_hot || budget <= 0 || tm.quota == TM_UNLIMITED)
		return i;
	n_cold = list(cold, TM_DRAM, false);
	while (k < n_cold && budget > 0 && tm_quota_free() < headroom() && pay(tm_demote(first + cold[k], 1)))
		k++;
	for (; i < n_hot && k < n_cold && budget > 0 && tm_heat_worth(rate(hot[i]), rate(cold[k]));
	     i++, k++) {
		if (!pay(tm_demote(first + cold[k], 1)) || !pay(tm_promote(first + hot[i], 1)))
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
	size_t n = tm.zone_bytes >> tm.shift;

	if (heat)
		return true;
	first = tm_zone_first(TM_MMAP);
	hot = tm_os_reserve_table(n * sizeof(*hot));
	cold = tm_os_reserve_table(n * sizeof(*cold));
	heat = hot && cold ? tm_os_reserve_table(n * sizeof(*heat)) : NULL;
	return heat != NULL;
}

static uint64_t tick(uint64_t now)
{
	static uint64_t last;
	uint64_t bytes = 0, samples;
	bool rare;

	if (!tm_migrates() || !tm_samples_start() || !prepare())
		return TM_FOREVER;
	tm_parse_size(tm.value[TM_OPT_BANDWIDTH], &bytes);
	budget += (double)bytes * (double)(now - last_ns) * 1e-9;
	if (budget > (double)bytes / 4)
		budget = (double)bytes / 4;
	last_ns = now;
	tm_samples_collect(take);
	samples = tm_samples_total();
	tm_heat_file_write(now, samples == last);
	if (samples == last)
		return TM_FOREVER;
	last = samples;
	rare = calm(tm.count.total[1] && tm.quota ? place() : 0);
	tm_samples_spread(!tm.count.total[1] ? UNUSED : rare ? RARE : 1);
	age();
	return TICK_NS;
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

	if (!heat || g < first || !(mean >= 1))
		return 0;
	return logf((float)mean + 1) - logf(heat[g - first] + 1);
}

const struct tm_policy tm_policy_samples = {.name = "hotness",
					    .hints = false,
					    .sample = sample,
					    .tick = tick,
					    .curious = curious,
					    .cold = coldness};
