// Captured anonymous mappings. All of the zone's memory in use is registered with tm.uffd, so that the first touch of every
// granule (by the program or the kernel) is seen, counted and placed by the fault thread. A last granule may be mapped in part:
// `live` says how many of its pages are.
//
// Calls that change mappings wait until no migration has the granules. A part of a granule that is unmapped or replaced
// pins it; it is freed when the rest goes in one call.
//
// What the program reserves (PROT_NONE) is address space and no more. Granules of it are captured when they are made usable as a whole;
// one that is so in part is TM_FOREIGN. Large reservations are far (far.h), where loops skip what is not used.
#include "allocator/mmap_zone.h"
#include "allocator/core.h"
#include "allocator/far.h"
#include "allocator/frames.h"
#include "allocator/guest.h"
#include "allocator/mirror.h"
#include "allocator/mmap_reservation.h"
#include "allocator/mmap_space.h"
#include "allocator/note.h"
#include "allocator/share.h"
#include "allocator/sim_link.h"
#include "allocator/tier_pmem.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#define CAPTURE_BYTES ((size_t)64 << 10)
#define RESERVED_MOST 2 // part of the zone that reservations may have together: the rest is for mappings

bool tm_mmap_owns(const void *addr, size_t size)
{
	uintptr_t at = (uintptr_t)addr, end = tm.base + tm.bytes;
	uintptr_t start = at < tm.base + TM_ZONES * tm.zone_bytes ? tm.mmap_floor : tm.far_floor;
	return tm.managed && at - start < end - start && size <= end - at &&
	       (!tm.guest || tm_guest_owns((uintptr_t)addr, size));
}

bool tm_mmap_captures(void)
{
	return tm.engine_on && tm.uffd_works && !tm.child && !tm.guest;
}

void *tm_mmap_capture(size_t size, int prot)
{
	return tm_mmap_captures() && size >= CAPTURE_BYTES && size >= tm.granule ? tm_mmap_new(size, prot, 0)
										 : NULL;
}

void *tm_mmap_new(size_t size, int prot, unsigned note)
{
	if (size > tm.zone_bytes)
		return NULL;
	size_t n = (size + tm.granule - 1) >> tm.shift;
	tm_lock();
	tm.advised |= (note & TM_NOTE_ADVICE) != 0;
	size_t g = tm_space_take(n, false);
	void *at = g == SIZE_MAX ? NULL : tm_address(g);
	if (at && (!tm_make_anonymous(g, n, prot) || tm_os_uffd_register(tm.uffd, at, n << tm.shift))) {
		tm_space_give(g, n);
		at = NULL;
	}
	for (size_t i = 0; at && i < n; i++) {
		size_t left = size - (i << tm.shift);
		tm.table[g + i].live =
			(uint16_t)((left < tm.granule ? left + TM_PAGE - 1 : tm.granule) / TM_PAGE);
		tm_set(g + i, TM_UNTOUCHED, TM_NO_FRAME, tm_prot_flags(prot));
		tm_note_clear(g + i);
		if (note)
			tm.note[g + i] = (uint16_t)(note | (i ? 0 : TM_NOTE_FIRST));
	}
	tm_unlock();
	return at;
}

// A granule of a reservation that is not captured, whatever the program does with it.
static void give_up(size_t g)
{
	tm.table[g].live = (uint16_t)(tm.granule / TM_PAGE);
	tm_set(g, TM_FOREIGN, TM_NO_FRAME, 0);
}

void *tm_mmap_capture_reservation(size_t size)
{
	size_t n = (size + tm.granule - 1) >> tm.shift;

	if (!tm_mmap_captures() || size < CAPTURE_BYTES || size < tm.granule || size > tm.bytes)
		return NULL;
	tm_lock();
	size_t g = size >= TM_FAR_BLOCK_BYTES ? tm_space_take(n, true) : SIZE_MAX;
	if (g == SIZE_MAX && tm_reservations_near() + n <= tm.zone_bytes / RESERVED_MOST >> tm.shift)
		g = tm_space_take(n, false);
	void *at = g == SIZE_MAX ? NULL : tm_address(g);
	if (at && (!tm_make_anonymous(g, n, PROT_NONE) || !tm_reservation_add(g, n))) {
		tm_space_give(g, n);
		at = NULL;
	}
	if (at && size & (tm.granule - 1)) {
		tm_far_use(g + n - 1, 1);
		give_up(g + n - 1);
		tm.table[g + n - 1].live = (uint16_t)(((size & (tm.granule - 1)) + TM_PAGE - 1) / TM_PAGE);
	}
	tm_unlock();
	return at;
}

void *tm_mmap_reserve(size_t size)
{
	const size_t align = (size_t)4 << 20;

	if (size > tm.zone_bytes - align)
		return NULL;
	size_t n = (size + align - 1) / align * align >> tm.shift;
	tm_lock();
	size_t g = tm_space_take(n, false);
	void *at = g == SIZE_MAX ? NULL : tm_address(g);
	for (size_t i = 0; at && i < n; i++)
		tm_set(g + i, TM_FOREIGN, TM_NO_FRAME, 0);
	if (at && !tm_os_anonymous(at, n << tm.shift, PROT_NONE))
		at = NULL;
	tm_unlock();
	return at;
}

bool tm_mmap_adopt(void *addr, size_t size)
{
	size_t g = tm_index((uintptr_t)addr), n = size >> tm.shift;

	if ((uintptr_t)addr & (tm.granule - 1)) {
		errno = EINVAL;
		return false;
	}
	// The mirror's memory: what is promoted later becomes one mapping with it.
	bool ok = tm_detach(g, n) ? !tm_os_uffd_unregister(tm.uffd_remap, addr, n << tm.shift)
				  : tm_make_anonymous(g, n, PROT_READ | PROT_WRITE);
	tm_lock();
	ok = ok && !tm_os_uffd_register(tm.uffd, addr, n << tm.shift);
	for (size_t i = 0; ok && i < n; i++) {
		tm.table[g + i].live = (uint16_t)(tm.granule / TM_PAGE);
		tm_set(g + i, TM_UNTOUCHED, TM_NO_FRAME, 0);
		tm_note_clear(g + i);
	}
	tm_unlock();
	if (ok)
		tm_sim_publish(g, n);
	return ok;
}

// Waits until nobody else has any granule from first to last. tm_lock held; it is given up while waiting, so only a pass
// without waiting counts.
static void settle(size_t first, size_t last)
{
	for (size_t g = tm_far_skip(first); g <= last; g = tm_far_skip(g + 1)) {
		if (tm_settle(g)) {
			tm_wait();
			g = first - 1;
		}
	}
}

static bool only_reserved(size_t g)
{
	return tm.table[g].state == TM_EMPTY && tm_reservation_has(g);
}

// True if [addr, end) covers all that is mapped of granule g.
static bool covers(size_t g, uintptr_t addr, uintptr_t end)
{
	uintptr_t from = (uintptr_t)tm_address(g);
	return addr <= from &&
	       end >= from + (tm.table[g].state == TM_EMPTY ? tm.granule : tm.table[g].live * TM_PAGE);
}

// The granule has no memory any more; the caller changes the mapping. tm_lock held.
static void vacate(size_t g, enum tm_granule_state state, unsigned flags)
{
	struct tm_granule *t = &tm.table[g];

	if (t->state == TM_DRAM) {
		tm_quota_give(TM_MMAP, 1);
	} else if (t->state == TM_PMEM) {
		tm_pmem_count(TM_MMAP, -1);
		tm_pmem_discard(t->frame, 1);
		tm_frames_give(t->frame, 1);
	}
	tm_set(g, state, TM_NO_FRAME, flags);
}

// The granules [from, to) are out of use; far ones may have been so before.
static void give_run(size_t from, size_t to, bool foreign)
{
	if (from >= to)
		return;
	tm_make_anonymous(from, to - from, PROT_NONE);
	if (foreign)
		return;
	tm_reservation_remove(from, to - from, tm_far_has(from) ? tm_space_give : NULL);
	if (!tm_far_has(from))
		tm_space_give(from, to - from);
}

// Address space that was free and that the program maps something at: nobody else may have it before that is gone. It is not captured.
static void claimed(size_t g, size_t n)
{
	tm_far_use(g, n);
	for (size_t i = g; i < g + n; i++) {
		tm.table[i].live = 0;
		tm_set(i, TM_FOREIGN, TM_NO_FRAME, 0);
		tm_note_clear(i);
	}
}

// Granule g of [start, end) goes out of use. False: it is not freed; something of it stays.
static bool vacate_in(size_t g, uintptr_t start, uintptr_t end, bool foreign)
{
	bool reserved = only_reserved(g);

	if (foreign && tm.table[g].state == TM_EMPTY && !reserved) // free all the same: the table of what is was full
		claimed(g, 1);
	if (foreign && !reserved) { // something may be behind what was mapped of it, from now on
		size_t pages = (end - (uintptr_t)tm_address(g)) / TM_PAGE, all = tm.granule / TM_PAGE;
		pages = pages < all ? pages : all;
		tm.table[g].live = (uint16_t)(pages > tm.table[g].live ? pages : tm.table[g].live);
	}
	if ((tm.table[g].state != TM_EMPTY || reserved) && covers(g, start, end)) {
		if (reserved)
			tm.table[g].live = (uint16_t)(tm.granule / TM_PAGE);
		vacate(g, foreign ? TM_FOREIGN : TM_EMPTY, 0);
		tm_note_clear(g);
		return true;
	}
	if (reserved) { // what is left of it is not worth capturing
		give_up(g);
	} else if (tm.table[g].state != TM_EMPTY && !foreign) {
		uintptr_t from = (uintptr_t)tm_address(g), to = from + tm.granule;
		from = from > start ? from : start;
		to = to < end ? to : end;
		if (tm.table[g].state == TM_FOREIGN)
			tm_os_anonymous((void *)from, to - from, PROT_NONE);
		else
			tm_os_mprotect((void *)from, to - from, PROT_NONE);
	}
	tm_note_pin(g, TM_NOTE_PART);
	return false;
}

void tm_mmap_release(void *addr, size_t size, enum tm_mmap_next next)
{
	bool foreign = next != TM_NEXT_NOTHING;
	uintptr_t start = (uintptr_t)addr, end = (start + size + TM_PAGE - 1) & ~(TM_PAGE - 1);
	size_t first = tm_index(start), last = tm_index(end - 1), from = first;

	tm_lock();
	if (next == TM_NEXT_FOREIGN)
		tm_far_use(first, last - first + 1);
	if (start & (tm.granule - 1))
		tm_far_use(first, 1);
	if (end & (tm.granule - 1))
		tm_far_use(last, 1);
	settle(first, last);
	if (foreign)
		tm_space_claim(first, last - first + 1, claimed);
	for (size_t g = tm_far_skip(first); g <= last; g = tm_far_skip(g + 1)) {
		if (vacate_in(g, start, end, foreign))
			continue;
		give_run(from, g, foreign);
		from = g + 1;
	}
	give_run(from, last + 1, foreign);
	tm_unlock();
}

void tm_mmap_drop(void *addr, size_t size)
{
	uintptr_t start = (uintptr_t)addr, end = (start + size + TM_PAGE - 1) & ~(TM_PAGE - 1);
	size_t last = tm_index(end - 1);

	tm_lock();
	for (size_t g = tm_far_skip(tm_index(start)); g <= last; g = tm_far_skip(g + 1)) {
		struct tm_granule *t = &tm.table[g];
		uintptr_t from = (uintptr_t)tm_address(g), to = from + tm.granule;
		settle(g, g);
		bool all = tm_zone_of(g) == TM_MMAP && covers(g, start, end) && !(t->flags & TM_PINNED), parts = tm_noted(g, TM_NOTE_PART);
		from = from > start ? from : start;
		to = to < end ? to : end;
		if (t->state == TM_INHERITED) {
			tm_share_empty((void *)from, to - from);
		} else if (t->state == TM_DRAM || t->state == TM_FOREIGN) {
			tm_os_madvise((void *)from, to - from, MADV_DONTNEED);
			if (all && t->state == TM_DRAM)
				vacate(g, TM_UNTOUCHED, t->flags);
		} else if (t->state == TM_PMEM && !all && tm_pmem_anonymous()) {
			tm_os_madvise((void *)from, to - from, MADV_DONTNEED);
		} else if (t->state == TM_PMEM && !all) {
			if (parts) // which may not be of the frame
				tm_os_madvise((void *)from, to - from, MADV_DONTNEED);
			memset(tm_pmem_aliased() ? tm_pmem_address(t->frame) + (from & (tm.granule - 1)) : (char *)from, 0, to - from);
		} else if (t->state == TM_PMEM && tm_make_anonymous(g, 1, tm_prot(t))) {
			bool ok = !tm_os_uffd_register(tm.uffd, tm_address(g), tm.granule);
			vacate(g, ok ? TM_UNTOUCHED : TM_FOREIGN, t->flags);
		} else if (parts) {
			tm_os_madvise((void *)from, to - from, MADV_DONTNEED);
		}
	}
	tm_unlock();
}

// What is only reserved of a range becomes usable: it is captured, granule by whole granule. tm_lock held, before mprotect.
static void commit(uintptr_t start, uintptr_t end, int prot)
{
	size_t last = tm_index(end - 1), run = SIZE_MAX;

	tm_far_use(tm_index(start), last - tm_index(start) + 1);
	for (size_t g = tm_index(start); g <= last; g++) {
		bool reserved = only_reserved(g), whole = reserved && covers(g, start, end) &&
							  !(tm.table[g].flags & TM_PINNED);
		if (whole && run == SIZE_MAX)
			run = g;
		if (reserved && !whole)
			give_up(g);
		if (run == SIZE_MAX || (whole && g < last))
			continue;
		size_t n = (whole ? g + 1 : g) - run;
		bool ok = !tm_os_uffd_register(tm.uffd, tm_address(run), n << tm.shift);
		for (size_t i = run; i < run + n; i++) {
			give_up(i);
			if (ok)
				tm_set(i, TM_UNTOUCHED, TM_NO_FRAME, tm_prot_flags(prot));
		}
		run = SIZE_MAX;
	}
}

bool tm_mmap_renew(void *addr, size_t size, int prot)
{
	size_t first = tm_index((uintptr_t)addr), last = tm_index((uintptr_t)addr + size - 1);
	bool ours;

	if (((uintptr_t)addr & (TM_PAGE - 1)) || !tm_mmap_captures())
		return false;
	tm_lock();
	ours = tm_reservation_covers(first, last - first + 1);
	for (size_t g = tm_far_skip(first); ours && g <= last; g = tm_far_skip(g + 1))
		ours = tm.table[g].state != TM_FOREIGN && !(tm.table[g].flags & TM_PINNED);
	tm_unlock();
	if (!ours)
		return false;
	tm_mmap_drop(addr, size);
	return !tm_mmap_protect(addr, size, prot);
}

int tm_mmap_protection(const void *addr)
{
	return tm_prot(&tm.table[tm_index((uintptr_t)addr)]);
}

int tm_mmap_protect(void *addr, size_t size, int prot)
{
	uintptr_t start = (uintptr_t)addr, end = (start + size + TM_PAGE - 1) & ~(TM_PAGE - 1);
	size_t last = tm_index(end - 1);

	tm_lock();
	settle(tm_index(start), last);
	if (size && prot != PROT_NONE)
		commit(start, end, prot);
	for (size_t g = tm_far_skip(tm_index(start)); size && g <= last; g = tm_far_skip(g + 1)) {
		struct tm_granule *t = &tm.table[g];
		if (t->state == TM_EMPTY)
			continue;
		if (covers(g, start, end))
			t->flags = (uint8_t)((t->flags & ~TM_PROT) | tm_prot_flags(prot));
		else
			tm_note_pin(g, TM_NOTE_PART);
	}
	int status = tm_os_mprotect(addr, size, prot);
	tm_unlock();
	return status;
}

void tm_mmap_pin(void *addr, size_t size, bool reserved)
{
	size_t first = tm_index((uintptr_t)addr), last = tm_index((uintptr_t)addr + size - 1);

	tm_lock();
	if (reserved && size)
		tm_far_use(first, last - first + 1);
	for (size_t g = tm_far_skip(first); size && g <= last; g = tm_far_skip(g + 1)) {
		if (!reserved && only_reserved(g))
			continue;
		settle(g, g);
		tm_note_pin(g, TM_NOTE_PART);
	}
	tm_unlock();
}

void tm_mmap_copy(void *to, const void *from, size_t size)
{
	for (size_t done = 0, step; done < size; done += step) {
		uintptr_t at = (uintptr_t)from + done;
		step = tm.granule - (at & (tm.granule - 1));
		step = step < size - done ? step : size - done;
		int state = tm.table[tm_index(at)].state;
		if ((state != TM_UNTOUCHED && state != TM_EMPTY) || tm_noted(tm_index(at), TM_NOTE_PART))
			memcpy((char *)to + done, (const void *)at, step);
	}
}
