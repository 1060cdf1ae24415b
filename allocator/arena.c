// jemalloc's arenas, in sets of three: small allocations and large arrays, buffers, bulk values that are in no slab (slab.h). A thread uses one set. All go
// through the thread's automatic cache, whose bins (by size class) are filled from the arena of the request that finds one empty: so
// zones never share a page, and a free is jemalloc's short one.
//
// A thread gets its set after its first few calls of malloc: one that no thread has, or a new one, or the one with the fewest threads. So
// there are as many sets as threads that allocate at a time, and a program with one such thread has one. (jemalloc's automatic
// arenas would do that for small ones, but they are born without hooks; and each arena costs a program that asks for statistics,
// which visit all.)
//
// Extent hooks: jemalloc gets address space from our zones, 2 MiB at a time and uncommitted, and then commits exactly the
// pages it starts to use (tm_commit) and decommits them when they have been unused for its decay time (tm_decommit).
// Hooks run with jemalloc's locks held: they call nothing that allocates. jemalloc's own metadata stays outside of the zones.
#include "allocator/arena.h"
#include "allocator/child.h"
#include "allocator/core.h"
#include "allocator/front.h"
#include "allocator/jem.h"

#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define GROW_BYTES ((size_t)2 << 20)
#define TRIM_NS	   UINT64_C(1000000000)
#define TRIM_PART  16 // of the quota: less is not worth the page faults when it is used again
#define FEW_CALLS  16 // a thread that asks less often does with the first set: starting a thread takes some

struct zone_hooks {
	extent_hooks_t hooks; // first: jemalloc hands out its address
	enum tm_zone zone;
};

__thread bool tm_arena_bound;
__thread size_t tm_small_below;

// What a thread needs for the zones of their own: state 0 is a new thread.
static __thread struct {
	enum { NEW, MAKING, READY } state;
	unsigned calls, set;
	int buffer_flags, bulk_flags;
} me;

#define NO_ARENA UINT_MAX // not created yet

// Which arenas of a set exist. One thread creates them; others do not wait, since a fork meanwhile would wait for them with jemalloc's
// locks held.
enum set_state { NOTHING, CREATING_SMALL, SMALL, CREATING_REST, WHOLE };

static struct {
	unsigned small, buffer, bulk; // jemalloc's numbers
	_Atomic enum set_state state;
	atomic_int threads;
} sets[TM_ARENA_SETS];
static unsigned max_sets;
static size_t buffer_min;
static pthread_key_t key;
static char conf[128];

// The first blocks of all arenas' metadata, among the allocator's tables: nothing of it is the program's. More of it is somewhere else.
static struct {
	uintptr_t start, end;
	_Atomic uintptr_t next;
} metadata;

static void reserve_metadata(void)
{
	size_t size = (size_t)max_sets * 3 * GROW_BYTES;
	uintptr_t p = (uintptr_t)tm_os_reserve_table(size + GROW_BYTES);

	if (!p)
		return;
	metadata.next = metadata.start = (p + GROW_BYTES - 1) & ~(GROW_BYTES - 1);
	metadata.end = metadata.start + size;
}

// Metadata: outside the zones, aligned.
static void *map_aligned(size_t size, size_t alignment)
{
	uintptr_t at = metadata.next;

	while (size <= metadata.end - at && alignment <= GROW_BYTES) {
		if (atomic_compare_exchange_weak(&metadata.next, &at, (at + size + GROW_BYTES - 1) & ~(GROW_BYTES - 1)))
			return (void *)at;
	}
	char *p = tm_os_mmap(NULL, size + alignment, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	char *start = (char *)(((uintptr_t)p + alignment - 1) & ~(alignment - 1));
	if (start > p)
		tm_os_munmap(p, (size_t)(start - p));
	if (start < p + alignment)
		tm_os_munmap(start + size, (size_t)(p + alignment - start));
	return start;
}

static void *hook_alloc(extent_hooks_t *hooks, void *new_addr, size_t size, size_t alignment, bool *zero,
			bool *commit, unsigned arena)
{
	enum tm_zone zone = ((struct zone_hooks *)hooks)->zone;
	uintptr_t start;

	if (new_addr)
		return NULL;
	if (*commit && *zero && alignment == GROW_BYTES) // jemalloc's base allocator
		return map_aligned(size, alignment);
	start = tm_zone_take(zone, size, alignment);
	if (!start || (*commit && !tm_commit(start, size)))
		return NULL;
	if (*zero && *commit)
		memset((void *)start, 0, size);
	else
		*zero = false;
	return (void *)start;
}

static bool hook_commit(extent_hooks_t *hooks, void *addr, size_t size, size_t offset, size_t length,
			unsigned arena)
{
	uintptr_t start = (uintptr_t)addr + offset;
	return tm_ours(start) && !tm_commit(start, length);
}

static bool hook_decommit(extent_hooks_t *hooks, void *addr, size_t size, size_t offset, size_t length,
			  unsigned arena)
{
	uintptr_t start = (uintptr_t)addr + offset;
	return !tm_ours(start) || !tm_decommit(start, length);
}

static bool hook_split(extent_hooks_t *hooks, void *addr, size_t size, size_t a, size_t b, bool committed,
		       unsigned arena)
{
	return false;
}

static bool hook_merge(extent_hooks_t *hooks, void *a, size_t a_size, void *b, size_t b_size, bool committed,
		       unsigned arena)
{
	return tm_ours((uintptr_t)a) != tm_ours((uintptr_t)b);
}

#define HOOKS(z)                                                                                             \
	{                                                                                                    \
		.hooks = {.alloc = hook_alloc,                                                               \
			  .commit = hook_commit,                                                             \
			  .decommit = hook_decommit,                                                         \
			  .split = hook_split,                                                               \
			  .merge = hook_merge},                                                              \
		.zone = (z)                                                                                  \
	}
static struct zone_hooks zone_hooks[] = {HOOKS(TM_SMALL), HOOKS(TM_BUFFER), HOOKS(TM_BULK)};

void tm_arenas_configure(void)
{
	uint64_t n = 0;

	tm_parse_size(tm.value[TM_OPT_ARENAS], &n);
	if (!n) // as many as jemalloc's own default
		n = 4 * (uint64_t)sysconf(_SC_NPROCESSORS_ONLN);
	max_sets = n < 1 ? 1 : n > TM_ARENA_SETS ? TM_ARENA_SETS : (unsigned)n;
	// One automatic arena; no huge arena, which would be created behind our back, without hooks.
	snprintf(conf, sizeof(conf), "narenas:1,oversize_threshold:0,retain:true");
	je_malloc_conf = conf;
}

// Small steps of growth: jemalloc would double them, which is pointless with address space that is reserved.
static bool limit_growth(unsigned arena)
{
	char name[64];
	size_t limit = GROW_BYTES;

	snprintf(name, sizeof(name), "arena.%u.retain_grow_limit", arena);
	return !je_mallctl(name, NULL, NULL, &limit, sizeof(limit));
}

static bool create_arena(enum tm_zone zone, unsigned *index)
{
	extent_hooks_t *hooks = &zone_hooks[zone].hooks;
	size_t size = sizeof(*index);
	return !je_mallctl("arenas.create", index, &size, &hooks, sizeof(hooks)) && limit_growth(*index);
}

static void thread_ends(void *unused)
{
	tm_front_close();
	sets[me.set].threads--;
}

// jemalloc's first steps mapped 2 MiB before there were hooks. Takes what is left of it out of circulation; nothing of it
// is touched.
static void drain_first_extent(void)
{
	void *ours[16];
	size_t n = 0;

	// What is ours goes back only at the end: jemalloc prefers what was freed to what it never used.
	for (size_t size = GROW_BYTES / 2; size >= TM_PAGE && n < 16; size /= 2) {
		for (void *p; (p = je_mallocx(size, MALLOCX_ARENA(0) | MALLOCX_TCACHE_NONE));) {
			if (tm_ours((uintptr_t)p)) {
				ours[n++] = p;
				break;
			}
		}
	}
	while (n)
		je_dallocx(ours[--n], MALLOCX_TCACHE_NONE);
	je_mallctl("arena.0.purge", NULL, NULL, NULL, 0); // else jemalloc would keep all of it committed for seconds, in DRAM
}

bool tm_arenas_init(void)
{
	uint64_t bytes = 0;

	tm_parse_size(tm.value[TM_OPT_BUFFER_MIN], &bytes);
	buffer_min = bytes;
	reserve_metadata();
	extent_hooks_t *hooks = &zone_hooks[TM_SMALL].hooks;
	tm_os_claim(true);
	bool ok = !je_mallctl("arena.0.extent_hooks", NULL, NULL, &hooks, sizeof(hooks)) && limit_growth(0);
	if (ok)
		drain_first_extent();
	tm_os_claim(false);
	sets[0].buffer = sets[0].bulk = NO_ARENA;
	sets[0].state = SMALL;
	return ok && !pthread_key_create(&key, thread_ends);
}

static bool advance(unsigned i, enum set_state from, enum set_state to)
{
	return sets[i].state == from && atomic_compare_exchange_strong(&sets[i].state, &from, to);
}

// The set's buffer and bulk arenas, created at their first use. False: there are none, or another thread is creating them just
// now.
static bool arenas_exist(unsigned i)
{
	if (!advance(i, SMALL, CREATING_REST))
		return sets[i].state == WHOLE;
	bool exist = (sets[i].buffer != NO_ARENA || create_arena(TM_BUFFER, &sets[i].buffer)) &&
		     (sets[i].bulk != NO_ARENA || create_arena(TM_BULK, &sets[i].bulk));
	sets[i].state = exist ? WHOLE : SMALL;
	return exist;
}

// Nobody's set, now the caller's. False: there is none.
static bool take_unused_set(unsigned *set)
{
	for (unsigned i = 0; i < max_sets; i++) {
		int nobody = 0;
		if (sets[i].state >= SMALL && atomic_compare_exchange_strong(&sets[i].threads, &nobody, 1)) {
			*set = i;
			return true;
		}
	}
	return false;
}

static bool create_set(unsigned *set)
{
	for (unsigned i = 0; i < max_sets; i++) {
		if (!advance(i, NOTHING, CREATING_SMALL))
			continue;
		bool created = create_arena(TM_SMALL, &sets[i].small);
		sets[i].buffer = sets[i].bulk = NO_ARENA;
		sets[i].threads = created;
		sets[i].state = created ? SMALL : NOTHING;
		*set = i;
		return created;
	}
	return false;
}

static unsigned join_set(void)
{
	unsigned best = 0;

	for (unsigned i = 1; i < max_sets; i++)
		if (sets[i].state >= SMALL && sets[i].threads < sets[best].threads)
			best = i;
	sets[best].threads++;
	return best;
}

static void bind_thread(void)
{
	tm_arena_bound = true; // first: what follows may allocate
	if (!tm.heap)
		return;
	if (!take_unused_set(&me.set) && !create_set(&me.set))
		me.set = join_set();
	if (me.set && je_mallctl("thread.arena", NULL, NULL, &sets[me.set].small, sizeof(unsigned))) {
		sets[me.set].threads--;
		sets[me.set = 0].threads++;
	}
	if (!pthread_setspecific(key, &me))
		tm_front_open();
}

void tm_arena_bind(void)
{
	if (++me.calls > FEW_CALLS || !tm.heap)
		bind_thread();
}

void tm_arenas_interrupt(void)
{
	tm_small_below = 0;
	if (me.state == READY)
		me.state = NEW;
}

unsigned tm_arena_set(void)
{
	return me.set;
}

static void thread_starts(void)
{
	tm_child_adopt();
	if (!tm_arena_bound)
		bind_thread();
	me.state = MAKING; // with the automatic arenas: what follows may allocate
	if (!arenas_exist(me.set)) {
		me.state = NEW; // the next time again
		return;
	}
	me.buffer_flags = MALLOCX_ARENA(sets[me.set].buffer);
	me.bulk_flags = MALLOCX_ARENA(sets[me.set].bulk);
	me.state = READY;
}

int tm_arena_flags(size_t size)
{
	if (__builtin_expect(me.state == NEW, 0))
		thread_starts();
	return size >= buffer_min ? me.buffer_flags : me.bulk_flags;
}

void tm_arenas_reset(void)
{
	for (unsigned i = 0; i < max_sets; i++) {
		if (!advance(i, CREATING_SMALL, NOTHING))
			advance(i, CREATING_REST, SMALL);
		sets[i].threads = tm_arena_bound && i == me.set;
	}
}

bool tm_arenas_purge(size_t size)
{
	char name[32];

	if (!tm.heap || size > tm.zone_bytes)
		return false;
	snprintf(name, sizeof(name), "arena.%u.purge", MALLCTL_ARENAS_ALL);
	return !je_mallctl(name, NULL, NULL, NULL, 0);
}

// Bytes that jemalloc keeps of freed memory, in all arenas.
static uint64_t kept_bytes(void)
{
	static size_t mib[4], parts;
	uint64_t epoch = 1;
	size_t pages = 0, size = sizeof(pages);

	if (!parts) {
		char name[32];
		size_t n = sizeof(mib) / sizeof(mib[0]);
		snprintf(name, sizeof(name), "stats.arenas.%u.pdirty", MALLCTL_ARENAS_ALL);
		if (je_mallctlnametomib(name, mib, &n))
			return 0;
		parts = n;
	}
	je_mallctl("epoch", NULL, NULL, &epoch, sizeof(epoch));
	return je_mallctlbymib(mib, parts, &pages, &size, NULL, 0) ? 0 : pages * TM_PAGE;
}

void tm_arenas_trim(uint64_t now)
{
	static uint64_t looked, spilled;

	if (!tm.heap || !tm.quota || tm.count.spilled == spilled || now - looked < TRIM_NS)
		return;
	looked = now;
	spilled = tm.count.spilled;
	if (kept_bytes() > tm.quota_bytes / TRIM_PART)
		tm_arenas_purge(0);
}

void tm_arenas_private(bool on)
{
	bool cache = !on;
	unsigned arena = on ? sets[0].bulk : 0;

	if (on && !arenas_exist(0))
		return;
	je_mallctl("thread.tcache.enabled", NULL, NULL, &cache, sizeof(cache));
	je_mallctl("thread.arena", NULL, NULL, &arena, sizeof(arena));
}
