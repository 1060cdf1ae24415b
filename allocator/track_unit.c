// In a simulated VM: the simulator's sampling unit (sim/tmunit.h), as PEBS or IBS would be on real hardware. It writes addresses into pages of ours,
// which must stay where they are and be nobody else's: locked, and not a forked child's. There is one unit, so children do without.
#include "allocator/core.h"
#include "allocator/track.h"
#include "sim/tmunit.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#define PAGES	TMUNIT_PAGES // for 20 ms with a sample every 0.6 us
#define RECORDS (PAGES * TMUNIT_RECORDS)

static struct tmunit *unit;
#define SAMPLE_NS 200 // what the simulator charges (underneath_sample_ns of its profiles)

static uint64_t period, total, read_ns; // misses; samples; what reading them took
static unsigned spread = 1;
static uint32_t seen;

static struct tmunit *page(uint32_t i)
{
	return (struct tmunit *)((uintptr_t)unit + i % PAGES * TMUNIT_PAGE);
}

static bool get_pages(void)
{
	void *p = tm_os_mmap(NULL, PAGES * TMUNIT_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return false;
	if (!mlock(p, PAGES * TMUNIT_PAGE) && !tm_os_madvise(p, PAGES * TMUNIT_PAGE, MADV_DONTFORK)) {
		unit = p;
		return true;
	}
	tm_os_munmap(p, PAGES * TMUNIT_PAGE);
	return false;
}

static void tell(uint32_t misses)
{
	unit->from = tm.base;
	unit->bytes = tm.bytes;
	unit->period = misses;
	unit->flags = strcmp(tm.value[TM_OPT_POLICY_NAME], "oracle") ? 0 : TMUNIT_FREE;
	for (uint32_t i = 0; i < PAGES; i++) {
		page(i)->index = i;
		TMUNIT_START(page(i));
	}
}

static bool start(char *why, size_t size)
{
	const char *no = NULL;

	tm_parse_size(tm.value[TM_OPT_SAMPLE_PERIOD], &period);
	if (tm.guest || tm.adopted)
		no = "there is one unit, for the program that was started";
	else if (!period)
		no = "--sample-period is 0";
	else if (!unit && !get_pages())
		no = "its pages cannot be locked in memory; ulimit -l 256";
	if (!no)
		tell((uint32_t)period);
	if (!no && !__atomic_load_n(&unit->on, __ATOMIC_RELAXED))
		no = "not in a simulated VM; see docs/tmsim.md";
	if (no)
		snprintf(why, size, "%s", no);
	return !no;
}

static void collect(void (*take)(size_t g, uint32_t n))
{
	uint32_t taken = __atomic_load_n(&unit->taken, __ATOMIC_ACQUIRE);
	uint64_t began = tm_os_now_ns();

	if (taken - seen > RECORDS) // the older ones are lost
		seen = taken - RECORDS;
	for (; seen != taken; seen++) {
		uintptr_t addr = page(seen / TMUNIT_RECORDS)->record[seen % TMUNIT_RECORDS];
		if (!tm_ours(addr))
			continue;
		take(tm_index(addr), 1);
		total++;
	}
	read_ns += tm_os_now_ns() - began;
}

static uint64_t cpu_used(void)
{
	return read_ns + total * SAMPLE_NS;
}

static unsigned set_spread(unsigned factor)
{
	if (factor != spread && period * factor <= UINT32_C(1) << 31) {
		spread = factor;
		tell((uint32_t)(period * factor));
	}
	return spread;
}

static uint64_t samples(void)
{
	return total;
}

const struct tm_tracker tm_tracker_unit = {
	.name = "unit", .source = "samples", .counts = true, .start = start, .collect = collect, .spread = set_spread, .cpu_ns = cpu_used, .samples = samples};
