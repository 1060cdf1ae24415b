// The policy `hotness` where a sampling unit counts misses: places by what has been counted (heat_count.h). Within the migration
// bandwidth, every TICK_NS or more:
//   fill      free DRAM is filled with the hottest granules of PMEM;
//   headroom  but for some, which the coldest granules leave for memory that is touched for the first time: it is in use just then;
//   exchange  the hottest granules of PMEM and the coldest of DRAM trade places, run by run, while the first is considerably hotter than
//             the second: chance alone moves next to nothing, and once hot and cold are in their places nothing moves.
// In a program all memory is ranked: cold small allocations and buffers make room for hot values. Those that found no DRAM are brought home first
// (policy_room.h), unless they are known to be cold.
// The policy `oracle` is the same without doubt: when the quota is set (again), every granule is put where its own count says, at once, and
// counting begins anew. With a sampling unit that costs nothing, that is the best static placement of the trace: for experiments.
// Without samples it sleeps. Each sample costs the program, so they are rarer while nothing is on PMEM, and when little moves.
#include "allocator/class_heat.h"
#include "allocator/core.h"
#include "allocator/heat_count.h"
#include "allocator/heat_file.h"
#include "allocator/heat_rate.h"
#include "allocator/look_pace.h"
#include "allocator/migrate.h"
#include "allocator/move.h"
#include "allocator/pace.h"
#include "allocator/policy.h"
#include "allocator/policy_room.h"
#include "allocator/sim_link.h"
#include "allocator/track.h"

#include <string.h>

#define TICK_NS	 UINT64_C(10000000)
#define READ_NS	 UINT64_C(20000000) // in a program, samples are read so often
#define JIFFY_NS UINT64_C(4000000)
#define REST_NS	 UINT64_C(20000000)   // to look again whether there are samples, and at last,
#define LONG_NS	 UINT64_C(1000000000) // while there are none
#define LATELY	 10 // ticks; in a program, where looks are rare,
#define LATELY_LOOKS 4
#define CALM	 32 // part of DRAM that has fewer trades in that time
#define RARE	 4  // factors of the sampling period: when calm,
#define UNUSED	 32 // while nothing is on PMEM
#define LEAST	 1  // expected samples that make a granule worth a place in free DRAM
#define HEADROOM 64 // part of the quota
#define FEW	 64 // granules of values in DRAM that tell little of its level

static bool oracle;
static uint64_t look_ns; // look: how long finding what should move took, this time
static struct list {
	size_t *g, n, most, at; // at: the next one
} hot[TM_HEAT_KINDS], cold[TM_HEAT_KINDS]; // candidates: on PMEM, in DRAM
static double lately; // granules that came to DRAM in a tick, over the last ones

static uint64_t settled; // away(), as it was when all were placed

// Small allocations and buffers on PMEM.
static uint64_t away(void)
{
	return tm.count.granules[1][TM_SMALL] + tm.count.granules[1][TM_BUFFER];
}

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

// Which list a granule belongs into; NULL: it cannot move now.
static struct list *list_of(size_t g)
{
	const struct tm_granule *t = &tm.table[g];

	if ((t->state != TM_PMEM && t->state != TM_DRAM) || !tm_movable(t))
		return NULL;
	return &(t->state == TM_PMEM ? hot : cold)[tm_heat_kind(g)];
}

// Numbers of a list's granules by bin to where those of each bin begin.
static void begin_list(struct list *l, size_t at[TM_HEAT_BINS], bool hottest)
{
	size_t n = 0;

	for (unsigned b = 0; b < TM_HEAT_BINS; b++) {
		unsigned bin = hottest ? TM_HEAT_BINS - 1 - b : b;
		size_t here = at[bin];
		at[bin] = n;
		n += here;
	}
	l->n = room(l, n) ? n : 0;
	l->at = 0;
}

// Lists movable granules by their bins, the hottest of PMEM and the coldest of DRAM first, those of one bin by address.
static void list(void)
{
	static size_t at[2][TM_HEAT_KINDS][TM_HEAT_BINS];

	memset(at, 0, sizeof(at));
	for (struct tm_heat_walk w = tm_heat_walk(); tm_heat_next(&w);) {
		if (list_of(w.g))
			at[tm.table[w.g].state == TM_PMEM][tm_heat_kind(w.g)][tm_heat_bin(tm_heat_of(w.g))]++;
	}
	for (unsigned k = 0; k < TM_HEAT_KINDS; k++) {
		begin_list(&hot[k], at[1][k], true);
		begin_list(&cold[k], at[0][k], false);
	}
	for (struct tm_heat_walk w = tm_heat_walk(); tm_heat_next(&w);) { // the program goes on: a granule may have changed its state since
		struct list *l = list_of(w.g);
		if (!l)
			continue;
		size_t *to = &at[l >= hot && l < hot + TM_HEAT_KINDS][tm_heat_kind(w.g)][tm_heat_bin(tm_heat_of(w.g))];
		if (*to < l->n)
			l->g[(*to)++] = w.g;
	}
}

// Whether g, on PMEM, should trade places with d.
static bool worth(size_t g, size_t d)
{
	float on_pmem = tm_heat_rate(g), in_dram = tm_heat_rate(d);
	unsigned a = tm_heat_together(g), b = tm_heat_together(d);

	if (oracle)
		return tm_heat_bin(on_pmem) > tm_heat_bin(in_dram);
	return tm_heat_worth(on_pmem * (float)(a < b ? a : b), in_dram * (float)(a < b ? a : b));
}

static size_t next_of(const struct list *l)
{
	return l->g[l->at];
}

// The hot list whose next granule is the hottest, or NULL: that was all. Of those that are alike, values.
static struct list *hottest(void)
{
	struct list *best = NULL;

	for (unsigned k = TM_HEAT_KINDS; k--;)
		if (hot[k].at < hot[k].n && (!best || tm_heat_rate(next_of(&hot[k])) > tm_heat_rate(next_of(best))))
			best = &hot[k];
	return best;
}

// The cold list whose next granule is the coldest, of those that should give way to g (SIZE_MAX: of all), or NULL. Of those that are alike, values.
static struct list *coldest(size_t g)
{
	struct list *best = NULL;

	for (unsigned k = TM_HEAT_KINDS; k--;)
		if (cold[k].at < cold[k].n && (g == SIZE_MAX || worth(g, next_of(&cold[k]))) &&
		    (!best || tm_heat_rate(next_of(&cold[k])) < tm_heat_rate(next_of(best))))
			best = &cold[k];
	return best;
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

// How many granules of the list follow each other in memory from the next on, and have its heat; at most most.
static size_t run(const struct list *l, size_t most)
{
	const size_t *g = &l->g[l->at], left = l->n - l->at;
	size_t n = 1;

	if (tm.guest) // each granule for itself
		return 1;
	if (most > tm_migrate_run())
		most = tm_migrate_run();
	while (n < most && n < left && g[n] == g[0] + n && tm_heat_of(g[n]) == tm_heat_of(g[0]))
		n++;
	return n;
}

// Moves a run of at most so many. Returns how many went.
static size_t move(struct list *l, size_t (*to)(size_t g, size_t n), size_t most)
{
	size_t n = to(next_of(l), run(l, most));

	l->at += n;
	return tm_pace_pay(n);
}

// Demotes n granules, the coldest first, as far as g is worth it. Returns how many.
static size_t make_place(size_t n, size_t g)
{
	size_t done = 0, moved = 1;
	struct list *l;

	while (done < n && moved && (l = coldest(g)))
		done += moved = move(l, tm_demote, n - done);
	return done;
}

static bool changed(void)
{
	if (!tm_heat_changed())
		return false;
	lately = (double)tm.count.total[0]; // not calm: samples are wanted
	return true;
}

// What there is to choose from.
static void look(void)
{
	uint64_t began = tm_os_now_ns(), cpu = tm_os_thread_cpu_ns();

	tm_heat_look();
	if (tm.guest && changed())
		tm_heat_look();
	list();
	look_ns = tm_os_now_ns() - began;
	cpu = tm_os_thread_cpu_ns() - cpu + JIFFY_NS; // the kernel may tell it in ticks
	look_ns = cpu < look_ns ? cpu : look_ns;
}

// Whether a granule on PMEM is worth a place in free DRAM.
static bool warm(size_t g)
{
	return tm_heat_rate(g) * (float)tm_heat_together(g) > LEAST;
}

// Decides where new memory of each size class belongs, by what an eighth of the values in DRAM is colder than.
static void judge_classes(void)
{
	const struct list *l = &cold[TM_BULK];

	if (l->n >= FEW && !oracle)
		tm_class_judge(tm_heat_rate(l->g[l->n / 8]));
}

// Fills, leaves headroom and exchanges. Returns how many granules came to DRAM.
static size_t place(void)
{
	size_t came = 0, n;
	struct list *l;

	look();
	judge_classes();
	while ((l = hottest()) && left() && warm(next_of(l)) && tm_quota_free() > headroom()) {
		if (!(n = move(l, tm_promote, (size_t)(tm_quota_free() - headroom()))))
			break;
		came += n;
	}
	if (!l || tm.quota == TM_UNLIMITED)
		return came;
	while ((l = coldest(SIZE_MAX)) && left() && tm_quota_free() < headroom()) {
		if (!move(l, tm_demote, (size_t)(headroom() - tm_quota_free())))
			break;
	}
	while ((l = hottest()) && left()) {
		if (!(n = make_place(run(l, SIZE_MAX), next_of(l)))) {
			l->at = l->n; // and for what comes after it nothing gives way either
			continue;
		}
		if (!(n = move(l, tm_promote, n)))
			break;
		came += n;
	}
	settled = away();
	return came;
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
	lately += (double)came - lately / (tm.guest ? LATELY : LATELY_LOOKS);
	return lately * CALM < (double)tm.count.total[0] && tm_heat_known();
}

// For small allocations that have to come home: values, the coldest that the last look has left, or else in turn.
static size_t make_room(size_t n)
{
	static size_t hand;
	struct list *l = &cold[TM_BULK];
	size_t g;

	while (l->at < l->n && list_of(next_of(l)) != l)
		l->at++;
	if (l->at < l->n) {
		n = move(l, tm_demote, n);
	} else {
		g = tm_room_scan(TM_BULK, TM_DRAM, &hand);
		n = g == SIZE_MAX ? 0 : tm_pace_pay(tm_demote(g, n));
	}
	tm_lock();
	tm.count.spilled += n;
	tm_unlock();
	return n;
}

// Whether a small allocation or buffer on PMEM has to come home: it is hot as far as is known. The oracle has its places for what it has seen.
static bool comes_home(size_t g)
{
	return oracle ? tm_heat_new(g) : tm_heat_rate(g) >= tm_heat_mean();
}

static uint64_t tick(uint64_t now)
{
	static uint64_t last, rest = REST_NS;
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
	if (away() < settled)
		settled = away();
	if (!tm.guest && tm.quota && away() > settled)
		tm_room_repair(make_room, comes_home);
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
	if (!tm.guest && changed()) {
		tm_heat_spread(tm_track()->spread(1));
		tm_look_soon(now);
	}
	if (!tm.guest && !tm_look_due(now))
		return READ_NS;
	look_ns = 0;
	rare = calm(tm.count.total[1] && tm.quota ? place() : 0);
	tm_heat_spread(tm_track()->spread(!tm.count.total[1] ? UNUSED : rare ? RARE : 1));
	tm_heat_age();
	if (tm.guest)
		return TICK_NS;
	tm_look_done(now, look_ns);
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
