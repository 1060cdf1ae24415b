#include "allocator/heat_count.h"
#include "allocator/class_heat.h"
#include "allocator/heat_file.h"
#include "allocator/heat_rate.h"

#include <math.h>

#define GROUP 8 // granules
#define AGE   16
#define KNOWN 8 // samples for each granule in use: fewer tell little,
#define KNOWN_TOGETHER 2 // where neighbours count together
// A small object is read to find the next address: its miss is waited for, those of a value's lines come together. In Redis with a third of the data in
// DRAM a miss of a value on PMEM takes 30 ns more than in DRAM, of 200 ns that the latencies differ by.
#define WAITED 8
// A change: of so many samples (a standard deviation of 0.01 at most) the share on PMEM is so many times that of about so many windows
// before (FALL: while it falls, for hot memory comes home), and apart from it; it leaves that part of the heat. In a program a part of a
// window (EARLY) will do, as samples are few, if the difference is so many standard deviations; and less is left, as looks are.
#define WINDOW	   2000
#define EARLY	   250
#define DEVIATIONS 4
#define WINDOWS	   8
#define FALL	   2
#define SURPRISE   1.25
#define APART	   0.02
#define KEPT	   0.25f
#define KEPT_LOOK  0.1f
#define KEPT_MOST  0.05f // there, samples of a granule on average: more would outweigh what is counted until the look

// What is known of all granules, or groups, together.
struct heats {
	uint32_t n[TM_HEAT_BINS]; // how many in each bin
	double count, sum, squares;
};

static float *heat;  // by granule, from first on
static float *group; // by group of granules: the heat of all of them
static uint8_t *known; // by granule, in a program: it was in use when last looked at
static size_t first, end[TM_HEAT_KINDS]; // of each kind
static bool plain;
static struct kind {
	double mass;  // all heat
	bool grouped; // groups count
	struct heats single, groups;
	struct tm_heat_fit expected;
} kinds[TM_HEAT_KINDS];
static unsigned spread = 1;
static uint32_t seen, seen_pmem; // samples of this window

unsigned tm_heat_kind(size_t g)
{
	return g < end[TM_SMALL] ? TM_SMALL : g < end[TM_BUFFER] ? TM_BUFFER : TM_BULK;
}

static struct kind *kind_of(size_t g)
{
	return &kinds[tm_heat_kind(g)];
}

// What a miss of a kind costs, in those of values.
static float weight(unsigned kind)
{
	return kind == TM_SMALL ? WAITED : 1;
}

struct tm_heat_walk tm_heat_walk(void)
{
	return (struct tm_heat_walk){.zone = tm.guest ? TM_BULK : TM_SMALL};
}

bool tm_heat_next(struct tm_heat_walk *w)
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

bool tm_heat_prepare(bool each_for_itself)
{
	if (heat)
		return true;
	first = tm.guest ? tm_zone_first(TM_MMAP) : 0;
	size_t n = (tm.bytes >> tm.shift) - first;
	plain = each_for_itself;
	if (!tm.guest) {
		end[TM_SMALL] = tm_zone_first(TM_BUFFER);
		end[TM_BUFFER] = tm_zone_first(TM_BULK);
		known = tm_os_reserve_table(n);
		if (!plain) // underneath a VM what lies together has nothing in common
			group = tm_os_reserve_table((n / GROUP + 1) * sizeof(*group));
	}
	heat = tm_os_reserve_table(n * sizeof(*heat));
	return heat;
}

void tm_heat_take(size_t g, uint32_t n)
{
	if (g < first)
		return;
	heat[g - first] += (float)n;
	kind_of(g)->mass += n;
	if (tm_heat_kind(g) != TM_BUFFER) { // connections that begin write to buffers, wherever these are: no change
		seen += n;
		seen_pmem += tm.table[g].state == TM_PMEM ? n : 0;
	}
	if (tm.guest)
		tm_heat_file_take(g, n * spread);
}

void tm_heat_spread(unsigned factor)
{
	spread = factor;
}

// Granules, and their heat per granule.
static uint64_t in_use(unsigned kind)
{
	uint64_t n = 0;

	for (int t = 0; t < 2; t++)
		n += tm.count.granules[t][kind] + (kind == TM_BULK ? tm.count.granules[t][TM_MMAP] : 0);
	return n;
}

static uint64_t all_in_use(void)
{
	uint64_t n = 0;

	for (unsigned k = 0; k < TM_HEAT_KINDS; k++)
		n += in_use(k);
	return n ? n : 1;
}

static double mass(void)
{
	double sum = 0;

	for (unsigned k = 0; k < TM_HEAT_KINDS; k++)
		sum += kinds[k].mass;
	return sum;
}

float tm_heat_mean(void)
{
	return (float)(mass() / (double)all_in_use());
}

static void keep(float part)
{
	for (unsigned k = 0; k < TM_HEAT_KINDS; k++)
		kinds[k].mass *= part;
	for (struct tm_heat_walk w = tm_heat_walk(); tm_heat_next(&w);)
		heat[w.g - first] *= part;
}

void tm_heat_age(void)
{
	if (mass() >= AGE * (double)all_in_use())
		keep(0.5f);
}

void tm_heat_forget(void)
{
	keep(0);
}

bool tm_heat_known(void)
{
	return mass() >= (kinds[TM_BULK].grouped ? KNOWN_TOGETHER : KNOWN) * (double)all_in_use();
}

// Heat that is assumed of new memory: what its kind has; and of small allocations and buffers, as long as little is known, what all have at least.
static float prior(unsigned kind)
{
	uint64_t n = in_use(kind);
	float own = n ? (float)(kinds[kind].mass / (double)n) : 0;

	return kind == TM_BULK || tm_heat_known() ? own : fmaxf(own, tm_heat_mean());
}

bool tm_heat_new(size_t g)
{
	return known && !known[g - first];
}

float tm_heat_of(size_t g)
{
	return kind_of(g)->grouped ? group[(g - first) / GROUP] : heat[g - first];
}

unsigned tm_heat_together(size_t g)
{
	return kind_of(g)->grouped ? GROUP : 1;
}

float tm_heat_rate(size_t g)
{
	unsigned kind = tm_heat_kind(g);
	float of = tm_heat_of(g);

	if (plain)
		return of * weight(kind);
	if (tm_heat_new(g))
		return (kind == TM_BULK ? tm_class_heat(g, prior(kind)) : prior(kind)) * weight(kind);
	return kinds[kind].expected.rate[tm_heat_bin(of)] / (float)tm_heat_together(g) * weight(kind);
}

static bool held(size_t g)
{
	return tm.table[g].state == TM_DRAM || tm.table[g].state == TM_PMEM;
}

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
static void end_group(size_t g, float sum, unsigned n)
{
	if (!n)
		return;
	float *all = &group[(g - first) / GROUP];
	*all = sum / (float)n * GROUP;
	add(&kind_of(g)->groups, *all);
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
	return !plain;
}

static void fit(struct kind *k)
{
	bool before = k->grouped;

	k->grouped = k->groups.count > 1 && dispersion(&k->groups) > dispersion(&k->single);
	if (k->grouped != before || !tm.guest) // a program is looked at so seldom that the last fit would lag behind, and make a difference where is none
		k->expected = (struct tm_heat_fit){0};
	if (k->single.count > 0)
		tm_heat_fit(&k->expected, k->grouped ? k->groups.n : k->single.n);
}

void tm_heat_look(void)
{
	float assumed[TM_HEAT_KINDS], sum = 0;
	size_t current = first;
	unsigned n = 0;

	for (unsigned k = 0; k < TM_HEAT_KINDS; k++) {
		kinds[k].single = kinds[k].groups = (struct heats){0};
		assumed[k] = prior(k);
	}
	for (struct tm_heat_walk w = tm_heat_walk(); tm_heat_next(&w);) {
		size_t g = w.g;
		unsigned kind = tm_heat_kind(g);
		if (group && (g - first) / GROUP != (current - first) / GROUP) {
			end_group(current, sum, n);
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
			float expected = kind == TM_BULK ? tm_class_heat(g, assumed[kind]) : assumed[kind];
			kinds[kind].mass += (double)(expected - heat[g - first]);
			heat[g - first] = expected;
		}
		add(&kinds[kind].single, heat[g - first]);
		if (kind == TM_BULK)
			tm_class_add(g, heat[g - first]);
		sum += heat[g - first];
		n++;
	}
	if (group)
		end_group(current, sum, n);
	for (unsigned k = 0; k < TM_HEAT_KINDS; k++)
		fit(&kinds[k]);
	tm_class_end((float)(kinds[TM_BULK].single.count > 0 ? kinds[TM_BULK].single.sum / kinds[TM_BULK].single.count : 0));
}

// What the rates tell is no measure for a change: they come from the same counts as the places of the granules, and promise too little.
bool tm_heat_changed(void)
{
	static double usual = -1; // share of the misses, over the last windows

	if (seen < (tm.guest ? WINDOW : EARLY))
		return false;
	double share = (double)seen_pmem / seen;
	double apart = APART + (seen < WINDOW ? DEVIATIONS * sqrt(share * (1 - share) / seen) : 0);
	bool changed = usual >= 0 && share > usual * SURPRISE && share > usual + apart;
	if (!changed && seen < WINDOW)
		return false;
	uint32_t windows = tm.guest ? 1 : seen / WINDOW;
	seen = seen_pmem = 0;
	if (changed) {
		keep(tm.guest ? KEPT : fminf(KEPT_LOOK, KEPT_MOST / fmaxf(tm_heat_mean(), KEPT_MOST)));
		usual = share;
	} else {
		usual = usual < 0 ? share : usual;
		for (uint32_t n = windows; n; n--)
			usual += (share - usual) / (share < usual ? FALL : WINDOWS);
	}
	return changed;
}

float tm_heat_cold(size_t g)
{
	float mean = heat ? tm_heat_mean() : 0;

	if (g < first || !(mean >= 1))
		return 0;
	return logf(mean + 1) - logf(tm_heat_of(g) / (float)tm_heat_together(g) + 1);
}
