// The policy `hotness` where a sampling unit counts misses: places by what has been counted (heat_count.h). Within the migration
// bandwidth, every TICK_NS or more:
//   fill      free DRAM is filled with the hottest granules of PMEM;
//   headroom  but for some, which the coldest granules leave for memory that is touched for the first time: it is in use just then;
//   exchange  the hottest granules of PMEM and the coldest of DRAM trade places, run by run, while the first is considerably hotter than
//             the second: chance alone moves next to nothing, and once hot and cold are in their places nothing moves.
// In a program small allocations are brought home first (policy_room.h).
// The policy `oracle` is the same without doubt: when the quota is set (again), every granule is put where its own count says, at once, and
// counting begins anew. With a sampling unit that costs nothing, that is the best static placement of the trace: for experiments.
// Without samples it sleeps. Each sample costs the program, so they are rarer while nothing is on PMEM, and when little moves.
#include "allocator/core.h"
#include "allocator/heat_count.h"
#include "allocator/heat_file.h"
#include "allocator/heat_rate.h"
#include "allocator/migrate.h"
#include "allocator/move.h"
#include "allocator/pace.h"
#include "allocator/policy.h"
#include "allocator/policy_room.h"
#include "allocator/sim_link.h"
#include "allocator/track.h"

#define TICK_NS	 UINT64_C(10000000)
#define SHARE	 200 // in a program: to find what should move takes at most one in so many parts of the time
#define READ_NS	 UINT64_C(20000000) // there, samples are read so often
#define JIFFY_NS UINT64_C(4000000)
#define REST_NS	 UINT64_C(20000000)   // to look again whether there are samples, and at last,
#define LONG_NS	 UINT64_C(1000000000) // while there are none
#define LATELY	 10 // ticks
#define CALM	 32 // part of DRAM that has fewer trades in that time
#define RARE	 4  // factors of the sampling period: when calm,
#define UNUSED	 32 // while nothing is on PMEM
#define LEAST	 1  // expected samples that make a granule worth a place in free DRAM
#define HEADROOM 64 // part of the quota

static bool oracle;
static uint64_t look_ns; // look: how long finding what should move took, this time
static struct list {
	size_t *g, n, most;
} hot, cold; // candidates: on PMEM, in DRAM
static double lately; // granules that came to DRAM in a tick, over the last ones

static bool room(struct list *l, size_t n)
{
	if (n <= l->most)
		return true;
	if (l->g)
		tm_os_unreserve(l->g);
	l->most = n + n / 2 + 1024;
	l->g = tm_os_reserve_table(l->most * sizeof(*l->g));
	l->most = l->g ? l->most : 0;
	return l->g;
}

// Lists movable granules of a state by their bins, the hottest or the coldest first, those of one bin by address. Returns how many.
static size_t list(struct list *l, enum tm_granule_state state, bool hottest)
{
	size_t at[TM_HEAT_BINS] = {0}, n = 0;

	for (struct tm_heat_walk w = tm_heat_walk(); tm_heat_next(&w);) {
		if (tm.table[w.g].state == state && tm_movable(&tm.table[w.g]))
			at[tm_heat_bin(tm_heat_of(w.g))]++;
	}
	for (unsigned b = 0; b < TM_HEAT_BINS; b++) {
		unsigned bin = hottest ? TM_HEAT_BINS - 1 - b : b;
		size_t here = at[bin];
		at[bin] = n;
		n += here;
	}
	if (!room(l, n))
		return l->n = 0;
	l->n = n;
	for (struct tm_heat_walk w = tm_heat_walk(); tm_heat_next(&w);) { // the program goes on: a granule may have changed its state since
		if (tm.table[w.g].state == state && tm_movable(&tm.table[w.g])) {
			size_t *to = &at[tm_heat_bin(tm_heat_of(w.g))];
			if (*to < n)
				l->g[(*to)++] = w.g;
		}
	}
	return n;
}

static float rate(size_t g)
{
	if (oracle)
		return tm_heat_of(g);
	return tm_heat_rate(g);
}

static bool worth(float on_pmem, float in_dram)
{
	return oracle ? tm_heat_bin(on_pmem) > tm_heat_bin(in_dram) : tm_heat_worth(on_pmem, in_dram);
}

// DRAM that the first touch of memory is to find free, beside the allocator's own slack.
static uint64_t headroom(void)
{
	return tm_quota_slack() + tm.quota / HEADROOM;
}

// Whether anything may move now.
static bool left(void)
{
	return oracle || tm_pace_left();
}

static bool pay(size_t moved)
{
	return tm_pace_pay(moved);
}

// How many granules of the list follow each other in memory from the i-th on, and have its heat; at most most.
static size_t run(const struct list *l, size_t i, size_t most)
{
	size_t n = 1;

	if (tm.guest) // each granule for itself
		return 1;
	if (most > tm_migrate_run())
		most = tm_migrate_run();
	while (n < most && i + n < l->n && l->g[i + n] == l->g[i] + n && tm_heat_of(l->g[i + n]) == tm_heat_of(l->g[i]))
		n++;
	return n;
}

// Demotes n granules, the coldest from *k on, as far as a granule of rate than is worth it. Returns how many.
static size_t make_place(size_t *k, size_t n, float than)
{
	size_t done = 0, moved = 1;

	while (done < n && *k < cold.n && moved && worth(than, rate(cold.g[*k]))) {
		moved = tm_demote(cold.g[*k], run(&cold, *k, n - done));
		pay(moved);
		done += moved;
		*k += moved;
	}
	return done;
}

// What there is to choose from.
static void look(void)
{
	uint64_t began = tm_os_now_ns(), cpu = tm_os_thread_cpu_ns();

	tm_heat_look();
	if (!oracle && tm_heat_changed())
		lately = (double)tm.count.total[0]; // not calm: samples are wanted
	list(&hot, TM_PMEM, true);
	list(&cold, TM_DRAM, false);
	look_ns = tm_os_now_ns() - began;
	cpu = tm_os_thread_cpu_ns() - cpu + JIFFY_NS; // the kernel may tell it in ticks
	look_ns = cpu < look_ns ? cpu : look_ns;
}

// Fills, leaves headroom and exchanges. Returns how many granules came to DRAM.
static size_t place(void)
{
	size_t i = 0, k = 0, n;

	look();
	while (i < hot.n && left() && rate(hot.g[i]) > LEAST && tm_quota_free() > headroom()) {
		n = tm_promote(hot.g[i], run(&hot, i, (size_t)(tm_quota_free() - headroom())));
		if (!pay(n))
			break;
		i += n;
	}
	if (i == hot.n || !left() || tm.quota == TM_UNLIMITED)
		return i;
	while (k < cold.n && left() && tm_quota_free() < headroom()) {
		n = tm_demote(cold.g[k], run(&cold, k, (size_t)(headroom() - tm_quota_free())));
		if (!pay(n))
			break;
		k += n;
	}
	while (i < hot.n && left()) {
		n = make_place(&k, run(&hot, i, SIZE_MAX), rate(hot.g[i]));
		n = n ? tm_promote(hot.g[i], n) : 0;
		if (!pay(n))
			break;
		i += n;
	}
	return i;
}

static void place_by_trace(void)
{
	static unsigned placed;
	struct tm_move_state quota;

	tm_move_quota_state(&quota);
	if (quota.changes == placed || !tm.count.total[1] || !tm.quota)
		return;
	placed = quota.changes;
	place();
	tm_heat_forget();
}

// Few enough came to DRAM lately, and enough is known to be content with that.
static bool calm(size_t came)
{
	lately += (double)came - lately / LATELY;
	return lately * CALM < (double)tm.count.total[0] && tm_heat_known();
}

// For small allocations that have to come home: values in turn.
static size_t make_room(size_t n)
{
	static size_t hand;
	size_t g = tm_room_scan(TM_BULK, TM_DRAM, &hand);

	n = g == SIZE_MAX ? 0 : tm_demote(g, n);
	pay(n);
	tm_lock();
	tm.count.spilled += n;
	tm_unlock();
	return n;
}

static uint64_t tick(uint64_t now)
{
	static uint64_t last, rest = REST_NS, due;
	uint64_t samples;
	bool rare;

	if (!tm_migrates() || !tm_track() || !tm_heat_prepare(oracle))
		return TM_FOREVER;
	tm_pace_tick(now);
	tm_track()->collect(tm_heat_take);
	samples = tm_track_samples();
	if (tm.guest)
		tm_heat_file_write(now, samples == last);
	else
		tm_pace_growth(now);
	if (!tm.guest && tm.count.total[1] && tm.quota)
		tm_room_repair(make_room);
	if (oracle) {
		place_by_trace();
		return READ_NS;
	}
	if (samples == last) {
		rest = rest < LONG_NS ? rest * 2 : LONG_NS;
		return tm_sim ? TM_FOREVER : rest; // the simulator wakes the worker
	}
	last = samples;
	rest = REST_NS;
	if (now < due)
		return READ_NS;
	look_ns = 0;
	rare = calm(tm.count.total[1] && tm.quota ? place() : 0);
	tm_heat_spread(tm_track()->spread(!tm.count.total[1] ? UNUSED : rare ? RARE : 1));
	tm_heat_age();
	if (tm.guest)
		return TICK_NS;
	due = now + look_ns * SHARE;
	return READ_NS;
}

static uint64_t tick_oracle(uint64_t now)
{
	oracle = true;
	return tick(now);
}

static void sample(const struct tm_hint_result *unused)
{
}

static bool curious(void)
{
	return false;
}

const struct tm_policy tm_policy_samples = {.name = "hotness",
					    .hints = false,
					    .sample = sample,
					    .tick = tick,
					    .curious = curious,
					    .cold = tm_heat_cold};
const struct tm_policy tm_policy_oracle = {.name = "oracle",
					   .hints = true,
					   .sample = sample,
					   .tick = tick_oracle,
					   .curious = curious,
					   .cold = tm_heat_cold};
