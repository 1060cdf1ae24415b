#include "allocator/share.h"
#include "allocator/core.h"
#include "allocator/direct_io.h"
#include "allocator/fork.h"
#include "allocator/frames.h"
#include "allocator/hint.h"
#include "allocator/mirror.h"
#include "allocator/note.h"
#include "allocator/policy.h"
#include "allocator/pool_share.h"
#include "allocator/runs.h"
#include "allocator/tier_pmem.h"

#include <signal.h>
#include <string.h>
#include <sys/mman.h>

#define LOOK_NS	 UINT64_C(100000000) // between looks whether the children have gone
#define TOUCH_NS UINT64_C(10000000)  // the same, when something is touched
#define BLOCK_BYTES ((size_t)256 << 10) // a touch stops the program for as long as it takes to copy so much
#define OTHERS	 16 // one look in so many is at each granule

static bool forking;	 // from before() to after()
static bool blocked;	 // its signals are
static sigset_t mask;
static bool inherited;	 // it has its parent's frames mapped
static unsigned block;	 // granules that leave the children together, a power of two: each may become a mapping of its own
static uint64_t granules, copied, looked_ns;
static unsigned looks, reaped;

void tm_share_empty(void *addr, size_t size)
{
	if (inherited && tm_os_anonymous(addr, size, PROT_READ | PROT_WRITE))
		tm_no_huge(addr, size);
	else
		tm_os_madvise(addr, size, MADV_DONTNEED);
}

uint64_t tm_share_bytes(void)
{
	return granules << tm.shift;
}

uint64_t tm_share_copied_bytes(void)
{
	return copied << tm.shift;
}

void tm_share_reset(void)
{
	granules = copied = 0;
}

static bool can_share(size_t g)
{
	const struct tm_granule *t = &tm.table[g];

	return t->state == TM_PMEM && tm_movable(t) && !tm_noted(g, TM_NOTE_FUTEX | TM_NOTE_PART) &&
	       !tm_io_busy((uintptr_t)tm_address(g), (uintptr_t)tm_address(g + 1));
}

static void unblock(void)
{
	if (blocked)
		pthread_sigmask(SIG_SETMASK, &mask, NULL);
	blocked = false;
}

static void add(size_t g, size_t n, uint32_t frame)
{
	tm_share_add(frame, (uint32_t)n);
}

// Of a run of granules on PMEM, those of the heap.
static void detach(size_t g, size_t n)
{
	if (tm_zone_of(g) == TM_MMAP)
		return;
	for (size_t end = g + n, k; g < end; g += k + 1) {
		tm_lock();
		for (k = 0; g + k < end && can_share(g + k); k++)
			tm_set(g + k, TM_SHARED, tm.table[g + k].frame, tm.table[g + k].flags);
		granules += k;
		tm_unlock();
		if (!k || tm_detach(g, k))
			continue;
		tm_lock();
		for (size_t i = g; i < g + k; i++)
			tm_set(i, TM_PMEM, tm.table[i].frame, tm.table[i].flags);
		granules -= k;
		tm_unlock();
	}
}

static void add_run(size_t g, size_t n)
{
	tm_each_frame_run(g, n, add);
}

// Memory with the frame's contents, at once. (Not by UFFDIO_COPY: that is refused while an mremap waits for its report to be read, which is
// the fault thread's work, and who calls this may be that thread, or have the lock that it needs.)
static void fill(size_t g)
{
	static char *scratch;

	while (!scratch && !(scratch = tm_os_reserve(tm.granule)))
		tm_os_wait_for_memory();
	tm_no_huge(scratch, tm.granule);
	memcpy(scratch, tm_pmem_address(tm.table[g].frame), tm.granule);
	while (tm_os_move_pages(scratch, tm.granule, tm_address(g)))
		tm_os_wait_for_memory();
	tm_os_uffd_wake(tm.uffd_remap, tm_address(g), tm.granule);
}

// It has been filled, and is DRAM now, counted as such.
static void keep(size_t g)
{
	uint32_t frame = tm.table[g].frame;

	tm_set(g, TM_DRAM, TM_NO_FRAME, (tm.table[g].flags & ~(unsigned)TM_FAULTED) | TM_APART);
	tm_pmem_count(tm_zone_of(g), -1);
	tm_frames_give(frame, 1);
	granules--;
	copied++;
}

// The frames are nobody else's any more.
static void map_back(size_t g, size_t n, uint32_t frame)
{
	// The table first, as everywhere: a fork must know of what is mapped.
	for (size_t i = g; i < g + n; i++)
		tm_set(i, TM_PMEM, tm.table[i].frame, tm.table[i].flags);
	while (!tm_pmem_map(tm_address(g), frame, (uint32_t)n, PROT_READ | PROT_WRITE, false))
		tm_os_wait_for_memory();
	granules -= n;
	tm_os_uffd_wake(tm.uffd_remap, tm_address(g), n << tm.shift);
}

// DRAM for one granule, over the quota if there is no other way: a touch cannot fail.
static void to_dram(size_t g)
{
	enum tm_zone zone = tm_zone_of(g);

	if (!tm_quota_take_reserve(zone, 1)) {
		tm_quota_force(zone);
		tm.count.failed++;
	}
	fill(g);
	keep(g);
}

// Frames of their own for granules from g on, at most n. Returns for how many.
static size_t copy(size_t g, size_t n)
{
	uint32_t got, frame = tm_frames_take(g, (uint32_t)n, &got);

	if (frame == TM_NO_FRAME) {
		to_dram(g);
		return 1;
	}
	for (uint32_t i = 0; i < got; i++) {
		uint32_t old = tm.table[g + i].frame;
		tm_pmem_store(frame + i, tm_pmem_address(old), 1);
		tm_set(g + i, TM_PMEM, frame + i, tm.table[g + i].flags);
		tm_frames_give(old, 1);
	}
	while (!tm_pmem_map(tm_address(g), frame, got, PROT_READ | PROT_WRITE, false))
		tm_os_wait_for_memory();
	granules -= got;
	copied += got;
	tm_os_uffd_wake(tm.uffd_remap, tm_address(g), (size_t)got << tm.shift);
	return got;
}

// Granules from g on that are shared, or no longer shared, as g is; at most to end.
static size_t alike(size_t g, size_t end)
{
	bool shared = tm_shared(tm.table[g].frame);
	size_t n = 1;

	while (g + n < end && tm.table[g + n].state == TM_SHARED && tm_shared(tm.table[g + n].frame) == shared)
		n++;
	return n;
}

// A run gets memory of its own, or its old frames.
static void end_run(size_t g, size_t n)
{
	for (size_t end = g + n, k; g < end; g += k) {
		k = alike(g, end);
		if (tm_shared(tm.table[g].frame))
			k = copy(g, k);
		else
			tm_each_frame_run(g, k, map_back);
	}
}

void tm_share_before(void)
{
	uint64_t most = 2 * (uint64_t)tm_frames_used();

	tm_lock();
	for (block = BLOCK_BYTES >> tm.shift ? BLOCK_BYTES >> tm.shift : 1; tm.vmas + most / block > tm.vmas_max && block < 1024;)
		block *= 2;
	bool begun = block < 1024 && tm_share_begin();
	if (!begun) // the child could not have what earlier ones have
		tm_each_run(TM_SHARED, end_run);
	forking = true;
	tm_unlock();
	if (!begun)
		return;
	// A handler of the program's could run in the child before the child has its memory.
	sigset_t all;
	sigfillset(&all);
	blocked = !pthread_sigmask(SIG_SETMASK, &all, &mask);
	tm_each_run(TM_PMEM, detach);
	tm_each_run(TM_SHARED, add_run);
}

static void wake(size_t g, size_t n)
{
	for (size_t i = g; i < g + n; i++) {
		if (!(tm.table[i].flags & TM_FAULTED))
			continue;
		tm_quota_force(tm_zone_of(i));
		keep(i);
	}
	tm_os_uffd_wake(tm.uffd_remap, tm_address(g), n << tm.shift);
}

void tm_share_after(void)
{
	if (!forking)
		return;
	tm_share_close();
	tm_lock();
	forking = false;
	tm_each_run(TM_SHARED, wake);
	tm_changed();
	tm_unlock();
	unblock();
	if (granules)
		tm_kick(true);
}

static void map_private(size_t g, size_t n, uint32_t frame)
{
	while (!tm_share_map(tm_address(g), frame, (uint32_t)n))
		tm_os_wait_for_memory();
}

// What has been filled during the fork is the child's already.
static void map_run(size_t g, size_t n)
{
	for (size_t end = g + n, k; g < end; g += k + 1) {
		for (k = 0; g + k < end && !(tm.table[g + k].flags & TM_FAULTED); k++)
			continue;
		if (k)
			tm_each_frame_run(g, k, map_private);
	}
	inherited = true;
}

void tm_share_in_child(void)
{
	forking = false;
	tm_each_run(TM_SHARED, map_run);
	tm_share_close();
	unblock();
}

// The block of a granule gets memory of its own, or its old frames. tm_lock held, no fork under way.
static void end_sharing(size_t g)
{
	size_t from = g, to = g + 1, first = tm_zone_first(tm_zone_of(g));
	uint64_t now = tm_os_now_ns();

	if (now - looked_ns >= TOUCH_NS) {
		tm_shares_reap();
		looked_ns = now;
	}
	while (from & (block - 1) && from > first && tm.table[from - 1].state == TM_SHARED)
		from--;
	while (to & (block - 1) && tm.table[to].state == TM_SHARED)
		to++;
	end_run(from, to - from);
	tm_changed();
}

void tm_share_touched(size_t g, int thread)
{
	if (!forking) {
		end_sharing(g);
		return;
	}
	tm.count.waited++;
	if (thread != tm_fork_thread() || tm.table[g].flags & TM_FAULTED)
		return;
	// It must not wait for itself, and the child gets what it writes.
	fill(g);
	tm.table[g].flags |= TM_FAULTED;
}

bool tm_settle(size_t g)
{
	switch ((enum tm_granule_state)tm.table[g].state) {
	case TM_HINT_DRAM:
	case TM_HINT_PMEM:
		tm_hint_restore(g, false);
		return false;
	case TM_SHARED:
		if (!forking)
			end_sharing(g);
		return forking;
	case TM_MOVING:
	case TM_FROZEN:
		return true;
	default:
		return false;
	}
}

bool tm_share_forking(void)
{
	return forking;
}

void tm_share_drop(size_t g, size_t n)
{
	while (!tm_make_anonymous(g, n, PROT_READ | PROT_WRITE))
		tm_os_wait_for_memory();
	for (size_t i = g; i < g + n; i++)
		tm_frames_give(tm.table[i].frame, 1);
	granules -= n;
}

static void map_back_run(size_t g, size_t n)
{
	for (size_t end = g + n, k; g < end; g += k) {
		k = alike(g, end);
		if (!tm_shared(tm.table[g].frame))
			tm_each_frame_run(g, k, map_back);
	}
}

uint64_t tm_share_tick(uint64_t now)
{
	if (!granules)
		return TM_FOREVER;
	tm_lock();
	looked_ns = now;
	tm_shares_reap();
	// Another process that uses the devices may have ended a share, and nothing tells of that.
	if (reaped != tm_shares_reaped() || ++looks % OTHERS == 0) {
		reaped = tm_shares_reaped();
		tm_each_run(TM_SHARED, map_back_run);
		tm_changed();
	}
	tm_unlock();
	return granules ? LOOK_NS : TM_FOREVER;
}
