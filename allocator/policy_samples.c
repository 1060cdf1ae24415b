// The policy `hotness` where a sampling unit counts misses. Heat of a granule: its samples, halved whenever
// there are AGE for each granule in use. What is expected of it: the rate that is likely with that heat (heat_rate.h). Within the migration
// bandwidth, every TICK_NS or more:
//   fill      free DRAM is filled with the hottest granules of PMEM;
//   headroom  but for some, which the coldest granules leave for memory that is touched for the first time: it is in use just then;
//   exchange  the hottest granules of PMEM and the coldest of DRAM trade places, run by run, while the first is considerably hotter than
//             the second: chance alone moves next to nothing, and once hot and cold are in their places nothing moves.
// In a program, memory that lies together was often allocated and is used together: there GROUP neighbours have one heat, if that shows a difference
// between hot and cold more clearly than each granule for itself does. And small allocations are brought home first (policy_room.h).
// The policy `oracle` is the same without doubt: when the quota is set (again), every granule is put where its own count says, at once, and
// counting begins anew. With a sampling unit that costs nothing, that is the best static placement of the trace: for experiments.
// When PMEM suddenly gets considerably more of the misses, the program does something else than before, and most of what was counted is
// forgotten. A granule that is new counts as average.
// Without samples it sleeps. Each sample costs the program, so they are rarer while nothing is on PMEM, and when little moves.
#include "allocator/core.h"
#include "allocator/heat_file.h"
#include "allocator/heat_rate.h"
#include "allocator/migrate.h"
#include "allocator/move.h"
#include "allocator/pace.h"
#include "allocator/policy.h"
#include "allocator/policy_room.h"
#include "allocator/sim_link.h"
#include "allocator/track.h"

#include <math.h>

#define TICK_NS	 UINT64_C(10000000)
#define SHARE	 200 // in a program: to find what should move takes at most one in so many parts of the time
#define READ_NS	 UINT64_C(20000000) // there, samples are read so often
#define JIFFY_NS UINT64_C(4000000)
#define GROUP	 8   // granules
#define REST_NS	 UINT64_C(20000000)   // to look again whether there are samples, and at last,
#define LONG_NS	 UINT64_C(1000000000) // while there are none
#define AGE	 16
#define KNOWN	 8  // samples for each granule in use: fewer tell little
#define LATELY	 10 // ticks
#define CALM	 32 // part of DRAM that has fewer trades in that time
#define RARE	 4  // factors of the sampling period: when calm,
#define UNUSED	 32 // while nothing is on PMEM
#define LEAST	 1  // expected samples that make a granule worth a place in free DRAM
#define HEADROOM 64 // part of the quota
// A change: of so many samples (a standard deviation of 0.01 at most) the share on PMEM is so many times that of about so many windows
// before (FALL: while it falls, for hot memory comes home), and apart from it; it leaves that part of the heat.
#define WINDOW	 2000
#define WINDOWS	 8
#define FALL	 2
#define SURPRISE 1.25
#define APART	 0.02
#define KEPT	 0.25f

static float *heat;  // by granule, from first on
static float *group; // by group of granules: the heat of all of them
static bool grouped; // that counts
static uint8_t *known; // by granule, in a program: it was in use when last looked at
static bool oracle;
static double mass; // all heat
static size_t first;
static unsigned spread = 1;
static uint64_t look_ns; // look: how long finding what should move took, this time
static struct tm_heat_fit expected;
static struct list {
	size_t *g, n, most;
} hot, cold; // candidates: on PMEM, in DRAM
static uint32_t seen, seen_pmem; // samples of this window
static double lately;		  // granules that came to DRAM in a tick, over the last ones

// All granules of values and mappings, one after another.
struct walk {
	int zone;
	size_t k, g, end;
};

static struct walk walk(void)
{
	return (struct walk){.zone = TM_BULK};
}

static bool next(struct walk *w)
{
	if (++w->g < w->end)
		return true;
	for (; w->zone < TM_ZONES; w->zone++, w->k = 0) {
		while (tm_zone_span((enum tm_zone)w->zone, w->k++, &w->g, &w->end))
			if (w->g < w->end)
				return true;
	}
	w->g = w->end = SIZE_MAX - 1; // over, for good
	return false;
}

static void take(size_t g, uint32_t n)
{
	if (g < first) // small allocations and buffers: in DRAM anyway
		return;
	heat[g - first] += (float)n;
	mass += n;
	seen += n;
	seen_pmem += tm.table[g].state == TM_PMEM ? n : 0;
	if (tm.guest)
		tm_heat_file_take(g, n * spread);
}

static size_t in_use(void)
{
	size_t n = 0;

	for (int t = 0; t < 2; t++)
		n += tm.count.granules[t][TM_BULK] + tm.count.granules[t][TM_MMAP];
	return n ? n : 1;
}

static void keep(float part)
{
	mass *= part;
	for (struct walk w = walk(); next(&w);)
		heat[w.g - first] *= part;
}

static void age(void)
{
	if (mass >= AGE * (double)in_use())
		keep(0.5f);
}

static float warmth(size_t g)
{
	return grouped ? group[(g - first) / GROUP] : heat[g - first];
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

// Lists movable granules of a state by their bins, the hottest or the coldest first, those of one bin by address. Returns how many.
static size_t list(struct list *l, enum tm_granule_state state, bool hottest)
{
	size_t at[TM_HEAT_BINS] = {0}, n = 0;

	for (struct walk w = walk(); next(&w);) {
		if (tm.table[w.g].state == state && tm_movable(&tm.table[w.g]))
			at[tm_heat_bin(warmth(w.g))]++;
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
	for (struct walk w = walk(); next(&w);) { // the program goes on: a granule may have changed its state since
		if (tm.table[w.g].state == state && tm_movable(&tm.table[w.g])) {
			size_t *to = &at[tm_heat_bin(warmth(w.g))];
			if (*to < n)
				l->g[(*to)++] = w.g;
		}
	}
	return n;
}

static float rate(size_t g)
{
	if (oracle)
		return warmth(g);
	return expected.rate[tm_heat_bin(warmth(g))];
}

static bool worth(float on_pmem, float in_dram)
{
	return oracle ? tm_heat_bin(on_pmem) > tm_heat_bin(in_dram) : tm_heat_worth(on_pmem, in_dram);
}

static bool held(size_t g)
{
	return tm.table[g].state == TM_DRAM || tm.table[g].state == TM_PMEM;
}

// What is known of all granules, or groups, together.
struct heats {
	uint32_t n[TM_HEAT_BINS]; // how many in each bin
	double count, sum, squares;
};

static void add(struct heats *h, float x)
{
	h->n[tm_heat_bin(x)]++;
	h->count++;
	h->sum += (double)x;
	h->squares += (double)x * (double)x;
}

// How clearly counts differ more than chance makes them: the variance beyond the mean (Poisson's), in its standard deviations if there were none.
static double dispersion(const struct heats *h)
{
	double mean = h->sum / h->count;

	return mean > 0 ? (h->squares / h->count - mean * mean - mean) / mean * sqrt(h->count / 2) : 0;
}

// Heat of the group of granule g, of whose granules n in use have so much together: as if all were in use.
static void end_group(struct heats *groups, size_t g, float sum, unsigned n)
{
	if (!n)
		return;
	float *all = &group[(g - first) / GROUP];
	*all = sum / (float)n * GROUP;
	add(groups, *all);
}

// A program's new memory was just written to, whatever will be done with it: what was counted by the first look tells nothing. (Underneath a VM memory
// is new once, when it is first touched; what has been seen never comes back to exactly 0.)
static bool is_new(size_t g)
{
	if (!known)
		return heat[g - first] == 0;
	if (known[g - first])
		return false;
	known[g - first] = 1;
	return true;
}

static void fit(void)
{
	static struct heats single, groups;
	float average = (float)(mass / (double)in_use()), sum = 0;
	size_t current = first;
	unsigned n = 0;

	single = groups = (struct heats){0};
	for (struct walk w = walk(); next(&w);) {
		size_t g = w.g;
		if (group && (g - first) / GROUP != (current - first) / GROUP) {
			end_group(&groups, current, sum, n);
			sum = 0;
			n = 0;
			current = g;
		}
		if (!held(g)) {
			if (known && known[g - first])
				known[g - first] = 0;
			continue;
		}
		if (is_new(g)) {
			mass += average - heat[g - first];
			heat[g - first] = average;
		}
		add(&single, heat[g - first]);
		sum += heat[g - first];
		n++;
	}
	if (group)
		end_group(&groups, current, sum, n);
	bool before = grouped;
	grouped = groups.count > 1 && dispersion(&groups) > dispersion(&single);
	if (grouped != before)
		expected = (struct tm_heat_fit){0};
	tm_heat_fit(&expected, grouped ? groups.n : single.n);
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
		lately = (double)tm.count.total[0]; // not calm: samples are wanted
		usual = share;
	} else {
		usual = usual < 0 ? share : usual + (share - usual) / (share < usual ? FALL : WINDOWS);
	}
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
	while (n < most && i + n < l->n && l->g[i + n] == l->g[i] + n && warmth(l->g[i + n]) == warmth(l->g[i]))
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

	fit();
	if (!oracle)
		notice_change();
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
	keep(0);
}

// Few enough came to DRAM lately, and enough is known to be content with that.
static bool calm(size_t came)
{
	lately += (double)came - lately / LATELY;
	return lately * CALM < (double)tm.count.total[0] && mass >= KNOWN * (double)in_use();
}

static bool prepare(void)
{
	if (heat)
		return true;
	first = tm_zone_first(tm.guest ? TM_MMAP : TM_BULK);
	size_t n = (tm.bytes >> tm.shift) - first;
	if (!tm.guest && !oracle) { // underneath a VM what lies together has nothing in common
		group = tm_os_reserve_table((n / GROUP + 1) * sizeof(*group));
		known = tm_os_reserve_table(n);
	}
	heat = tm_os_reserve_table(n * sizeof(*heat));
	return heat;
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

	if (!tm_migrates() || !tm_track() || !prepare())
		return TM_FOREVER;
	tm_pace_tick(now);
	tm_track()->collect(take);
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
	spread = tm_track()->spread(!tm.count.total[1] ? UNUSED : rare ? RARE : 1);
	age();
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

// Relative to the mean of all granules in use.
static float coldness(size_t g)
{
	double mean = mass / (double)in_use();

	if (!heat || g < first || !(mean >= 1))
		return 0;
	return logf((float)mean + 1) - logf((grouped ? warmth(g) / GROUP : warmth(g)) + 1);
}

const struct tm_policy tm_policy_samples = {.name = "hotness",
					    .hints = false,
					    .sample = sample,
					    .tick = tick,
					    .curious = curious,
					    .cold = coldness};
const struct tm_policy tm_policy_oracle = {.name = "oracle",
					   .hints = true,
					   .sample = sample,
					   .tick = tick_oracle,
					   .curious = curious,
					   .cold = coldness};
