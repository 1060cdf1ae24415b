#include "allocator/pin.h"
#include "allocator/migrate.h"
#include "allocator/share.h"
#include "allocator/tier_pmem.h"

void tm_pin(uintptr_t addr)
{
	size_t g = tm_index(addr);
	struct tm_granule *t = &tm.table[g];

	if (tm.child || tm_pmem_anonymous()) // anonymous memory stays known by its address
		return;
	for (int tries = 0;; tries++) {
		(void)*(volatile const char *)addr; // mmap zone: the first touch gives it a tier
		tm_lock();
		while (tm_settle(g))
			tm_wait();
		// Without room in DRAM, or pinned on PMEM by the program, it stays where it is.
		if (t->state != TM_PMEM || !tm.uffd_works || tries == 2) {
			tm_note_pin(g, TM_NOTE_FUTEX);
			tm_unlock();
			return;
		}
		tm_unlock();
		tm_engine_take();
		tm_promote(g, 1);
		tm_engine_give();
	}
}
