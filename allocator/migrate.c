// Migration, correct under concurrent access by any thread and by the kernel (read(2) into the heap).
//
// Demote: register the granules with userfaultfd (missing pages wait from now on); mremap(MREMAP_DONTUNMAP) moves the
// pages to staging in one step, so later accesses find them missing and wait; copy staging to the frames; map the frames
// over the granules, which ends the registration; wake who waits; drop staging.
// Promote: mremap puts empty, registered memory over the granules (mirror.h; in one step: frame before, missing after); UFFDIO_COPY fills it from the frames' alias and wakes; unregister; frames are free.
// The mremap of a promotion returns only when the fault thread has read the report: never hold tm_lock across it.
//
// NUMA nodes: the kernel moves the pages (tier_numa.h); who touches one meanwhile waits there.
//
// Pages that a device reads or writes (direct_io.h), and those that hold a futex that is not process-private (pin.h), are left alone.
#include "allocator/migrate.h"
#include "allocator/core.h"
#include "allocator/direct_io.h"
#include "allocator/frames.h"
#include "allocator/mirror.h"
#include "allocator/note.h"
#include "allocator/sim_link.h"
#include "allocator/tier_numa.h"
#include "allocator/tier_pmem.h"
#include "allocator/uffd.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#define RUN_BYTES    ((size_t)256 << 10)

static pthread_mutex_t engine = PTHREAD_MUTEX_INITIALIZER;
static atomic_int engine_wanted; // how many wait for it
static char *stage;		 // where demoted pages wait to be copied
static size_t run;

bool tm_migrate_init(void)
{
	run = RUN_BYTES >> tm.shift ? RUN_BYTES >> tm.shift : 1;
	// Granule-aligned addresses let the kernel move page tables, not entries.
	char *p = tm_os_reserve(2 * ((size_t)4 << 20));
	if (!p)
		return false;
	p = (char *)(((uintptr_t)p + ((size_t)4 << 20) - 1) & ~(((uintptr_t)4 << 20) - 1));
	if (tm.huge_unasked) // with a quota or not: it may get one
		tm_os_madvise(p, (size_t)4 << 20, MADV_NOHUGEPAGE);
	stage = p;
	tm_migrate_register();
	return true;
}

void tm_migrate_register(void)
{
	if (!tm.uffd_works || tm_mirror_register())
		return;
	tm_log("userfaultfd cannot register memory: no migration");
	tm.uffd_works = false;
}

size_t tm_migrate_run(void)
{
	return run;
}

void tm_engine_take(void)
{
	engine_wanted++;
	pthread_mutex_lock(&engine);
	engine_wanted--;
}

bool tm_engine_wanted(void)
{
	return engine_wanted;
}

void tm_engine_give(void)
{
	pthread_mutex_unlock(&engine);
}

void tm_engine_reset(void)
{
	pthread_mutex_t fresh = PTHREAD_MUTEX_INITIALIZER;
	engine = fresh;
	engine_wanted = 0;
}

// Length of the run of movable granules of one state and zone at g. tm_lock held.
static size_t same_run(size_t g, size_t n, enum tm_granule_state state)
{
	size_t i = 0;

	while (i < n && i < run && tm.table[g + i].state == state && tm_movable(&tm.table[g + i]) &&
	       tm_zone_of(g + i) == tm_zone_of(g) &&
	       !tm_io_busy((uintptr_t)tm_address(g + i), (uintptr_t)tm_address(g + i + 1)))
		i++;
	return i;
}

// Undoes or completes a move: sets the state of n granules, with frames from first or none. tm_lock held.
static void settle(size_t g, size_t n, enum tm_granule_state state, uint32_t first)
{
	for (size_t i = 0; i < n; i++) {
		uint32_t frame = first == TM_NO_FRAME ? TM_NO_FRAME : first + (uint32_t)i;
		tm_set(g + i, state, frame, tm.table[g + i].flags & ~(unsigned)TM_FAULTED);
	}
	tm_changed();
}

// Moves the pages of n granules at `at` to staging, in one call, or one by one if the kernel has several mappings there.
// Returns how many moved.
static size_t to_stage(char *at, size_t n)
{
	size_t i = 0;

	if (!tm_os_move_pages(at, n << tm.shift, stage))
		return n;
	while (n > 1 && i < n && !tm_os_move_pages(at + (i << tm.shift), tm.granule, stage + (i << tm.shift)))
		i++;
	return i;
}

void tm_put_back(size_t g, char *from)
{
	char *at = tm_address(g);
	size_t copied = 0;

	while (copied < tm.granule) {
		// Only as a whole: once the program has the first page it may write it.
		if (!copied && !tm_os_move_pages(from, tm.granule, at))
			return;
		if (!tm_os_uffd_copy(tm.uffd, at + copied, from + copied, TM_PAGE))
			copied += TM_PAGE;
		else
			tm_os_wait_for_memory();
	}
	tm_os_uffd_unregister(tm.uffd, at, tm.granule);
	tm_os_madvise(from, tm.granule, MADV_DONTNEED);
}

// Undoes to_stage(): the pages go back to where they were.
static void from_stage(size_t g, size_t n)
{
	for (size_t i = 0; i < n; i++)
		tm_put_back(g + i, stage + (i << tm.shift));
	tm_lock();
	if (tm_zone_of(g) == TM_MMAP)
		tm_uffd_watch(g, n);
	tm_unlock();
}

// Moves granules that are TM_MOVING to frames. Returns how many of them, the first ones.
static size_t to_frames(size_t g, size_t n, uint32_t frame)
{
	size_t bytes = n << tm.shift, moved;
	char *at = tm_address(g);

	moved = tm_os_uffd_register(tm.uffd, at, bytes) ? 0 : to_stage(at, n);
	if (moved) {
		if (tm.had_huge) // splits them: a part of one that is given back is free only when all of it is
			tm_os_madvise(stage, bytes, MADV_COLD);
		tm_pmem_store(frame, stage, (uint32_t)moved);
		if (!tm_pmem_map(at, frame, (uint32_t)moved, PROT_READ | PROT_WRITE, false)) {
			from_stage(g, moved);
			moved = 0;
		}
		tm_os_uffd_wake(tm.uffd, at, bytes);
		tm_os_madvise(stage, bytes, MADV_DONTNEED);
	}
	if (moved < n && tm_zone_of(g) != TM_MMAP)
		tm_os_uffd_unregister(tm.uffd, at + (moved << tm.shift), bytes - (moved << tm.shift));
	return moved;
}

// Whoever touched a missing page of a captured mapping meanwhile tries again. tm_lock held.
static void wake(size_t g, size_t n)
{
	if (tm_pmem_anonymous() && tm_zone_of(g) == TM_MMAP)
		tm_os_uffd_wake(tm.uffd, tm_address(g), n << tm.shift);
}

// Moves granules that are TM_MOVING between nodes: all or none. Pages that come meanwhile are already where they belong.
static size_t to_node(size_t g, size_t n, bool far)
{
	size_t bytes = n << tm.shift;
	char *at = tm_address(g);
	bool ok = tm_numa_bind(at, bytes, far);

	if (ok && !tm_numa_move(at, bytes, far)) {
		tm_numa_bind(at, bytes, !far);
		ok = false;
	}
	return ok ? n : 0;
}

size_t tm_demote(size_t g, size_t n)
{
	uint32_t got, frame;
	enum tm_zone zone = tm_zone_of(g);

	tm_lock();
	tm_keep_small();
	n = same_run(g, n, TM_DRAM);
	if (!n || !tm_mappings_allow(g, n) ||
	    (frame = tm_frames_take(g, (uint32_t)n, &got)) == TM_NO_FRAME) {
		tm.count.failed += n != 0;
		tm_unlock();
		return 0;
	}
	n = got;
	for (size_t i = 0; i < n; i++)
		tm_set(g + i, TM_MOVING, TM_NO_FRAME, tm.table[g + i].flags);
	tm_unlock();

	size_t moved = tm_pmem_anonymous() ? to_node(g, n, true) : to_frames(g, n, frame);

	tm_lock();
	if (moved) {
		settle(g, moved, TM_PMEM, frame);
		tm_quota_give(zone, moved);
		tm_pmem_count(zone, (int64_t)moved);
		tm.count.demoted += moved;
	}
	if (moved < n) {
		settle(g + moved, n - moved, TM_DRAM, TM_NO_FRAME);
		tm_frames_give(frame + (uint32_t)moved, (uint32_t)(n - moved));
		tm.count.failed++;
	}
	wake(g, n);
	tm_unlock();
	if (moved && tm.guest)
		tm_sim_moved(g, moved, false);
	return moved;
}

// Moves granules that are TM_MOVING away from their frames.
static bool from_frames(size_t g, size_t n)
{
	char *at = tm_address(g);

	bool ok = tm_detach(g, n);
	for (size_t i = 0, k; ok && i < n; i += k) {
		uint32_t first = tm.table[g + i].frame;
		for (k = 1; i + k < n && tm_pmem_follows(tm.table[g + i + k - 1].frame, tm.table[g + i + k].frame); k++)
			continue;
		// Out of memory is the only failure; there is no way back once somebody may have written.
		while (tm_os_uffd_copy(tm.uffd_remap, at + (i << tm.shift), tm_pmem_address(first),
				       k << tm.shift))
			tm_os_wait_for_memory();
	}
	if (ok)
		tm_os_uffd_unregister(tm.uffd_remap, at, n << tm.shift);
	return ok;
}

size_t tm_promote(size_t g, size_t n)
{
	enum tm_zone zone = tm_zone_of(g);
	bool (*take)(enum tm_zone, uint64_t) =
		tm_noted(g, TM_NOTE_HOT) ? tm_quota_take_reserve : tm_quota_take;

	tm_lock();
	n = same_run(g, n, TM_PMEM);
	while (n && !take(zone, n))
		n /= 2;
	if (!n || !tm_mappings_allow(g, n)) {
		if (n) {
			tm_quota_give(zone, n);
			tm.count.failed++;
		}
		tm_unlock();
		return 0;
	}
	// The frames stay in the table, but nothing is mapped: only this thread looks at them now.
	for (size_t i = 0; i < n; i++)
		tm_set(g + i, TM_MOVING, tm.table[g + i].frame, tm.table[g + i].flags);
	tm_unlock();

	bool ok = tm_pmem_anonymous() ? to_node(g, n, false) : from_frames(g, n);

	tm_lock();
	if (ok && zone == TM_MMAP && !tm_pmem_anonymous())
		tm_uffd_watch(g, n);
	unsigned apart = ok && !tm_pmem_anonymous() ? tm_mirror_flag(g) : 0;
	for (size_t i = 0; i < n; i++) {
		uint32_t frame = tm.table[g + i].frame;
		if (ok) {
			tm_pmem_discard(frame, 1);
			tm_frames_give(frame, 1);
		}
		tm_set(g + i, ok ? TM_DRAM : TM_PMEM, ok ? TM_NO_FRAME : frame,
		       (tm.table[g + i].flags & ~(unsigned)TM_FAULTED) | apart);
	}
	if (ok) {
		tm_pmem_count(zone, -(int64_t)n);
		tm.count.promoted += n;
	} else {
		tm_quota_give(zone, n);
		tm.count.failed++;
	}
	wake(g, n);
	tm_changed();
	tm_unlock();
	if (ok && tm.guest)
		tm_sim_moved(g, n, true);
	return ok ? n : 0;
}
