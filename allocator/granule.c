// Zones, the granule table, and the locks of core.h.
#include "allocator/core.h"
#include "allocator/far.h"
#include "allocator/mirror.h"
#include "allocator/tier_pmem.h"

#include <string.h>
#include <sys/mman.h>

struct tm_core tm;

#define SHOW_LEAST ((uintptr_t)2 << 20)
#define SHOW_MOST  ((uintptr_t)64 << 20)
#define SHOW_PART  4

static _Atomic uintptr_t shown[TM_ZONES]; // what core dumps contain of a heap zone ends here

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;

void tm_lock(void)
{
	pthread_mutex_lock(&mutex);
}

void tm_unlock(void)
{
	pthread_mutex_unlock(&mutex);
}

void tm_wait(void)
{
	pthread_cond_wait(&cond, &mutex);
}

void tm_changed(void)
{
	pthread_cond_broadcast(&cond);
}

void tm_locks_reset(void)
{
	pthread_mutex_t fresh_mutex = PTHREAD_MUTEX_INITIALIZER;
	pthread_cond_t fresh_cond = PTHREAD_COND_INITIALIZER;
	mutex = fresh_mutex;
	cond = fresh_cond;
}

static bool in_heap(uintptr_t addr)
{
	return addr - tm.base < TM_MMAP * tm.zone_bytes;
}

void tm_no_huge(void *addr, size_t size)
{
	if (tm.no_huge || (tm.early && !in_heap((uintptr_t)addr)))
		tm_os_madvise(addr, size, MADV_NOHUGEPAGE);
}

bool tm_make_anonymous(size_t g, size_t n, int prot)
{
	if (!tm_os_anonymous(tm_address(g), n << tm.shift, prot))
		return false;
	tm_no_huge(tm_address(g), n << tm.shift);
	return true;
}

// tm.bytes of address space, the tables for them, and their mirror.
static bool reserve(size_t align)
{
	size_t n = (tm.bytes >> tm.shift) + 1;
	char *p = tm_os_reserve(tm.bytes + align);

	tm.table = p ? tm_os_reserve_table(n * sizeof(*tm.table)) : NULL;
	tm.note = tm.table ? tm_os_reserve_table(n * sizeof(*tm.note)) : NULL;
	tm.base = ((uintptr_t)p + align - 1) & ~(align - 1);
	if (tm.note && tm_mirror_init())
		return true;
	tm_os_unreserve(p);
	tm_os_unreserve(tm.table);
	tm_os_unreserve(tm.note);
	return false;
}

// Of the zones, or of all but the heap.
static void keep_huge_out(void)
{
	size_t from = tm.early ? TM_MMAP * tm.zone_bytes : 0;

	tm_no_huge((void *)(tm.base + from), TM_ZONES * tm.zone_bytes - from);
	tm_mirror_no_huge(from);
}

bool tm_granules_init(uint64_t zone_bytes, bool far)
{
	const size_t align = (size_t)4 << 20;
	bool ok = false;

	for (zone_bytes &= ~(uint64_t)(align - 1); !ok && zone_bytes >= align;) {
		tm.bytes = zone_bytes * TM_ZONES + (far ? TM_FAR_BYTES : 0);
		ok = reserve(align);
		if (!ok && !far)
			zone_bytes = (zone_bytes / 2) & ~(uint64_t)(align - 1);
		far = ok && far;
	}
	if (!ok)
		return false;
	tm.zone_bytes = zone_bytes;
	// Granules smaller than a huge page are accounted one by one: the kernel must not fill in 2 MiB at a touch.
	char text[64];
	tm_os_read_file("/sys/kernel/mm/transparent_hugepage/enabled", text, sizeof(text));
	tm.huge_unasked = strstr(text, "[always]");
	tm.early = tm.early && tm.huge_unasked;
	tm.no_huge = tm.quota != TM_UNLIMITED && tm.huge_unasked && !tm.early;
	keep_huge_out();
	for (int z = 0; z < TM_ZONES; z++)
		shown[z] = tm.bump[z] = tm.base + (uintptr_t)z * zone_bytes;
	tm.mmap_floor = tm.bump[TM_MMAP];
	tm.far_floor = tm.base + TM_ZONES * zone_bytes;
	return true;
}

bool tm_half_taken(void)
{
	uint64_t bytes = tm.count.granules[0][TM_MMAP] << tm.shift;

	for (int z = 0; z < TM_MMAP; z++)
		bytes += tm.bump[z] - tm.base - (uintptr_t)z * tm.zone_bytes;
	return bytes > tm.quota_bytes / 2;
}

void tm_keep_small(void)
{
	if (tm.no_huge || !tm.huge_unasked)
		return;
	tm.no_huge = tm.had_huge = true;
	tm.early = false;
	keep_huge_out();
	// What the kernel filled in beside the granules in use is not counted: away with it.
	for (int z = TM_SMALL; z <= TM_BULK; z++) {
		size_t end = tm_zone_end((enum tm_zone)z);
		for (size_t g = tm_zone_first((enum tm_zone)z), n; g < end; g += n ? n : 1) {
			for (n = 0; g + n < end && tm.table[g + n].state == TM_EMPTY &&
				    !(tm.table[g + n].flags & TM_AHEAD);
			     n++)
				continue;
			if (n)
				tm_os_madvise(tm_address(g), n << tm.shift, MADV_DONTNEED);
		}
	}
}

enum tm_zone tm_zone_of(size_t g)
{
	size_t zone = (g << tm.shift) / tm.zone_bytes;

	return zone < TM_MMAP ? (enum tm_zone)zone : TM_MMAP;
}

size_t tm_zone_first(enum tm_zone zone)
{
	return zone == TM_MMAP ? tm_index(tm.mmap_floor) : ((size_t)zone * tm.zone_bytes) >> tm.shift;
}

size_t tm_zone_end(enum tm_zone zone)
{
	return tm_index(tm.bump[zone] + tm.granule - 1);
}

// Core dumps contain a zone up to `end`, and a part of what it has beyond: the call waits until no thread of the program is in a page fault, so it should
// be rare. What was never touched is a hole in a core dump.
static void show(enum tm_zone zone, uintptr_t end)
{
	uintptr_t start = tm.base + (uintptr_t)zone * tm.zone_bytes, old = atomic_load(&shown[zone]), ahead = (end - start) / SHOW_PART, to;

	ahead = ahead < SHOW_LEAST ? SHOW_LEAST : ahead > SHOW_MOST ? SHOW_MOST : ahead;
	do {
		if (end <= old)
			return;
		to = (end + ahead + tm.granule - 1) & ~(tm.granule - 1);
		if (to > start + tm.zone_bytes)
			to = start + tm.zone_bytes;
	} while (!atomic_compare_exchange_weak(&shown[zone], &old, to));
	// Whole granules: the kernel must have each in one mapping.
	tm_os_madvise((void *)old, to - old, MADV_DODUMP);
	tm_mirror_dump(old, to - old);
}

uintptr_t tm_zone_shown(enum tm_zone zone)
{
	return shown[zone];
}

uintptr_t tm_zone_take(enum tm_zone zone, size_t size, size_t alignment)
{
	uintptr_t limit = tm.base + ((uintptr_t)zone + 1) * tm.zone_bytes, old = atomic_load(&tm.bump[zone]), start;

	do {
		start = (old + alignment - 1) & ~(alignment - 1);
		if (start < old || size > limit || start > limit - size)
			return 0;
	} while (!atomic_compare_exchange_weak(&tm.bump[zone], &old, start + size));
	show(zone, start + size);
	return start;
}

bool tm_zone_span(enum tm_zone zone, size_t k, size_t *first, size_t *end)
{
	*first = k ? 0 : tm_zone_first(zone);
	*end = k ? 0 : tm_zone_end(zone);
	if (!k)
		return true;
	if (zone != TM_MMAP || k > tm_far_used())
		return false;
	*first = tm_far_first(k - 1);
	*end = *first + tm_far_block();
	return true;
}

size_t tm_zone_size(enum tm_zone zone)
{
	return tm_zone_end(zone) - tm_zone_first(zone) + (zone == TM_MMAP ? tm_far_used() * tm_far_block() : 0);
}

size_t tm_zone_granule(enum tm_zone zone, size_t i)
{
	size_t near = tm_zone_end(zone) - tm_zone_first(zone);

	if (i < near)
		return tm_zone_first(zone) + i;
	return tm_far_first((i - near) / tm_far_block()) + (i - near) % tm_far_block();
}

bool tm_frame_mapped(const struct tm_granule *granule)
{
	return granule->state == TM_PMEM || (granule->flags & TM_AHEAD);
}

// 1 if the kernel needs a boundary between two mappings before granule g.
static int boundary(size_t g)
{
	if (g == 0)
		return 0;
	const struct tm_granule *a = &tm.table[g - 1], *b = &tm.table[g];
	bool pa = tm_frame_mapped(a), pb = tm_frame_mapped(b);

	if ((a->state == TM_SHARED) != (b->state == TM_SHARED))
		return 1;
	if (pa && pb)
		return !tm_pmem_anonymous() && !tm_pmem_follows(a->frame, b->frame);
	return pa != pb || (!pb && (a->flags ^ b->flags) & TM_APART);
}

bool tm_mappings_allow(size_t g, size_t n)
{
	return tm.vmas + 4 <= tm.vmas_max || (boundary(g) && boundary(g + n));
}

void tm_set(size_t g, enum tm_granule_state state, uint32_t frame, unsigned flags)
{
	struct tm_granule *t = &tm.table[g];
	struct tm_granule next = {
		.frame = frame, .live = t->live, .state = (uint8_t)state, .flags = (uint8_t)flags};

	if (state == TM_PMEM || state == TM_EMPTY)
		next.flags &= (uint8_t)~TM_APART;
	if (tm_frame_mapped(t) != tm_frame_mapped(&next) || t->frame != frame || (t->state == TM_SHARED) != (state == TM_SHARED) ||
	    (t->flags ^ next.flags) & TM_APART) {
		tm.vmas -= (uint64_t)(boundary(g) + boundary(g + 1));
		*t = next;
		tm.vmas += (uint64_t)(boundary(g) + boundary(g + 1));
	} else {
		*t = next;
	}
}
