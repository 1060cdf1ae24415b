// The policy `hotness` where a sampling unit counts misses (underneath a simulated VM). Heat of a granule: its samples, halved whenever
// there are AGE for each granule in use. Within the migration bandwidth, every TICK_NS:
//   fill      free DRAM is filled with the hottest granules of PMEM;
//   exchange  the hottest granules of PMEM and the coldest of DRAM trade places, pair by pair, while the first is hot beyond chance
//             and more than twice as hot as the second (heat_order.h): chance alone moves next to nothing, and once hot and cold
//             are in their places nothing moves.
// Without samples it sleeps.
#include "allocator/core.h"
#include "allocator/heat_file.h"
#include "allocator/heat_order.h"
#include "allocator/migrate.h"
#include "allocator/policy.h"
#include "allocator/track_sample.h"

#include <math.h>
#include <stdlib.h>

#define TICK_NS UINT64_C(10000000)
#define AGE	16
#define LEAST	3 // samples: fewer are chance

static float *heat; // by granule of the zone
static double mass; // all heat
static size_t first;
static uint64_t last_ns;
static double budget; // bytes
static struct tm_heat *hot, *cold; // candidates: on PMEM, on DRAM

static void take(size_t g, uint32_t n)
{
	heat[g - first] += (float)n;
	mass += n;
	tm_heat_file_take(g, n);
}

static void age(void)
{
	size_t end = tm_zone_end(TM_MMAP);

	if (mass < AGE * (double)(tm.count.total[0] + tm.count.total[1]))
		return;
	mass /= 2;
	for (size_t g = first; g < end; g++)
		heat[g - first] *= 0.5f;
}

// Lists movable granules of a state that are at least so hot. Returns how many.
static size_t list(struct tm_heat *out, enum tm_granule_state state, float least)
{
	size_t end = tm_zone_end(TM_MMAP), n = 0;

	for (size_t g = first; g < end; g++) {
		if (tm.table[g].state == state && heat[g - first] >= least && tm_movable(&tm.table[g]))
			out[n++] = (struct tm_heat){heat[g - first], g};
	}
	return n;
}

static bool pay(size_t moved)
{
	budget -= (double)(moved << tm.shift);
	return moved != 0;
}

// Fills and exchanges. Returns how many granules were promoted.
static size_t place(void)
{
	size_t n_hot = list(hot, TM_PMEM, LEAST), n_cold, i = 0, k = 0;

	if (!n_hot)
		return 0;
	tm_heat_sort(hot, n_hot, true);
	while (i < n_hot && budget > 0 && tm_quota_free() > tm_quota_slack() && pay(tm_promote(hot[i].g, 1)))
		i++;
	if (i == n_hot || budget <= 0 || tm.quota == TM_UNLIMITED)
		return i;
	float mean = (float)(mass / (double)(tm.count.total[0] + tm.count.total[1]));
	n_cold = list(cold, TM_DRAM, 0);
	tm_heat_sort(cold, n_cold, false);
	for (; i < n_hot && k < n_cold && budget > 0 && tm_heat_worth(hot[i].heat, cold[k].heat, mean); i++, k++) {
		if (!pay(tm_demote(cold[k].g, 1)) || !pay(tm_promote(hot[i].g, 1)))
			break;
	}
	return i;
}

static bool prepare(void)
{
	size_t n = tm.zone_bytes >> tm.shift;

	if (heat)
		return true;
	first = tm_zone_first(TM_MMAP);
	hot = tm_os_reserve(n * sizeof(*hot));
	cold = tm_os_reserve(n * sizeof(*cold));
	heat = hot && cold ? tm_os_reserve(n * sizeof(*heat)) : NULL;
	return heat != NULL;
}

static uint64_t tick(uint64_t now)
{
	static uint64_t seen;
	uint64_t bytes = 0, samples;

	if (!tm.uffd_works || !tm_samples_start() || !prepare())
		return TM_FOREVER;
	tm_parse_size(tm.value[TM_OPT_BANDWIDTH], &bytes);
	budget += (double)bytes * (double)(now - last_ns) * 1e-9;
	if (budget > (double)bytes / 4)
		budget = (double)bytes / 4;
	last_ns = now;
	tm_samples_collect(take);
	samples = tm_samples_total();
	tm_heat_file_write(now, samples == seen);
	if (samples == seen)
		return TM_FOREVER;
	seen = samples;
	if (tm.count.total[1] && tm.quota)
		place();
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
	double in_use = (double)(tm.count.total[0] + tm.count.total[1]);

	if (!heat || g < first || mass < in_use)
		return 0;
	return logf((float)(mass / in_use) + 1) - logf(heat[g - first] + 1);
}

const struct tm_policy tm_policy_samples = {
	.name = "hotness", .hints = false, .sample = sample, .tick = tick, .curious = curious, .cold = coldness};
