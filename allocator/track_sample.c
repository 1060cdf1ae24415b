#include "allocator/track_sample.h"
#include "allocator/core.h"
#include "allocator/guest.h"
#include "allocator/sim_link.h"
#include "sim/sample.h"

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

bool tm_samples_start(void)
{
	if (hits || !tm_sim || !tmsim_sample_start)
		return hits != NULL;
	tm_parse_size(tm.value[TM_OPT_SAMPLE_PERIOD], &period);
	first = tm_zone_first(TM_MMAP);
	hits = period ? tm_os_reserve_table((tm.zone_bytes >> tm.shift) * sizeof(*hits)) : NULL;
	if (hits && tmsim_sample_start((uint32_t)period, consume, NULL))
		hits = NULL;
	return hits != NULL;
}

unsigned tm_samples_spread(unsigned factor)
{
	if (!factor || factor == spread || period * factor > UINT32_C(1) << 31)
		return spread;
	spread = factor;
	tmsim_sample_start((uint32_t)(period * factor), consume, NULL);
	return spread;
}

bool tm_samples_on(void)
{
	return hits != NULL;
}

uint64_t tm_samples_total(void)
{
	return total;
}

uint64_t tm_samples_latest(void)
{
	return latest;
}

void tm_samples_collect(void (*take)(size_t g, uint32_t n))
{
	size_t end = tm_zone_end(TM_MMAP);

	for (size_t g = first; g < end; g++) {
		if (!atomic_load_explicit(&hits[g - first], memory_order_relaxed))
			continue;
		take(g, atomic_exchange_explicit(&hits[g - first], 0, memory_order_relaxed));
	}
}
