// Heap memory comes and goes: jemalloc commits exactly the pages it starts to use; the first commit of a granule
// decides its tier, by what is free and by what is known of its size class (class_heat.h), and from then on only migration changes it.
//
// A frame that is needed is mapped together with those of the empty granules behind it (TM_AHEAD), in one call:
// neighbours have neighbouring frames, so the kernel keeps one mapping, and calls are rare.
#include "allocator/child.h"
#include "allocator/class_heat.h"
#include "allocator/core.h"
#include "allocator/frames.h"
#include "allocator/note.h"
#include "allocator/share.h"
#include "allocator/tier_pmem.h"

#include <string.h>
#include <sys/mman.h>

#define AHEAD_BYTES ((size_t)512 << 10)
#define TIGHT	    32 // part of the quota

// Maps frames at g and at the empty granules behind it, at least need of them if possible, of no more than most bytes; false: PMEM is full.
static bool map_ahead(size_t g, size_t need, size_t bytes)
{
	size_t most = bytes >> tm.shift, end = tm_zone_end(tm_zone_of(g)), n = 0;
	uint32_t got;

	if (most < need)
		most = need;
	if (!most)
		most = 1;
	while (n < most && g + n < end && tm.table[g + n].state == TM_EMPTY &&
	       !(tm.table[g + n].flags & TM_AHEAD))
		n++;
	if (n > tm_frames_free() / 8 + 1 && n > need) // towards the end of the device, no more than needed
		n = need;
	uint32_t frame = tm_frames_take(g, (uint32_t)n, &got);
	if (frame == TM_NO_FRAME)
		return false;
	// The table first: a fork in between must not leave a shared mapping that the child does not know of.
	for (uint32_t i = 0; i < got; i++)
		tm_set(g + i, TM_EMPTY, frame + i, tm.table[g + i].flags | TM_AHEAD);
	if (tm.vmas + 2 > tm.vmas_max * 9 / 5 ||
	    !tm_pmem_map(tm_address(g), frame, got, PROT_READ | PROT_WRITE, tm_pmem.kind != TM_FILE)) {
		for (uint32_t i = 0; i < got; i++)
			tm_set(g + i, TM_EMPTY, TM_NO_FRAME, tm.table[g + i].flags & ~(unsigned)TM_AHEAD);
		tm_frames_give(frame, got);
		tm.count.failed++;
		return false;
	}
	return true;
}

// Where a granule's class belongs. As long as much of DRAM is free, there, whatever is known.
static enum tm_class_place class_place(size_t g, enum tm_zone zone)
{
	enum tm_class_place place = zone == TM_BULK ? (enum tm_class_place)tm_class_place[tm_class_of(g)] : TM_CLASS_ANY;

	return place == TM_CLASS_PMEM && tm_quota_free() > tm.quota / TIGHT ? TM_CLASS_ANY : place;
}

// The frame that is mapped at an empty granule goes back, for DRAM that is counted already. False: it stays.
static bool leave_frame(size_t g)
{
	struct tm_granule *t = &tm.table[g];
	uint32_t frame = t->frame;

	if (!tm_make_anonymous(g, 1, PROT_READ | PROT_WRITE))
		return false;
	tm_set(g, TM_EMPTY, TM_NO_FRAME, t->flags & ~(unsigned)TM_AHEAD);
	tm_frames_give(frame, 1);
	return true;
}

// Gives an empty granule its tier; need: how many in all are about to be asked for. False: no room anywhere.
static bool place(size_t g, size_t need)
{
	struct tm_granule *t = &tm.table[g];
	enum tm_zone zone = tm_zone_of(g);
	enum tm_class_place class = class_place(g, zone);
	bool cold = class == TM_CLASS_PMEM;

	if (class == TM_CLASS_DRAM && t->flags & TM_AHEAD && tm_quota_take_reserve(zone, 1)) {
		if (leave_frame(g)) {
			t->state = TM_DRAM;
			return true;
		}
		tm_quota_give(zone, 1);
	}
	if (!(t->flags & TM_AHEAD)) {
		bool dram = !cold && (class == TM_CLASS_DRAM ? tm_quota_take_reserve(zone, 1) : tm_quota_take(zone, 1));
		if (!dram && !cold && tm.quota)
			tm_kick(zone <= TM_BUFFER || class == TM_CLASS_DRAM);
		if (!dram && !map_ahead(g, need, cold ? 0 : AHEAD_BYTES)) { // what comes behind may be of another class
			dram = tm_quota_take_reserve(zone, 1);
			if (!dram)
				return false;
		}
		if (dram) {
			t->state = TM_DRAM; // not tm_set(): no mapping changes, and this is the everyday path
			return true;
		}
	}
	if (t->flags & TM_STALE && !tm_pmem_anonymous())
		tm_pmem_zero(t->frame, 1);
	tm_set(g, TM_PMEM, t->frame, t->flags & ~(unsigned)TM_AHEAD);
	tm_pmem_count(zone, 1);
	tm.count.spilled += !cold;
	return true;
}

// Takes memory out of use, the granules of [addr, end) that nothing else uses any more. tm_lock held.
static void release(uintptr_t addr, uintptr_t end)
{
	size_t last = tm_index(end - 1);

	for (size_t g = tm_index(addr); g <= last;) {
		struct tm_granule *t = &tm.table[g];
		enum tm_zone zone = tm_zone_of(g);
		uint16_t pages = tm_pages_in(g, addr, end);
		if (t->live > pages) { // the rest of it stays in use
			uintptr_t from = (uintptr_t)tm_address(g) > addr ? (uintptr_t)tm_address(g) : addr;
			if (t->state == TM_INHERITED)
				tm_share_empty((void *)from, (size_t)pages * TM_PAGE);
			else if (t->state == TM_DRAM || tm_pmem_anonymous())
				tm_os_madvise((void *)from, (size_t)pages * TM_PAGE, MADV_DONTNEED);
			else if (t->state == TM_PMEM && tm_pmem_aliased())
				memset(tm_pmem_address(t->frame) + (from & (tm.granule - 1)), 0,
				       (size_t)pages * TM_PAGE);
			t->live = (uint16_t)(t->live - pages);
			g++;
			continue;
		}
		// A run of granules of the same tier, all of them free now.
		uint8_t state = t->state;
		size_t n = 0;
		while (g + n <= last && tm.table[g + n].state == state &&
		       tm.table[g + n].live <= tm_pages_in(g + n, addr, end))
			n++;
		if (state == TM_PMEM || state == TM_SHARED)
			tm_pmem_count(zone, -(int64_t)n);
		if (state == TM_SHARED)
			tm_share_drop(g, n);
		else if (state == TM_INHERITED)
			tm_share_empty(tm_address(g), n << tm.shift);
		else if (state != TM_PMEM || tm_pmem_anonymous())
			tm_os_madvise(tm_address(g), n << tm.shift, MADV_DONTNEED);
		if (state == TM_DRAM)
			tm_quota_give(zone, n);
		bool unmapped = state != TM_PMEM || tm_make_anonymous(g, n, PROT_READ | PROT_WRITE);
		for (size_t i = g; i < g + n; i++) {
			tm.table[i].live = 0;
			if (tm.advised)
				tm.note[i] &= (uint16_t)~TM_NOTE_ADVICE;
			if (unmapped && state == TM_PMEM) {
				tm_pmem_discard(tm.table[i].frame, 1);
				tm_frames_give(tm.table[i].frame, 1);
			}
			unsigned flags =
				(tm.table[i].flags & TM_PINNED) | TM_STALE | (unmapped ? 0 : TM_AHEAD);
			tm_set(i, TM_EMPTY, unmapped ? TM_NO_FRAME : tm.table[i].frame, flags);
		}
		g += n;
	}
}

bool tm_commit(uintptr_t addr, size_t size)
{
	uintptr_t end = addr + size;
	size_t last = tm_index(end - 1);

	if (tm.child) {
		tm_child_commit(addr, size);
		return true;
	}
	tm_lock();
	tm.count.commits++;
	for (size_t g = tm_index(addr); g <= last; g++) {
		struct tm_granule *t = &tm.table[g];
		if (t->state == TM_EMPTY && !place(g, last - g + 1)) {
			if (g > tm_index(addr))
				release(addr, (uintptr_t)tm_address(g));
			tm_unlock();
			return false;
		}
		t->live = (uint16_t)(t->live + tm_pages_in(g, addr, end));
	}
	tm_unlock();
	return true;
}

bool tm_decommit(uintptr_t addr, size_t size)
{
	uintptr_t end = addr + size;
	size_t last = tm_index(end - 1);

	if (tm.child) {
		tm_child_decommit(addr, size);
		return true;
	}
	tm_lock();
	for (size_t g = tm_index(addr); g <= last; g++) {
		// A hint or a share ends, a move is waited for (it is short, and needs none of jemalloc's locks): what is refused here,
		// jemalloc never offers again.
		struct tm_granule *t = &tm.table[g];
		if (t->state == TM_SHARED && !tm_share_forking() && t->live <= tm_pages_in(g, addr, end))
			continue; // all of it goes: nothing to copy
		if (tm_settle(g)) {
			tm_wait();
			g = tm_index(addr) - 1; // others may be on their way by now
			continue;
		}
		uint8_t state = tm.table[g].state;
		if ((state != TM_DRAM && state != TM_PMEM && state != TM_INHERITED) || (state == TM_PMEM && !tm_pmem_aliased() && !tm_pmem_anonymous())) {
			tm_unlock();
			return false;
		}
	}
	release(addr, end);
	tm_unlock();
	return true;
}
