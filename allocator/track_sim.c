#include "allocator/track_sim.h"
#include "allocator/core.h"
#include "allocator/guest.h"
#include "allocator/sim_link.h"
#include "allocator/track.h"
#include "sim/sample.h"

#include <stdio.h>

#pragma weak tmsim_sample_start

static atomic_uint *hits; // by granule of the zone, since the last collection
static atomic_ullong total;
static atomic_ullong latest; // simulated time of a sample
static size_t first;
static uint64_t period; // misses
static unsigned spread = 1;

// On the thread of a vCPU, in simulated time.
static void consume(const struct tmsim_sample *sample, void *unused)
{
	if (!tm_guest_owns((uintptr_t)sample->host, 1))
		return;
	atomic_fetch_add_explicit(&hits[tm_index((uintptr_t)sample->host) - first], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&total, 1, memory_order_relaxed);
	unsigned long long before = atomic_load_explicit(&latest, memory_order_relaxed);
	while (before < sample->time_ns && !atomic_compare_exchange_weak(&latest, &before, sample->time_ns))
		;
	tm_sim_kick();
}

static bool start(char *why, size_t size)
{
	tm_parse_size(tm.value[TM_OPT_SAMPLE_PERIOD], &period);
	if (tm_sim && tmsim_sample_start && period)
		return true;
	snprintf(why, size, "%s", tm_sim ? "--sample-period is 0" : "not underneath a simulated VM; see docs/tmsim.md");
	return false;
}

// Sampling itself begins when somebody looks.
static bool begun(void)
{
	if (hits)
		return true;
	first = tm_zone_first(TM_MMAP);
	hits = tm_os_reserve_table((tm.zone_bytes >> tm.shift) * sizeof(*hits));
	if (hits && tmsim_sample_start((uint32_t)period, consume, NULL))
		hits = NULL;
	return hits != NULL;
}

static unsigned set_spread(unsigned factor)
{
	if (factor == spread || period * factor > UINT32_C(1) << 31 || !begun())
		return spread;
	spread = factor;
	tmsim_sample_start((uint32_t)(period * factor), consume, NULL);
	return spread;
}

static uint64_t samples(void)
{
	return total;
}

uint64_t tm_track_sim_latest(void)
{
	return latest;
}

static void collect(void (*take)(size_t g, uint32_t n))
{
	size_t end = tm_zone_end(TM_MMAP);

	if (!begun())
		return;
	for (size_t g = first; g < end; g++) {
		if (!atomic_load_explicit(&hits[g - first], memory_order_relaxed))
			continue;
		take(g, atomic_exchange_explicit(&hits[g - first], 0, memory_order_relaxed));
	}
}

const struct tm_tracker tm_tracker_sim = {
	.name = "sim", .source = "samples", .counts = true, .start = start, .collect = collect, .spread = set_spread, .samples = samples};
