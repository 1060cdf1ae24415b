// In a simulated VM: the simulator's sampling unit (sim/tmunit.h), as PEBS or IBS would be on real hardware. It writes addresses into pages of ours,
// which must stay where they are and be nobody else's: locked, and not a forked child's. There is one unit, so children do without.
#include "allocator/core.h"
#include "allocator/track_sample.h"
#include "sim/tmunit.h"

#include <string.h>
#include <sys/mman.h>

#define PAGES	TMUNIT_PAGES // for 20 ms with a sample every 0.6 us
#define RECORDS (PAGES * TMUNIT_RECORDS)

static struct tmunit *unit;
static uint32_t seen;

static struct tmunit *page(uint32_t i)
{
	return (struct tmunit *)((uintptr_t)unit + i % PAGES * TMUNIT_PAGE);
}

static bool start(uint32_t period)
{
	if (tm.guest || tm.adopted)
		return false;
	if (!unit) {
		void *p = tm_os_mmap(NULL, PAGES * TMUNIT_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (p == MAP_FAILED)
			return false;
		if (mlock(p, PAGES * TMUNIT_PAGE) || tm_os_madvise(p, PAGES * TMUNIT_PAGE, MADV_DONTFORK)) {
			tm_os_munmap(p, PAGES * TMUNIT_PAGE);
			return false;
		}
		unit = p;
	}
	unit->from = tm.base;
	unit->bytes = tm.bytes;
	unit->period = period;
	unit->flags = strcmp(tm.value[TM_OPT_POLICY_NAME], "oracle") ? 0 : TMUNIT_FREE;
	for (uint32_t i = 0; i < PAGES; i++) {
		page(i)->index = i;
		TMUNIT_START(page(i));
	}
	return __atomic_load_n(&unit->on, __ATOMIC_RELAXED);
}

static void collect(void (*take)(size_t g, uint32_t n))
{
	uint32_t taken = __atomic_load_n(&unit->taken, __ATOMIC_ACQUIRE);

	if (taken - seen > RECORDS) // the older ones are lost
		seen = taken - RECORDS;
	for (; seen != taken; seen++) {
		uintptr_t addr = page(seen / TMUNIT_RECORDS)->record[seen % TMUNIT_RECORDS];
		if (tm_ours(addr))
			take(tm_index(addr), 1);
	}
}

const struct tm_sampler tm_sampler_unit = {.name = "samples", .start = start, .collect = collect};
