// fork: the child is a static copy of all memory, whatever the PMEM device; the parent goes on being tiered.
//
// PMEM granules are shared mappings, which fork would share. devdax refuses private mappings, and a private mapping of an
// fsdax file would leave what the parent writes in DRAM outside the quota for good (userfaultfd cannot move it back).
// So, for every device alike: before the fork the parent detaches its PMEM granules as for a promotion, TM_FROZEN: its other
// threads wait if they touch one. In the child those addresses are ordinary empty memory, into which it copies the frames; the
// parent waits for that on a pipe, maps the frames again and wakes who waits. The child sees exactly the state of the
// fork, at the price of a copy; it has no threads of ours, and all that it allocates is DRAM, not counted.
// No migration runs across a fork: the engine is held from before to after. jemalloc's locks are taken after our
// handler and nothing here needs them, so that other threads may allocate meanwhile.
//
// vfork and posix_spawn share memory until exec and need nothing. A raw clone() without handlers shares PMEM granules.
#include "allocator/fork.h"
#include "allocator/core.h"
#include "allocator/frames.h"
#include "allocator/hint.h"
#include "allocator/migrate.h"
#include "allocator/tier_pmem.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static int ready[2] = {-1, -1};
static bool detached;

// Calls f for every run of neighbouring granules in a state (of those that may be detached).
static void each_run(enum tm_granule_state state, void (*f)(size_t g, size_t n))
{
	for (int z = 0; z < TM_ZONES; z++) {
		size_t end = tm_zone_end((enum tm_zone)z);
		for (size_t g = tm_zone_first((enum tm_zone)z), n; g < end; g += n ? n : 1) {
			for (n = 0; g + n < end && tm.table[g + n].state == state && tm_movable(&tm.table[g + n]); n++)
				continue;
			if (n)
				f(g, n);
		}
	}
}

static void freeze(size_t g, size_t n)
{
	tm_lock();
	size_t k = 0;
	while (k < n && tm.table[g + k].state == TM_PMEM) { // may have been freed since
		tm_set(g + k, TM_FROZEN, tm.table[g + k].frame, tm.table[g + k].flags);
		k++;
	}
	tm_unlock();
	if (!k || tm_detach(g, k))
		return;
	tm_lock(); // no detaching: shared until the child has copied
	for (size_t i = g; i < g + k; i++)
		tm_set(i, TM_PMEM, tm.table[i].frame, tm.table[i].flags);
	tm_unlock();
}

static void thaw(size_t g, size_t n)
{
	tm_lock();
	for (size_t i = 0, k; i < n; i += k) {
		uint32_t first = tm.table[g + i].frame;
		for (k = 1; i + k < n && tm.table[g + i + k].frame == first + k; k++)
			continue;
		while (!tm_pmem_map(tm_address(g + i), first, (uint32_t)k, PROT_READ | PROT_WRITE, false))
			usleep(1000);
		for (size_t j = g + i; j < g + i + k; j++)
			tm_set(j, TM_PMEM, tm.table[j].frame, tm.table[j].flags);
	}
	tm_os_uffd_wake(tm.uffd_remap, tm_address(g), n << tm.shift);
	tm_changed();
	tm_unlock();
}

static void before(void)
{
	if (tm.child)
		return;
	tm_engine_take();
	if (!tm.count.total[1])
		return;
	tm_hint_expire(0);
	if (pipe2(ready, O_CLOEXEC))
		tm_die("fork: %s", strerror(errno));
	detached = tm.uffd_works && tm.engine_on;
	if (detached)
		each_run(TM_PMEM, freeze);
}

static void after_in_parent(void)
{
	char byte;

	if (tm.child)
		return;
	if (ready[0] >= 0) {
		close(ready[1]);
		while (read(ready[0], &byte, 1) < 0 && errno == EINTR) // its end: the child has copied, or is gone
			continue;
		close(ready[0]);
		ready[0] = ready[1] = -1;
	}
	if (detached)
		each_run(TM_FROZEN, thaw);
	detached = false;
	tm_engine_give();
}

static void copy_frozen(size_t g, size_t n)
{
	for (size_t i = g; i < g + n; i++)
		memcpy(tm_address(i), tm_pmem_address(tm.table[i].frame), tm.granule);
}

// Granules that are still shared: those that came after the detaching, or could not be detached.
static void copy_shared(size_t g, size_t n)
{
	for (size_t i = g; i < g + n; i++) {
		if (tm_os_anonymous(tm_address(i), tm.granule, PROT_READ | PROT_WRITE))
			memcpy(tm_address(i), tm_pmem_address(tm.table[i].frame), tm.granule);
	}
}

static void unmap_ahead(size_t g, size_t n)
{
	for (size_t i = g; i < g + n; i++) {
		if (tm.table[i].flags & TM_AHEAD)
			tm_os_anonymous(tm_address(i), tm.granule, PROT_READ | PROT_WRITE);
	}
}

static void in_child(void)
{
	if (tm.child)
		return;
	tm.child = true;
	tm.engine_on = false;
	tm_locks_reset();
	tm_engine_reset();
	if (ready[0] < 0)
		return;
	each_run(TM_FROZEN, copy_frozen);
	each_run(TM_PMEM, copy_shared);
	each_run(TM_EMPTY, unmap_ahead);
	close(ready[0]);
	close(ready[1]);
	ready[0] = ready[1] = -1;
}

void tm_fork_init(void)
{
	pthread_atfork(before, after_in_parent, in_child);
}
