// The API's table, and the parts of it that move nothing. (api_advise.c: what moves; api_pressure.c: callbacks.)
//
// Pins: with the engine held no granule is on its way, so a range is pinned in one piece. A hint that waits is ended.
#include "allocator/api.h"
#include "allocator/direct_io.h"
#include "allocator/frames.h"
#include "allocator/migrate.h"
#include "allocator/mmap_zone.h"
#include "allocator/note.h"
#include "allocator/share.h"
#include "allocator/tier_pmem.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#define QUERY_GRANULES 4096 // at a time under tm_lock

bool tm_range_next(struct tm_range *r)
{
	for (r->g++; r->zone < 0 || r->g >= r->end;) {
		size_t first, end;
		if (r->zone < 0 || !tm_zone_span((enum tm_zone)r->zone, r->span++, &first, &end)) {
			r->span = 0;
			if (++r->zone == TM_ZONES)
				return false;
			continue;
		}
		uintptr_t low = (uintptr_t)tm_address(first), high = (uintptr_t)tm_address(end);
		low = r->from > low ? r->from : low;
		high = r->to < high ? r->to : high;
		r->g = low < high ? tm_index(low) : 0;
		r->end = low < high ? tm_index(high - 1) + 1 : 0;
	}
	return true;
}

bool tm_in_use(size_t g)
{
	return tm.table[g].state != TM_EMPTY && tm.table[g].state != TM_FOREIGN;
}

static int managed(void)
{
	return tm.managed && !tm.child;
}

static size_t round_up(size_t size, size_t unit)
{
	return (size + unit - 1) & ~(unit - 1);
}

static void *fail_alloc(size_t size, char *why)
{
	snprintf(why, TM_WHY, "no address space for %zu bytes", size);
	errno = ENOMEM;
	return NULL;
}

// DRAM for n granules from g on, which are new. Piece by piece: others want the engine, too.
static void make_room(size_t g, size_t n)
{
	bool more = true;

	for (size_t part = 0; more && part < n;) {
		part = n - part < tm_migrate_run() ? n : part + tm_migrate_run();
		tm_engine_take();
		more = tm_api_make_room(part, g, g + n);
		tm_engine_give();
	}
}

static void *alloc(size_t size, int tier, char *why)
{
	unsigned note = TM_NOTE_OWNED;

	if (size > SIZE_MAX / 2)
		return fail_alloc(size, why);
	if (!tm_mmap_captures()) {
		void *p = tm_os_mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		return p == MAP_FAILED ? fail_alloc(size, why) : p;
	}
	size = round_up(size, tm.granule);
	if (tier != TIERMEM_ANY)
		note |= tier == TIERMEM_DRAM ? TM_NOTE_HOT : TM_NOTE_COLD;
	void *p = tm_mmap_new(size, PROT_READ | PROT_WRITE, note);
	if (!p)
		return fail_alloc(size, why);
	if (tier == TIERMEM_DRAM)
		make_room(tm_index((uintptr_t)p), size >> tm.shift);
	return p;
}

// True if n granules from g are all that one tiermem_alloc() gave. tm_lock held.
static bool is_whole(size_t g, size_t n)
{
	if (!tm_noted(g, TM_NOTE_FIRST) || !tm_in_use(g))
		return false;
	for (size_t i = g + 1; i < g + n; i++) {
		if (!tm_noted(i, TM_NOTE_OWNED) || tm_noted(i, TM_NOTE_FIRST) || !tm_in_use(i))
			return false;
	}
	return g + n >= tm_zone_end(TM_MMAP) || !tm_noted(g + n, TM_NOTE_OWNED) ||
	       tm_noted(g + n, TM_NOTE_FIRST) || !tm_in_use(g + n);
}

static int give_back(void *p, size_t size, char *why)
{
	uintptr_t addr = (uintptr_t)p;
	bool whole = false;

	if (!tm.managed || !tm_ours(addr) || tm.child) {
		size_t unit = tm.managed && tm_ours(addr) ? tm.granule : TM_PAGE;
		if (!tm_os_munmap(p, round_up(size, unit)))
			return 0;
		snprintf(why, TM_WHY, "%p with %zu bytes: %s", p, size, strerror(errno));
		return -errno;
	}
	if (!(addr & (tm.granule - 1)) && size <= tm.zone_bytes && tm_zone_of(tm_index(addr)) == TM_MMAP) {
		size = round_up(size, tm.granule);
		tm_lock();
		whole = tm_index(addr) + (size >> tm.shift) <= tm_zone_end(TM_MMAP) &&
			is_whole(tm_index(addr), size >> tm.shift);
		tm_unlock();
	}
	if (!whole) {
		snprintf(why, TM_WHY, "%p with %zu bytes is not memory of tiermem_alloc()", p, size);
		return -EINVAL;
	}
	tm_mmap_release(p, size, TM_NEXT_NOTHING);
	return 0;
}

// Counts one pin of a granule, or one less. tm_lock and engine held.
static void count_pin(size_t g, bool on)
{
	tm_settle(g);
	if (on) {
		tm.pinned += !(tm.note[g] & TM_NOTE_COUNT);
		tm.note[g]++;
		tm.table[g].flags |= TM_PINNED;
		return;
	}
	tm.note[g]--;
	tm.pinned -= !(tm.note[g] & TM_NOTE_COUNT);
	if (!tm_noted(g, TM_NOTE_PINNED))
		tm.table[g].flags &= (uint8_t)~TM_PINNED;
}

static int pin(uintptr_t addr, size_t size, bool on, char *why)
{
	unsigned refused = on ? TM_NOTE_COUNT : 0;
	int status = 0;

	tm_engine_take();
	tm_lock();
	for (struct tm_range r = tm_range(addr, size); !status && tm_range_next(&r);) {
		if (tm_in_use(r.g) && (tm.note[r.g] & TM_NOTE_COUNT) == refused)
			status = on ? -EOVERFLOW : -EINVAL;
	}
	for (struct tm_range r = tm_range(addr, size); !status && tm_range_next(&r);) {
		if (tm_in_use(r.g))
			count_pin(r.g, on);
	}
	tm_unlock();
	tm_engine_give();
	if (status)
		snprintf(why, TM_WHY,
			 on ? "a part is pinned %d times, which is the most" : "not all of it is pinned",
			 TM_NOTE_COUNT);
	return status;
}

// Adds what of [from, to) is in granule g, taking it from what is not managed. tm_lock held.
static void add(size_t g, uintptr_t from, uintptr_t to, struct tiermem_range *range)
{
	const struct tm_granule *t = &tm.table[g];
	bool mapping = tm_zone_of(g) == TM_MMAP;
	uintptr_t low = (uintptr_t)tm_address(g), high = low + (mapping ? t->live * TM_PAGE : tm.granule);
	uint64_t *to_add = &range->dram;

	low = from > low ? from : low;
	high = to < high ? to : high;
	if (low >= high || t->state == TM_FOREIGN || (mapping && t->state == TM_EMPTY))
		return;
	if (t->state == TM_EMPTY || t->state == TM_UNTOUCHED)
		to_add = &range->untouched;
	else if (t->state == TM_PMEM || t->state == TM_HINT_PMEM || t->state == TM_FROZEN || t->state == TM_SHARED ||
		 (t->state == TM_MOVING &&
		  t->frame != TM_NO_FRAME)) // a promotion; others get theirs at the end
		to_add = &range->pmem;
	*to_add += high - low;
	range->unmanaged -= high - low;
}

static void query(uintptr_t addr, size_t size, struct tiermem_range *range)
{
	struct tm_range r = tm_range(addr, size);
	unsigned n = 0;

	tm_lock();
	while (tm_range_next(&r)) {
		if (++n % QUERY_GRANULES == 0) {
			tm_unlock();
			tm_lock();
		}
		add(r.g, addr, addr + size, range);
	}
	tm_unlock();
}

static void stats(struct tiermem_stats *out)
{
	size_t size = out->size < sizeof(*out) ? out->size : sizeof(*out);

	tm_lock();
	struct tiermem_stats s = {
		.size = size,
		.managed = 1,
		.migrates = tm_migrates() && tm.engine_on && !tm_io_refusal,
		.granule = tm.granule,
		.quota = tm.quota == TM_UNLIMITED ? UINT64_MAX : tm.quota_bytes,
		.dram = tm.count.total[0] << tm.shift,
		.pmem = tm.count.total[1] << tm.shift,
		.dram_peak = tm.count.peak[0] << tm.shift,
		.pmem_peak = tm.count.peak[1] << tm.shift,
		.pmem_size = tm_pmem.bytes,
		.pmem_free = (uint64_t)tm_frames_free() << tm.shift,
		.promoted = tm.count.promoted << tm.shift,
		.demoted = tm.count.demoted << tm.shift,
		.failed = tm.count.failed,
		.spilled = tm.count.spilled << tm.shift,
		.pinned = tm.pinned << tm.shift,
	};
	tm_unlock();
	memcpy(out, &s, size);
}

extern const struct tm_preload_v1 tiermem_preload_v1;
const struct tm_preload_v1 tiermem_preload_v1 = {
	.size = sizeof(tiermem_preload_v1),
	.managed = managed,
	.alloc = alloc,
	.free = give_back,
	.advise = tm_api_advise,
	.pin = pin,
	.query = query,
	.stats = stats,
	.on_pressure = tm_api_on_pressure,
	.off_pressure = tm_api_off_pressure,
};
