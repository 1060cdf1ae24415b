// Hint mechanism. DRAM, and NUMA nodes: the granule is registered and its pages moved to a slot (both under tm_lock: this userfaultfd
// does not report mremap); moved back at the touch. PMEM: empty registered memory is put over it, as for a promotion; at
// the touch its frame is mapped again. The fault thread restores; results go to a ring that the worker reads.
#include "allocator/hint.h"
#include "allocator/core.h"
#include "allocator/direct_io.h"
#include "allocator/migrate.h"
#include "allocator/mirror.h"
#include "allocator/tier_pmem.h"
#include "allocator/uffd.h"

#include <string.h>
#include <sys/mman.h>

#define RING 256

static struct {
	bool used;
	size_t g;
	uint64_t since_ns;
} slots[TM_HINT_SLOTS];

static unsigned waiting;
static char *slot_memory;
static struct tm_hint_result ring[RING];
static unsigned ring_in, ring_out;

static char *slot_address(int slot)
{
	return slot_memory + ((size_t)slot << tm.shift);
}

static int find_slot(bool used, size_t g)
{
	for (int i = 0; i < TM_HINT_SLOTS; i++) {
		if (slots[i].used == used && (!used || slots[i].g == g))
			return i;
	}
	return -1;
}

// Detaches a granule of anonymous memory. tm_lock held.
static bool set_anonymous(size_t g, int slot)
{
	char *at = tm_address(g);

	if (tm_os_uffd_register(tm.uffd, at, tm.granule))
		return false;
	if (tm_os_move_pages(at, tm.granule, slot_address(slot))) {
		if (tm_zone_of(g) != TM_MMAP)
			tm_os_uffd_unregister(tm.uffd, at, tm.granule);
		return false;
	}
	tm_set(g, tm.table[g].state == TM_DRAM ? TM_HINT_DRAM : TM_HINT_PMEM, tm.table[g].frame, tm.table[g].flags);
	return true;
}

// Detaches a granule that is a frame. tm_lock held, but given up in between.
static bool set_frame(size_t g)
{
	tm_set(g, TM_MOVING, tm.table[g].frame, tm.table[g].flags);
	tm_unlock();
	bool ok = tm_detach(g, 1);
	tm_lock();
	bool faulted = tm.table[g].flags & TM_FAULTED;
	tm_set(g, ok ? TM_HINT_PMEM : TM_PMEM, tm.table[g].frame, tm.table[g].flags & ~(unsigned)TM_FAULTED);
	if (ok && faulted)
		tm_hint_restore(g, true);
	tm_changed();
	return ok;
}

bool tm_hint_set(size_t g)
{
	bool ok = false;

	tm_lock();
	tm_keep_small();
	int slot = find_slot(false, 0);
	struct tm_granule *t = &tm.table[g];
	if (!slot_memory)
		slot_memory = tm_os_reserve((size_t)TM_HINT_SLOTS << tm.shift);
	if (slot >= 0 && slot_memory && tm_movable(t) && tm.vmas + 4 <= tm.vmas_max &&
	    (t->state == TM_DRAM || t->state == TM_PMEM) &&
	    !tm_io_busy((uintptr_t)tm_address(g), (uintptr_t)tm_address(g + 1))) {
		slots[slot].used = true;
		slots[slot].g = g;
		slots[slot].since_ns = tm_os_now_ns();
		waiting++;
		ok = t->state == TM_DRAM || tm_pmem_anonymous() ? set_anonymous(g, slot) : set_frame(g);
		if (!ok) {
			slots[slot].used = false;
			waiting--;
		}
	}
	tm_unlock();
	return ok;
}

void tm_hint_restore(size_t g, bool touched)
{
	struct tm_granule *t = &tm.table[g];
	char *at = tm_address(g);
	bool dram = t->state == TM_HINT_DRAM;
	int slot = find_slot(true, g);

	if (slot < 0)
		return;
	if (dram || tm_pmem_anonymous()) {
		tm_put_back(g, slot_address(slot));
		if (tm_zone_of(g) == TM_MMAP)
			tm_uffd_watch(g, 1);
		tm_os_uffd_wake(tm.uffd, at, tm.granule);
	} else {
		while (!tm_pmem_map(at, t->frame, 1, PROT_READ | PROT_WRITE, false))
			tm_os_wait_for_memory();
		tm_os_uffd_wake(tm.uffd_remap, at, tm.granule);
	}
	tm_set(g, dram ? TM_DRAM : TM_PMEM, t->frame, t->flags);
	tm.count.hint += touched;
	if (ring_in - ring_out < RING)
		ring[ring_in++ % RING] =
			(struct tm_hint_result){g, tm_os_now_ns() - slots[slot].since_ns, touched, dram};
	slots[slot].used = false;
	waiting--;
	tm_changed();
}

void tm_hint_expire(uint64_t age_ns)
{
	uint64_t now = tm_os_now_ns();

	tm_lock();
	for (int i = 0; i < TM_HINT_SLOTS; i++) {
		if (slots[i].used && now - slots[i].since_ns >= age_ns &&
		    (tm.table[slots[i].g].state == TM_HINT_DRAM ||
		     tm.table[slots[i].g].state == TM_HINT_PMEM))
			tm_hint_restore(slots[i].g, false);
	}
	tm_unlock();
}

bool tm_hint_next(struct tm_hint_result *result)
{
	bool any;

	tm_lock();
	any = ring_in != ring_out;
	if (any)
		*result = ring[ring_out++ % RING];
	tm_unlock();
	return any;
}

unsigned tm_hint_waiting(void)
{
	return waiting;
}

void tm_hint_reset(void)
{
	memset(slots, 0, sizeof(slots));
	waiting = 0;
	ring_in = ring_out = 0;
}
