// The hint-fault tracker. Every tenth of a second it detaches as many random granules as the rate allows, most of them
// values and mappings, on both tiers alike. It begins at a quarter of the rate, and takes all of it when the policy sees something to gain; while
// there is nothing, the rate halves with every epoch of samples down to a few a second. What it costs is kept under 1 % of a core: its own
// time, and what the program waits for a granule that it has touched (the fault, two threads that wake each other, the mapping).
#include "allocator/track_hint.h"
#include "allocator/core.h"
#include "allocator/policy.h"
#include "allocator/track.h"
#include "allocator/uffd.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TICK_NS	  UINT64_C(100000000)
#define EXPIRE_NS UINT64_C(2000000000)
#define EPOCH	  64
#define RATE_MIN  2.0
#define RATE_FIRST 4			   // part of the most
#define STALL_NS   UINT64_C(50000) // measured with Redis in a simulated VM: 200 touches a second took 1.1 % of the throughput

static uint64_t next_ns, start_ns, cpu_ns, stall_ns, seed = 88172645463325252u;
static double rate, rate_max = -1, due;
static unsigned samples;
static uint64_t all_samples;
static double log_delay[TM_ZONES];
static unsigned log_count[TM_ZONES];

static uint64_t cpu_used(void)
{
	return cpu_ns + tm_uffd_hint_cpu_ns() + stall_ns;
}

static uint64_t samples_seen(void)
{
	return all_samples;
}

double tm_track_heat(int zone)
{
	// E[ln delay] of an exponential with rate r is -ln r - 0.577.
	return log_count[zone] ? exp(-log_delay[zone] - 0.5772) : 0;
}

static uint64_t random64(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	return seed ^= seed << 17;
}

// A random granule of a zone on a tier; SIZE_MAX: none found soon. Unlocked reads: tm_hint_set() checks.
static size_t pick(enum tm_zone zone, enum tm_granule_state state)
{
	size_t n = tm_zone_size(zone);

	for (int i = 0; n && i < 32; i++) {
		size_t g = tm_zone_granule(zone, random64() % n);
		if (tm.table[g].state == state)
			return g;
	}
	return SIZE_MAX;
}

static void set_hints(unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		uint64_t r = random64();
		enum tm_zone zone = TM_BULK;
		uint64_t in_mmap = tm.count.granules[0][TM_MMAP] + tm.count.granules[1][TM_MMAP];
		uint64_t in_bulk = tm.count.granules[0][TM_BULK] + tm.count.granules[1][TM_BULK];
		if (r % 16 == 0)
			zone = r & 16 ? TM_SMALL : TM_BUFFER;
		else if (in_mmap + in_bulk && (r >> 8) % (in_mmap + in_bulk) < in_mmap)
			zone = TM_MMAP;
		size_t g = pick(zone, r & 32 ? TM_DRAM : TM_PMEM);
		if (g != SIZE_MAX)
			tm_hint_set(g);
	}
}

static void collect(void)
{
	struct tm_hint_result result;

	while (tm_hint_next(&result)) {
		enum tm_zone zone = tm_zone_of(result.g);
		double x = log(((double)result.delay_ns + 1000) * (result.touched ? 1e-9 : 2e-9));
		if (log_count[zone] < 64)
			log_count[zone]++;
		log_delay[zone] += (x - log_delay[zone]) / log_count[zone];
		stall_ns += result.touched ? STALL_NS : 0;
		tm_policy->sample(&result);
		all_samples++;
		if (++samples < EPOCH)
			continue;
		samples = 0;
		rate = tm_policy->curious() ? rate_max : rate / 2 < RATE_MIN ? RATE_MIN : rate / 2;
	}
}

// Nothing to compare: no tracking.
static bool pointless(void)
{
	return rate_max == 0 || tm.quota == TM_UNLIMITED ||
	       !tm.quota || !tm.count.total[1] || !tm.count.total[0];
}

static uint64_t tick(uint64_t now)
{
	if (rate_max < 0) {
		rate_max = atof(tm.value[TM_OPT_HINT_RATE]);
		rate = rate_max / RATE_FIRST;
		start_ns = now;
	}
	if (pointless()) {
		if (tm_hint_waiting())
			tm_hint_expire(0);
		return TM_FOREVER;
	}
	if (now < next_ns)
		return next_ns - now;
	uint64_t before = tm_os_thread_cpu_ns();
	tm_hint_expire(EXPIRE_NS);
	collect();
	due += rate * (double)TICK_NS * 1e-9;
	if (due > rate_max)
		due = rate_max;
	if (cpu_used() > (now - start_ns) / 100)
		due = 0;
	set_hints((unsigned)due);
	due -= (unsigned)due;
	cpu_ns += tm_os_thread_cpu_ns() - before;
	uint64_t wait = rate >= 10 ? TICK_NS : (uint64_t)(1e9 / rate);
	next_ns = now + wait;
	return wait;
}

static bool start(char *why, size_t size)
{
	bool rate_0 = !strcmp(tm.value[TM_OPT_HINT_RATE], "0");

	if (tm.uffd_works && !rate_0)
		return true;
	snprintf(why, size, "%s", rate_0 ? "--hint-rate is 0" : "userfaultfd is denied; run as root or: sysctl vm.unprivileged_userfaultfd=1");
	return false;
}

const struct tm_tracker tm_tracker_hint = {
	.name = "hint", .source = "hint-fault", .start = start, .tick = tick, .cpu_ns = cpu_used, .samples = samples_seen};
