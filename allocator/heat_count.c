#include "allocator/heat_count.h"
#include "allocator/heat_file.h"
#include "allocator/heat_rate.h"

#include <math.h>

#define GROUP 8 // granules
#define AGE   16
#define KNOWN 8 // samples for each granule in use: fewer tell little
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
static double mass; // all heat
static size_t first;
static unsigned spread = 1;
static struct tm_heat_fit expected;
static uint32_t seen, seen_pmem; // samples of this window

struct tm_heat_walk tm_heat_walk(void)
{
	return (struct tm_heat_walk){.zone = TM_BULK};
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

bool tm_heat_prepare(bool plain)
{
	if (heat)
		return true;
	first = tm_zone_first(tm.guest ? TM_MMAP : TM_BULK);
	size_t n = (tm.bytes >> tm.shift) - first;
	if (!tm.guest && !plain) { // underneath a VM what lies together has nothing in common
		group = tm_os_reserve_table((n / GROUP + 1) * sizeof(*group));
		known = tm_os_reserve_table(n);
	}
	heat = tm_os_reserve_table(n * sizeof(*heat));
	return heat;
}

void tm_heat_take(size_t g, uint32_t n)
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

void tm_heat_spread(unsigned factor)
{
	spread = factor;
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
	for (struct tm_heat_walk w = tm_heat_walk(); tm_heat_next(&w);)
		heat[w.g - first] *= part;
}

void tm_heat_age(void)
{
	if (mass >= AGE * (double)in_use())
		keep(0.5f);
}

void tm_heat_forget(void)
{
	keep(0);
}

bool tm_heat_known(void)
{
	return mass >= KNOWN * (double)in_use();
}

float tm_heat_of(size_t g)
{
	return grouped ? group[(g - first) / GROUP] : heat[g - first];
}

float tm_heat_rate(size_t g)
{
	return expected.rate[tm_heat_bin(tm_heat_of(g))];
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

void tm_heat_look(void)
{
	static struct heats single, groups;
	float average = (float)(mass / (double)in_use()), sum = 0;
	size_t current = first;
	unsigned n = 0;

	single = groups = (struct heats){0};
	for (struct tm_heat_walk w = tm_heat_walk(); tm_heat_next(&w);) {
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

// What the rates tell is no measure for a change: they come from the same counts as the places of the granules, and promise too little.
bool tm_heat_changed(void)
{
	static double usual = -1; // share of the misses, over the last windows

	if (seen < WINDOW)
		return false;
	double share = (double)seen_pmem / seen;
	seen = seen_pmem = 0;
	if (usual >= 0 && share > usual * SURPRISE && share > usual + APART) {
		keep(KEPT);
		tm_heat_look();
		usual = share;
		return true;
	}
	usual = usual < 0 ? share : usual + (share - usual) / (share < usual ? FALL : WINDOWS);
	return false;
}

float tm_heat_cold(size_t g)
{
	double mean = mass / (double)in_use();

	if (!heat || g < first || !(mean >= 1))
		return 0;
	return logf((float)mean + 1) - logf((grouped ? tm_heat_of(g) / GROUP : tm_heat_of(g)) + 1);
}
