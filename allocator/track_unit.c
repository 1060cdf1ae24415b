// In a simulated VM: the simulator's sampling unit (sim/tmunit.h), as PEBS or IBS would be on real hardware. It writes addresses into a page of ours,
// which must stay where it is and be nobody else's: locked, and not a forked child's. There is one unit, so children do without.
#include "allocator/core.h"
#include "allocator/track_sample.h"
#include "sim/tmunit.h"

#include <string.h>
#include <sys/mman.h>

static struct tmunit *unit;
static uint32_t seen;

static bool start(uint32_t period)
{
	if (tm.guest || tm.adopted)
		return false;
	if (!unit) {
		void *p = tm_os_mmap(NULL, TMUNIT_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (p == MAP_FAILED)
			return false;
		if (mlock(p, TMUNIT_PAGE) || tm_os_madvise(p, TMUNIT_PAGE, MADV_DONTFORK)) {
			tm_os_munmap(p, TMUNIT_PAGE);
			return false;
		}
		unit = p;
	}
	unit->from = tm.base;
	unit->bytes = tm.bytes;
	unit->period = period;
	unit->flags = strcmp(tm.value[TM_OPT_POLICY_NAME], "oracle") ? 0 : TMUNIT_FREE;
	TMUNIT_START(unit);
	return __atomic_load_n(&unit->on, __ATOMIC_RELAXED);
}

static void collect(void (*take)(size_t g, uint32_t n))
{
	uint32_t taken = __atomic_load_n(&unit->taken, __ATOMIC_ACQUIRE);

	if (taken - seen > TMUNIT_RECORDS) // the older ones are lost
		seen = taken - TMUNIT_RECORDS;
	for (; seen != taken; seen++) {
		uintptr_t addr = unit->record[seen % TMUNIT_RECORDS];
		if (tm_ours(addr))
			take(tm_index(addr), 1);
	}
}

const struct tm_sampler tm_sampler_unit = {.name = "samples", .start = start, .collect = collect};
