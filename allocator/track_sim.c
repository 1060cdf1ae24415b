// Underneath a simulated VM: the simulator in the same process (sim/sample.h) calls for every Nth LLC miss, on the thread of a vCPU, in simulated time.
#include "allocator/core.h"
#include "allocator/guest.h"
#include "allocator/sim_link.h"
#include "allocator/track_sample.h"
#include "sim/sample.h"

#pragma weak tmsim_sample_start

static atomic_uint *hits;    // by granule of the zone, since the last collection
static atomic_ullong latest; // simulated time of a sample
static size_t first;

static void consume(const struct tmsim_sample *sample, void *unused)
{
	if (!tm_guest_owns((uintptr_t)sample->host, 1))
		return;
	atomic_fetch_add_explicit(&hits[tm_index((uintptr_t)sample->host) - first], 1, memory_order_relaxed);
	unsigned long long before = atomic_load_explicit(&latest, memory_order_relaxed);
	while (before < sample->time_ns && !atomic_compare_exchange_weak(&latest, &before, sample->time_ns))
		;
	tm_sim_kick();
}

static bool start(uint32_t period)
{
	if (!tm_sim || !tmsim_sample_start)
		return false;
	first = tm_zone_first(TM_MMAP);
	if (!hits)
		hits = tm_os_reserve_table((tm.zone_bytes >> tm.shift) * sizeof(*hits));
	return hits && !tmsim_sample_start(period, consume, NULL);
}

uint64_t tm_samples_latest(void)
{
	return latest;
}

static void collect(void (*take)(size_t g, uint32_t n))
{
	size_t end = tm_zone_end(TM_MMAP);

	for (size_t g = first; g < end; g++) {
		if (!atomic_load_explicit(&hits[g - first], memory_order_relaxed))
			continue;
		take(g, atomic_exchange_explicit(&hits[g - first], 0, memory_order_relaxed));
	}
}

const struct tm_sampler tm_sampler_sim = {.name = "samples", .wakes = true, .start = start, .collect = collect};
