// The default policy. In this order, within the migration bandwidth:
//   repair    small allocations and buffers that found no DRAM are promoted, values make room for them;
//   headroom  while the program grows, a little DRAM is kept free for its small zone;
//   fill      when it has stopped growing, free DRAM is filled with values (an eighth of the headroom stays);
//   exchange  regions of neighbouring granules that are known to be hot trade places with cold ones.
//
// Heat of a region: the mean of ln(delay to the touch) over its last samples, relative to the samples of all regions at that
// time (so that a program that pauses looks no different). One delay says little: for equal heat it is exponential, and
// ln(delay) has a variance of pi^2/6. The exchange asks for a factor of two beyond the error of both means (the
// hysteresis), and happens only while the variance over all samples exceeds pi^2/6. Sampling goes on at
// its full rate while that is so and exchanges still happen.
#include "allocator/policy.h"
#include "allocator/class_heat.h"
#include "allocator/core.h"
#include "allocator/migrate.h"
#include "allocator/note.h"
#include "allocator/pace.h"
#include "allocator/policy_room.h"

#include <math.h>
#include <stdlib.h>

#define REGION	     64 // granules
#define KNOWN	     1024
#define VARIANCE     1.6449
#define PATIENCE     1024
#define TICK_NS	     UINT64_C(200000000)
#define IDLE_TICK_NS UINT64_C(1000000000)

struct region {
	float mean;
	uint16_t count;
};

static struct region *regions;	     // of the whole table
static size_t known[KNOWN], known_n; // those with samples
static double level, mean, square;   // ln(delay): recent mean; of deviations: mean and mean square
static unsigned level_n, total_n;
static unsigned fruitless; // samples since the last exchange
static size_t hand;
static size_t mmap_hand;

static void sample(const struct tm_hint_result *r)
{
	enum tm_zone zone = tm_zone_of(r->g);

	if (zone != TM_BULK && zone != TM_MMAP)
		return;
	if (!regions)
		regions = tm_os_reserve_table((tm.bytes >> tm.shift) / REGION * sizeof(*regions));
	if (!regions)
		return;
	double x = log(((double)r->delay_ns + 1000) * (r->touched ? 1e-9 : 2e-9));
	double deviation = level_n ? x - level : 0;
	tm_class_delay(r->g, deviation);
	fruitless++;
	if (level_n < 32)
		level_n++;
	level += (x - level) / level_n;
	if (total_n < 256)
		total_n++;
	mean += (deviation - mean) / total_n;
	square += (deviation * deviation - square) / total_n;

	size_t i = r->g / REGION;
	struct region *region = &regions[i];
	if (!region->count) {
		if (known_n < KNOWN)
			known[known_n++] = i;
		else
			known[(size_t)rand() % KNOWN] = i;
	}
	if (region->count < 16)
		region->count++;
	region->mean += (float)(deviation - region->mean) / region->count;
}

// True if heat differs: the variance is beyond three standard errors (its distribution has excess kurtosis 2.4).
static bool uneven(void)
{
	return total_n >= 64 && square - mean * mean > VARIANCE * (1 + 3 * sqrt(4.4 / total_n));
}

static bool curious(void)
{
	// Known to be uneven, and lately more samples have led to something.
	return uneven() && fruitless < PATIENCE;
}

// The known region with granules of a state whose mean is lowest (sign 1) or highest (-1); SIZE_MAX: none. Advice to leave them
// there counts, unless they are known to be half (twice) as hot as the others.
static size_t extreme(enum tm_granule_state state, int sign, size_t *granule)
{
	size_t best = SIZE_MAX;

	for (size_t k = 0; k < known_n; k++) {
		const struct region *r = &regions[known[k]];
		if (r->count < 2 ||
		    (best != SIZE_MAX && (float)sign * r->mean >= (float)sign * regions[best].mean))
			continue;
		for (size_t g = known[k] * REGION; g < (known[k] + 1) * REGION; g++) {
			if (tm.table[g].state == state && tm_movable(&tm.table[g]) &&
			    (!tm_advised_here(g, state) || (float)sign * r->mean < -(float)M_LN2)) {
				best = known[k];
				*granule = g;
				break;
			}
		}
	}
	return best;
}

// Demotes up to n granules of values or mappings, the coldest known, else in turn. Returns how many.
static size_t make_room(size_t n)
{
	size_t g = SIZE_MAX;

	if (!known_n || extreme(TM_DRAM, -1, &g) == SIZE_MAX)
		g = tm_room_scan(TM_BULK, TM_DRAM, &hand);
	if (g == SIZE_MAX)
		g = tm_room_scan(TM_MMAP, TM_DRAM, &mmap_hand);
	return g == SIZE_MAX ? 0 : tm_pace_pay(tm_demote(g, n));
}

// The same for memory that has been allocated since, not for what is hotter.
static size_t spill(size_t n)
{
	size_t moved = make_room(n);

	tm_lock();
	tm.count.spilled += moved;
	tm_unlock();
	return moved;
}

static size_t bring(size_t g, size_t n)
{
	return tm_pace_pay(tm_promote(g, n));
}

static bool headroom(void)
{
	uint64_t slack = tm_quota_slack();
	bool any = false;

	while (tm_pace_left() && tm_quota_free() < slack) {
		if (!spill((size_t)(slack - tm_quota_free())))
			break;
		any = true;
	}
	return any;
}

static bool fill(void)
{
	uint64_t slack = tm_quota_slack();
	bool any = false;

	while (tm_pace_left() && tm_quota_free() > slack + 1) {
		size_t g = SIZE_MAX, n = (size_t)(tm_quota_free() - slack - 1);
		if (!known_n || extreme(TM_PMEM, 1, &g) == SIZE_MAX)
			g = tm_room_scan(TM_BULK, TM_PMEM, &hand);
		if (g == SIZE_MAX)
			g = tm_room_scan(TM_MMAP, TM_PMEM, &mmap_hand);
		if (g == SIZE_MAX || !bring(g, n))
			break;
		any = true;
	}
	return any;
}

static bool exchange(void)
{
	size_t hot_g, cold_g;
	bool any = false;

	while (tm_pace_left() && known_n && uneven()) {
		size_t hot = extreme(TM_PMEM, 1, &hot_g), cold = extreme(TM_DRAM, -1, &cold_g);
		if (hot == SIZE_MAX || cold == SIZE_MAX)
			break;
		double error =
			1.5 * TM_DELAY_DEVIATION * (1 / sqrt(regions[hot].count) + 1 / sqrt(regions[cold].count));
		if (regions[cold].mean - regions[hot].mean < M_LN2 + error)
			break;
		if (!make_room(tm_migrate_run()) || !bring(hot_g, tm_migrate_run()))
			break;
		fruitless = 0;
		any = true;
	}
	return any;
}

static float cold(size_t g)
{
	const struct region *r = regions ? &regions[g / REGION] : NULL;

	return r && r->count >= 2 ? r->mean : 0;
}

static uint64_t tick(uint64_t now)
{
	// And there is PMEM: it was not always so, or somebody moved memory there.
	bool unlimited = tm.quota == TM_UNLIMITED;

	if (!tm_migrates() || !tm.quota || !tm.count.total[1])
		return TM_FOREVER;
	tm_pace_tick(now);
	tm_pace_growth(now);
	if (tm_quota_asked()) // another process' turn (move.c)
		return TICK_NS;
	bool busy = tm_room_repair(spill, NULL);
	busy |= tm.grown_up || unlimited ? fill() : headroom();
	if (!unlimited)
		busy |= exchange();
	return busy ? TICK_NS / 4 : tm.grown_up ? IDLE_TICK_NS : TICK_NS;
}

const struct tm_policy tm_policy_hotness = {
	.name = "hotness", .hints = true, .sample = sample, .tick = tick, .curious = curious, .cold = cold};
