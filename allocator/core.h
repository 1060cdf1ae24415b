// The concepts of the allocator, one page.
//
//   zone     a range of reserved address space for one kind of memory: small allocations and hash tables,
//            buffers, bulk values (the heap, jemalloc's), and the program's own anonymous mappings (mmap).
//   granule  the unit that has a tier and migrates: a power of two, 4 KiB to 4 MiB. struct tm_granule, one per
//            granule of reserved address space, 8 bytes, in one lazily touched table.
//   tier     DRAM: private anonymous memory at the granule's address. PMEM: a frame mapped there, shared.
//   frame    a granule-sized piece of the PMEM device; `alias` maps the whole device for copying.
//   quota    DRAM granules the program may hold: tm_quota_take() before, never after, a granule becomes DRAM.
//
// Locking. tm_lock() protects the table, counters and frames; it is held for short system calls (mmap, madvise,
// UFFDIO_COPY), never while calling jemalloc, never while touching managed memory, and never across an mremap that
// userfaultfd reports, because the fault thread, which must read that report, takes it too. Order: jemalloc's
// locks, engine mutex (who migrates), tm_lock. A granule whose pages are on their way is TM_MOVING (the mover is
// the only one to change it), or TM_HINT_* / TM_FROZEN / TM_SHARED (detached on purpose); others end that with tm_settle(), or
// wait with tm_wait().
#ifndef TIERMEM_CORE_H
#define TIERMEM_CORE_H

#include "allocator/options.h"
#include "allocator/os.h"

#include <pthread.h>
#include <stdatomic.h>

enum tm_zone { TM_SMALL, TM_BUFFER, TM_BULK, TM_MMAP, TM_ZONES };

enum tm_granule_state {
	TM_EMPTY,     // no memory (TM_AHEAD: a frame is mapped already, for the next commit)
	TM_UNTOUCHED, // mmap zone: the program may touch it, userfaultfd will tell
	TM_DRAM,
	TM_PMEM,
	TM_MOVING,    // a migration is under way
	TM_HINT_DRAM, // detached to see when it is touched; pages in a hint slot
	TM_HINT_PMEM, // the same; contents in its frame
	TM_FROZEN,    // PMEM, detached while a forked child copies it
	TM_SHARED,    // PMEM, detached as long as forked children have its frame (share.h)
	TM_FOREIGN,   // mmap zone: the program mapped something of its own over it
	TM_INHERITED, // in a forked child: anonymous memory, its parent's or from before it was managed; stays, and no quota counts it
};

enum tm_granule_flag {
	TM_AHEAD = 1,	 // TM_EMPTY with a frame mapped
	TM_STALE = 2,	 // was in use before: memory must be zero when it comes back
	TM_PINNED = 4,	 // does not migrate; note.h knows why
	TM_FAULTED = 8,	 // somebody touched it while it was TM_MOVING
	TM_APART = 0x80, // DRAM that the kernel keeps in another mapping than DRAM beside it that is not so (mirror.h)
	TM_PROT =
		0x70, // mmap zone: the protection, exclusive-or read+write, times 16; other than 0: does not migrate
};

struct tm_granule {
	uint32_t frame;
	uint16_t live; // heap: pages in use
	uint8_t state;
	uint8_t flags;
};

#define TM_NO_FRAME UINT32_MAX

struct tm_counters {
	uint64_t granules[2][TM_ZONES]; // [0] DRAM, [1] PMEM
	uint64_t total[2], peak[2];
	uint64_t promoted, demoted, failed;
	uint64_t first_touch, hint, waited;
	uint64_t commits; // ever; tells whether the program still grows
	uint64_t spilled; // granules that went to PMEM for want of DRAM, ever
};

struct tm_core {
	bool managed;	       // this process is tiered (else everything passes through)
	bool child;	       // a forked child that is not managed: no threads, all anonymous (child.h)
	bool adopted;	       // it was one
	bool uffd_works;       // migration and mmap capture are possible
	atomic_bool engine_on; // threads run
	pid_t pid;
	unsigned shift; // of the granule
	size_t granule;
	uintptr_t base; // of zone 0; zones follow each other
	size_t zone_bytes;
	size_t bytes; // of all zones, and of the far area if there is one (far.h)
	uintptr_t mmap_floor, far_floor; // captured mappings are from there on; what is below is inherited
	struct tm_granule *table;
	uint64_t quota; // granules, TM_UNLIMITED for none
	uint64_t quota_bytes;
	uint64_t pool_dram; // bytes that all processes with the same PMEM may hold together, TM_UNLIMITED for any
	bool huge_unasked; // the kernel uses transparent huge pages wherever it can
	bool no_huge;	   // keep them out
	bool had_huge;	   // not from the beginning: pages may be parts of one
	bool early;	   // a quota, and not half of it is taken, and nothing has moved: the heap may have huge pages (tm_keep_small())
	bool grown_up;	   // nothing was committed for a while: the reserve is not needed
	bool heap;	   // malloc's memory is managed
	bool guest;	   // underneath a VM: guest RAM is (guest.h), and nothing else
	uint64_t vmas;	   // our estimate of mappings beyond the first ones
	uint64_t vmas_max;
	int uffd, uffd_remap;		  // without and with UFFD_FEATURE_EVENT_REMAP
	_Atomic uintptr_t bump[TM_ZONES]; // next unused address
	struct tm_counters count;
	const char *value[TM_OPTIONS]; // option values as text
	uint16_t *note;		       // note.h, one per granule
	bool advised;		       // there has been advice in it
	uint64_t pinned;	       // granules that tiermem_pin() holds
};

extern struct tm_core tm;

void tm_lock(void);
void tm_unlock(void);
// Waits, with tm_lock held, until some granule's state changed.
void tm_wait(void);
// Tells those in tm_wait().
void tm_changed(void);
// Fresh locks in a forked child.
void tm_locks_reset(void);

// Reserves the zones, the far area if that is wanted and to be had, and the table. False: no address space.
bool tm_granules_init(uint64_t zone_bytes, bool far);

static inline bool tm_ours(uintptr_t addr)
{
	return addr - tm.base < tm.bytes;
}
static inline size_t tm_index(uintptr_t addr)
{
	return (addr - tm.base) >> tm.shift;
}
static inline void *tm_address(size_t g)
{
	return (void *)(tm.base + (g << tm.shift));
}
enum tm_zone tm_zone_of(size_t g);
// Keeps huge pages out of a range where the kernel would use them unasked and the quota counts granules.
void tm_no_huge(void *addr, size_t size);
// The same for all of the zones, when a process without a quota gets one or half of the quota is taken, and before memory moves. tm_lock held.
void tm_keep_small(void);
// Whether what the kernel may have filled in, counted or not, can be more than half of the quota.
bool tm_half_taken(void);
// Replaces what is mapped at n granules by untouched anonymous memory.
bool tm_make_anonymous(size_t g, size_t n, int prot);
// First granule of a zone and the first beyond what it has handed out (without the far area).
size_t tm_zone_first(enum tm_zone zone);
size_t tm_zone_end(enum tm_zone zone);
// Address space of a zone that nothing has used yet; 0: there is no more. Lock-free.
uintptr_t tm_zone_take(enum tm_zone zone, size_t size, size_t alignment);
// Where what core dumps contain of a heap zone ends: behind all that is in use.
uintptr_t tm_zone_shown(enum tm_zone zone);

// All that a zone has handed out, for who walks it: the zone itself and, of captured mappings, used blocks of the far area. In spans, first to last:
// [*first, *end) is the k-th; false: there are no more. By number: tm_zone_size() granules, of which tm_zone_granule() is the i-th. Numbers
// ascend with addresses, and change when the far area does.
bool tm_zone_span(enum tm_zone zone, size_t k, size_t *first, size_t *end);
size_t tm_zone_size(enum tm_zone zone);
size_t tm_zone_granule(enum tm_zone zone, size_t i);

// The protection of a granule's memory, and the flags that say so.
static inline int tm_prot(const struct tm_granule *t)
{
	return ((t->flags & TM_PROT) >> 4) ^ 3;
}
static inline unsigned tm_prot_flags(int prot)
{
	return (unsigned)((prot ^ 3) & 7) << 4;
}
static inline bool tm_movable(const struct tm_granule *t)
{
	return !(t->flags & (TM_PINNED | TM_PROT));
}

// Pages of [addr, end) in granule g.
static inline uint16_t tm_pages_in(size_t g, uintptr_t addr, uintptr_t end)
{
	uintptr_t from = (uintptr_t)tm_address(g), to = from + tm.granule;

	return (uint16_t)(((to < end ? to : end) - (from > addr ? from : addr)) / TM_PAGE);
}

// Changes state and frame of a granule, keeping the counters and the estimate of mappings. tm_lock held.
void tm_set(size_t g, enum tm_granule_state state, uint32_t frame, unsigned flags);
// True if a PMEM frame is mapped at the granule.
bool tm_frame_mapped(const struct tm_granule *granule);
// False if n granules from g on may not move to the other tier: the kernel would need more mappings than a process should have.
bool tm_mappings_allow(size_t g, size_t n);

// Quota. take: n granules may become DRAM and are counted as such; false: they may not.
bool tm_quota_take(enum tm_zone zone, uint64_t n);
void tm_quota_give(enum tm_zone zone, uint64_t n);
// Counts one that is DRAM whatever the quota says.
void tm_quota_force(enum tm_zone zone);
// Of processes that share a DRAM budget one that has less than its share asks for some; others that have more give way. Returns how many granules
// this one is to demote now; 0 also where it may not use more: see tm_quota_asked().
uint64_t tm_quota_yield(void);
bool tm_quota_asked(void);
// As take, into the reserve too (PMEM is full, or a policy wants it).
bool tm_quota_take_reserve(enum tm_zone zone, uint64_t n);
// DRAM granules still free, and the few that should stay free for sudden growth.
uint64_t tm_quota_free(void);
uint64_t tm_quota_slack(void);
void tm_pmem_count(enum tm_zone zone, int64_t n);

// Heap memory comes into use; false: neither tier has room. Called by jemalloc's commit hook.
bool tm_commit(uintptr_t addr, size_t size);
// Heap memory goes out of use; false: not now (a migration has it), it stays in use.
bool tm_decommit(uintptr_t addr, size_t size);

// Wakes the worker thread; cheap if it has been woken already. Not urgent: only if it sleeps without a time limit.
void tm_kick(bool urgent);

#endif
