// The fault thread. It must always be able to go back to reading, because an mremap of a promotion waits until its report has
// been read: it takes tm_lock only, which nobody holds across such an mremap.
//
// A report means, by the granule's state: TM_UNTOUCHED, the first touch of captured mmap memory: place it, and a run of
// neighbours at once. TM_HINT_*: put it back. TM_SHARED: it gets memory of its own. TM_MOVING, TM_FROZEN: who moves it will wake the thread that waits; note
// the touch. Otherwise it has been dealt with since: wake.
#include "allocator/uffd.h"
#include "allocator/core.h"
#include "allocator/fork.h"
#include "allocator/frames.h"
#include "allocator/hint.h"
#include "allocator/note.h"
#include "allocator/share.h"
#include "allocator/sim_link.h"
#include "allocator/tier_pmem.h"

#include <errno.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>

#define ZERO_BYTES ((size_t)4 << 20)
#define RUN_MAX	   ((size_t)2 << 20)
#define RUN_MIN	   ((size_t)64 << 10)

static char *zeros; // never written
static size_t last_end, run_bytes = RUN_MIN;
static _Atomic uint64_t hint_cpu_ns;
static atomic_bool serves;

uint64_t tm_uffd_hint_cpu_ns(void)
{
	return hint_cpu_ns;
}

bool tm_uffd_init(void)
{
	tm.uffd = tm_os_uffd(false, tm.guest);
	tm.uffd_remap = tm.uffd < 0 ? -1 : tm_os_uffd(true, true);
	if (!zeros)
		zeros = tm_os_reserve(ZERO_BYTES);
	tm.uffd_works = tm.uffd >= 0 && tm.uffd_remap >= 0 && zeros;
	return tm.uffd_works;
}

void tm_uffd_watch(size_t g, size_t n)
{
	if (!tm_os_uffd_register(tm.uffd, tm_address(g), n << tm.shift))
		return;
	for (size_t i = g; i < g + n; i++)
		tm_note_pin(i, TM_NOTE_PART);
}

void tm_uffd_forked(void)
{
	serves = false;
	if (tm.uffd >= 0)
		tm_os_close(tm.uffd);
	if (tm.uffd_remap >= 0)
		tm_os_close(tm.uffd_remap);
	tm.uffd = tm.uffd_remap = -1;
}

// Untouched granules from g on that belong in the same place, at most most.
static size_t untouched_run(size_t g, size_t most)
{
	size_t n = 0;

	while (n < most && tm.table[g + n].state == TM_UNTOUCHED &&
	       (tm.table[g + n].flags & TM_PROT) == (tm.table[g].flags & TM_PROT) &&
	       !((tm.note[g + n] ^ tm.note[g]) & (TM_NOTE_ADVICE | TM_NOTE_PART)))
		n++;
	return n;
}

// Fills memory with zeros and wakes who waits for it. One UFFDIO_COPY stays within one of the kernel's mappings, and neighbours
// with different histories are kept apart (ENOENT): then the halves, each on its own.
static void fill_zero(char *at, size_t size)
{
	if (!tm_os_uffd_copy(tm.uffd, at, zeros, size))
		return;
	if (size <= TM_PAGE) { // gone since: whoever waits tries again
		tm_os_uffd_wake(tm.uffd, at, size);
		return;
	}
	size_t half = (size / 2 + TM_PAGE - 1) & ~(TM_PAGE - 1);
	fill_zero(at, half);
	fill_zero(at + half, size - half);
}

// First touch, by thread: the granule and, when touches come in order, ever more of those behind it. What the program has treated in parts gets DRAM, over the
// quota if it must: a frame would be mapped over all parts, also over what is not ours by now. Code, which does not migrate, may have of the reserve. tm_lock held.
static void first_touch(size_t g, int thread)
{
	run_bytes = g == last_end ? (run_bytes < RUN_MAX ? run_bytes * 2 : RUN_MAX) : RUN_MIN;
	size_t n = untouched_run(g, run_bytes >> tm.shift ? run_bytes >> tm.shift : 1);
	uint32_t got, frame;
	char *at = tm_address(g);
	bool parts = tm_noted(g, TM_NOTE_PART), cold = !parts && tm_noted(g, TM_NOTE_COLD);
	bool hot = tm_noted(g, TM_NOTE_HOT) || tm_prot(&tm.table[g]) & PROT_EXEC;
	bool (*take)(enum tm_zone, uint64_t) = hot ? tm_quota_take_reserve : tm_quota_take;

	tm.count.first_touch++;
	while (!cold && n > 1 && !take(TM_MMAP, n))
		n /= 2;
	bool dram = !cold && (n > 1 || take(TM_MMAP, 1));
	if (!dram) {
		if (!cold)
			tm_kick(false);
		n = untouched_run(g, run_bytes >> tm.shift ? run_bytes >> tm.shift : 1);
		frame = parts ? TM_NO_FRAME : tm_frames_take(g, (uint32_t)n, &got);
		if (frame != TM_NO_FRAME) {
			if (!tm_pmem_anonymous())
				tm_pmem_zero(frame, got);
			for (uint32_t i = 0; i < got; i++) // before the mapping, as in place.c
				tm_set(g + i, TM_PMEM, frame + i, tm.table[g + i].flags);
			if (tm_pmem_map(at, frame, got, tm_prot(&tm.table[g]), true)) {
				tm_pmem_count(TM_MMAP, got);
				tm.count.spilled += cold ? 0 : got;
				if (tm.guest)
					tm_sim_fault(thread, got, true);
				if (tm_pmem_anonymous())
					fill_zero(at, (size_t)got << tm.shift);
				else
					tm_os_uffd_wake(tm.uffd, at, (size_t)got << tm.shift);
				last_end = g + got;
				return;
			}
			for (uint32_t i = 0; i < got; i++)
				tm_set(g + i, TM_UNTOUCHED, TM_NO_FRAME, tm.table[g + i].flags);
			tm_frames_give(frame, got);
		}
		// No PMEM for it, and a touch cannot fail: DRAM it is, over the quota, and counted as a failure.
		n = 1;
		if (!cold || !tm_quota_take(TM_MMAP, 1)) {
			tm.count.failed++;
			tm_quota_force(TM_MMAP);
		}
	}
	for (size_t i = 0; i < n; i++)
		tm_set(g + i, TM_DRAM, TM_NO_FRAME, tm.table[g + i].flags);
	last_end = g + n;
	if (tm.guest)
		tm_sim_fault(thread, n, false);
	fill_zero(at, n << tm.shift);
}

// A report of address addr, by thread; write: to a page that is read-only for now.
static void fault(uintptr_t addr, int thread, bool write)
{
	size_t g = tm_index(addr);
	struct tm_granule *t = &tm.table[g];

	if (!tm_ours(addr))
		return;
	tm_lock();
	switch ((enum tm_granule_state)t->state) {
	case TM_UNTOUCHED:
		first_touch(g, thread);
		break;
	case TM_HINT_DRAM:
	case TM_HINT_PMEM: {
		uint64_t before = tm_os_thread_cpu_ns();
		tm_hint_restore(g, true);
		hint_cpu_ns += tm_os_thread_cpu_ns() - before + 5000; // and what waking up cost
		break;
	}
	case TM_SHARED:
		tm_share_touched(g, thread);
		break;
	case TM_MOVING:
		t->flags |= TM_FAULTED; // fall through
	case TM_FROZEN:
		tm.count.waited++;
		if (write && thread == tm_fork_thread()) { // it must not wait for itself
			t->flags |= TM_FAULTED;
			tm_os_uffd_allow_writes(tm.uffd_remap, (void *)(addr & ~(TM_PAGE - 1)), TM_PAGE);
		}
		break;
	case TM_DRAM:
	case TM_PMEM:
		if (tm_zone_of(g) == TM_MMAP &&
		    (t->state == TM_DRAM || tm_pmem_anonymous())) { // a page given back by madvise within a granule, or just filled
			fill_zero((char *)(addr & ~(TM_PAGE - 1)), TM_PAGE);
			break;
		} // fall through
	default:
		tm_os_uffd_wake(tm.uffd, (void *)(addr & ~(TM_PAGE - 1)), TM_PAGE);
		tm_os_uffd_wake(tm.uffd_remap, (void *)(addr & ~(TM_PAGE - 1)), TM_PAGE);
	}
	tm_unlock();
}

bool tm_uffd_serves(void)
{
	return serves;
}

void *tm_uffd_thread(void *unused)
{
	serves = true;
	struct pollfd fds[2] = {{.fd = tm.uffd, .events = POLLIN}, {.fd = tm.uffd_remap, .events = POLLIN}};
	static struct uffd_msg messages[32];

	for (;;) {
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			return NULL;
		for (int i = 0; i < 2; i++) {
			ssize_t n = fds[i].revents & POLLIN ? read(fds[i].fd, messages, sizeof(messages)) : 0;
			for (ssize_t k = 0; k < n / (ssize_t)sizeof(messages[0]); k++) {
				if (messages[k].event == UFFD_EVENT_PAGEFAULT)
					fault(messages[k].arg.pagefault.address,
					      (int)messages[k].arg.pagefault.feat.ptid,
					      messages[k].arg.pagefault.flags & UFFD_PAGEFAULT_FLAG_WP);
			}
		}
	}
}
