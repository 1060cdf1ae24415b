// fork: the child is a static copy of all memory, whatever the PMEM device; the parent goes on being tiered.
//
// PMEM granules are shared mappings, which fork would share. What can be is copied on write (share.h: the heap, where the device has private
// mappings). The rest is copied at once: before the fork the parent detaches its PMEM granules as for a promotion (TM_FROZEN) and fills
// them with read-only copies of their frames: ordinary anonymous memory, which fork makes copy-on-write. Threads may read
// meanwhile; writes wait (userfaultfd write protection). After the fork the parent maps the frames again and wakes who
// waits; the copies are the child's alone. The price: a copy of the PMEM part in DRAM, and the time to make it.
// A write of the forking thread itself, inside libc's fork, is let through, and carried over to the frame afterwards.
//
// jemalloc's handlers take its locks before ours run (theirs are registered later) and give them back after, and ours take the slabs': nobody can wait
// for a frozen granule while holding one. No migration runs across a fork: the engine is held. The child has no threads
// of ours, and what it allocates is DRAM, not counted, until it has grown (child.h).
//
// Without userfaultfd the child copies, while the parent waits on a pipe: writes of other threads may get into the copy.
// Guest RAM is no child's (QEMU asks for MADV_DONTFORK): it is unmapped there, and nothing is copied.
// vfork and posix_spawn share memory until exec and need nothing. A raw clone() runs no handlers and shares PMEM granules.
#include "allocator/fork.h"
#include "allocator/arena.h"
#include "allocator/cell.h"
#include "allocator/child.h"
#include "allocator/core.h"
#include "allocator/direct_io.h"
#include "allocator/frames.h"
#include "allocator/guest.h"
#include "allocator/hint.h"
#include "allocator/migrate.h"
#include "allocator/mirror.h"
#include "allocator/note.h"
#include "allocator/runs.h"
#include "allocator/share.h"
#include "allocator/slab.h"
#include "allocator/tier_numa.h"
#include "allocator/tier_pmem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static int ready[2] = {-1, -1};
static _Atomic int thread;

int tm_fork_thread(void)
{
	return thread;
}

// One UFFDIO_COPY stays within one of the kernel's mappings: should a run be several, then the halves.
static void copy_readonly(size_t g, size_t n, uint32_t frame)
{
	while (tm_os_uffd_copy_readonly(tm.uffd_remap, tm_address(g), tm_pmem_address(frame), n << tm.shift)) {
		if (n > 1) {
			copy_readonly(g, n / 2, frame);
			copy_readonly(g + n / 2, n - n / 2, frame + (uint32_t)(n / 2));
			return;
		}
		tm_os_wait_for_memory(); // out of memory; the kernel will find a way or a victim
	}
}

// What tiermem_pin() pins comes back to its frame, so it may be detached; a futex would be known by another name meanwhile.
static bool detachable(size_t g)
{
	return !(tm.table[g].flags & TM_PROT) && !tm_noted(g, TM_NOTE_FUTEX | TM_NOTE_PART);
}

static void freeze(size_t g, size_t n)
{
	size_t k = 0;

	tm_lock();
	while (k < n && tm.table[g + k].state == TM_PMEM && detachable(g + k)) {
		tm_set(g + k, TM_FROZEN, tm.table[g + k].frame, tm.table[g + k].flags);
		k++;
	}
	tm_unlock();
	if (k && tm_detach(g, k)) {
		tm_each_frame_run(g, k, copy_readonly);
	} else if (k) { // no detaching: shared until the child has copied
		tm_lock();
		for (size_t i = g; i < g + k; i++)
			tm_set(i, TM_PMEM, tm.table[i].frame, tm.table[i].flags);
		tm_unlock();
	}
	if (k + 1 < n)
		freeze(g + k + 1, n - k - 1);
}

static void map_frames(size_t g, size_t n, uint32_t frame)
{
	for (size_t i = 0; i < n; i++) {
		if (tm.table[g + i].flags & TM_FAULTED)
			tm_pmem_store(frame + (uint32_t)i, tm_address(g + i), 1);
	}
	while (!tm_pmem_map(tm_address(g), frame, (uint32_t)n, PROT_READ | PROT_WRITE, false))
		tm_os_wait_for_memory();
	for (size_t i = g; i < g + n; i++)
		tm_set(i, TM_PMEM, tm.table[i].frame, tm.table[i].flags & ~(unsigned)TM_FAULTED);
}

static void thaw(size_t g, size_t n)
{
	tm_lock();
	tm_each_frame_run(g, n, map_frames);
	tm_os_uffd_wake(tm.uffd_remap, tm_address(g), n << tm.shift);
	tm_changed();
	tm_unlock();
}

static bool any_shared;

static void note_shared(size_t g, size_t n)
{
	any_shared = true;
}

static void before(void)
{
	tm_slab_lock_all();
	tm_cell_lock();
	if (tm.child)
		return;
	tm_engine_take();
	tm_hint_expire(0);
	if (!tm.count.total[1] || tm.guest || tm_pmem_anonymous()) // guest RAM is not for children; nodes' memory the kernel copies on write
		return;
	thread = tm_os_thread_id();
	if (tm.uffd_works && tm.engine_on) {
		tm_share_before();
		tm_each_run(TM_PMEM, freeze);
	}
	any_shared = false;
	tm_each_run(TM_PMEM, note_shared); // not movable, or no userfaultfd
	if (any_shared && pipe2(ready, O_CLOEXEC))
		tm_die("fork: %s", strerror(errno));
}

static void after_in_parent(void)
{
	char byte;

	if (tm.child) {
		tm_cell_unlock();
		tm_slab_unlock_all();
		return;
	}
	if (ready[0] >= 0) {
		close(ready[1]);
		while (read(ready[0], &byte, 1) < 0 &&
		       errno == EINTR) // its end: the child has copied, or is gone
			continue;
		close(ready[0]);
		ready[0] = ready[1] = -1;
	}
	tm_each_run(TM_FROZEN, thaw);
	tm_share_after();
	thread = 0;
	tm_engine_give();
	tm_cell_unlock();
	tm_slab_unlock_all();
}

// Replaces shared memory of a PMEM granule, [at, at + size), by a copy of it.
static void copy(size_t g, uintptr_t at, size_t size, int prot)
{
	while (!tm_os_anonymous((void *)at, size, PROT_READ | PROT_WRITE))
		tm_os_wait_for_memory();
	memcpy((void *)at, tm_pmem_address(tm.table[g].frame) + (at & (tm.granule - 1)), size);
	if (prot != (PROT_READ | PROT_WRITE))
		tm_os_mprotect((void *)at, size, prot);
}

static bool any_parts;
static uint64_t inodes[TM_PMEM_DEVICES]; // (Not the devices' numbers: some file systems show another one in /proc.)

static void copy_shared(size_t g, size_t n)
{
	for (size_t i = g; i < g + n; i++) {
		if (tm_noted(i, TM_NOTE_PART))
			any_parts = true;
		else
			copy(i, (uintptr_t)tm_address(i), tm.granule, tm_prot(&tm.table[i]));
	}
}

// Of granules that the program has treated in parts only the kernel knows which pages are frames still, and with which protection: of a mapping
// of a file, from an offset on, the pages that are.
static void copy_parts(uintptr_t start, uintptr_t end, uint64_t inode, uint64_t offset, int prot)
{
	for (uintptr_t at = start, to; at < end; at = to) {
		size_t g = tm_index(at);
		uint64_t in_frame = at & (tm.granule - 1);
		uint32_t frame = tm.table[g].frame;
		to = (uintptr_t)tm_address(g + 1) < end ? (uintptr_t)tm_address(g + 1) : end;
		if (tm.table[g].state == TM_PMEM && tm_noted(g, TM_NOTE_PART) &&
		    inode == inodes[tm_pmem_device(frame)] && offset + (at - start) == tm_pmem_offset(frame) + in_frame)
			copy(g, at, to - at, prot);
	}
}

// Calls it for every mapping of a file within the zones.
static void copy_all_parts(void)
{
	static char text[1 << 14];
	int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	size_t kept = 0;
	struct stat st;
	ssize_t n;

	for (unsigned i = 0; i < tm_pmem.devices; i++) {
		if (fd < 0 || fstat(tm_pmem.device[i].fd, &st))
			tm_die("fork: /proc/self/maps: %s", strerror(errno)); // or parent and child would share memory
		inodes[i] = st.st_ino;
	}
	while ((n = read(fd, text + kept, sizeof(text) - 1 - kept)) > 0) {
		char *line = text, *end;
		text[kept += (size_t)n] = 0;
		for (; (end = strchr(line, '\n')); line = end + 1) {
			unsigned long long from, to, offset, inode;
			char access[5];
			if (sscanf(line, "%llx-%llx %4s %llx %*x:%*x %llu", &from, &to, access, &offset, &inode) == 5 &&
			    access[3] == 's' && tm_ours(from))
				copy_parts(from, to, inode, offset,
					   (access[0] == 'r' ? PROT_READ : 0) | (access[1] == 'w' ? PROT_WRITE : 0) |
						   (access[2] == 'x' ? PROT_EXEC : 0));
		}
		kept = strlen(line);
		memmove(text, line, kept);
	}
	close(fd);
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
	tm_cell_lock_reset();
	tm_slab_locks_reset();
	tm_arenas_reset();
	if (tm.child)
		return;
	tm.child = true;
	tm.engine_on = false;
	thread = 0;
	tm_locks_reset();
	tm_engine_reset();
	tm_io_reset();
	if (tm.guest) {
		tm_guest_forget();
	} else if (tm_pmem_anonymous()) {
		tm_numa_bind((void *)tm.base, tm.bytes, false); // what is there stays where it is
	} else if (tm_frames_used()) { // of granules in use, or ahead of use
		tm_share_in_child();
		any_parts = false;
		tm_each_run(TM_PMEM, copy_shared);
		if (any_parts)
			copy_all_parts();
		tm_each_run(TM_EMPTY, unmap_ahead);
	}
	tm_child_forked();
	if (ready[0] >= 0) {
		close(ready[0]);
		close(ready[1]);
		ready[0] = ready[1] = -1;
	}
}

void tm_fork_init(void)
{
	pthread_atfork(before, after_in_parent, in_child);
}
