// Advice: the program's own thread moves what it knows to be hot or cold, in slices, so that forks and the worker never wait long
// for the engine. What is advised is noted first: memory that is touched for the first time follows it, and so does the policy.
#include "allocator/api.h"
#include "allocator/migrate.h"
#include "allocator/move.h"
#include "allocator/note.h"
#include "allocator/policy.h"
#include "allocator/share.h"

#include <errno.h>
#include <stdio.h>

#define SLICE_NS UINT64_C(5000000)
#define REFUSALS 64 // in a row: there is no use in going on

// True if a granule may make room for [first, end). pass 0: it is known to be colder than others; 1: any that is not advised to be
// hot. Unlocked reads: tm_demote() checks.
static bool yields(size_t g, size_t first, size_t end, int pass)
{
	return tm.table[g].state == TM_DRAM && tm_movable(&tm.table[g]) && (g < first || g >= end) &&
	       !tm_noted(g, TM_NOTE_HOT) && (pass || tm_policy->cold(g) > 0);
}

// How many granules too few are free for n.
static uint64_t too_few(size_t n)
{
	uint64_t free = tm_quota_free();

	return free < n ? n - free : 0;
}

bool tm_api_make_room(size_t n, size_t first, size_t end)
{
	static size_t hand[TM_ZONES];
	static const enum tm_zone zones[] = {TM_BULK, TM_MMAP}; // small allocations and buffers stay
	unsigned refused = 0;
	const char *mend;

	if (tm_move_never(&mend) || n > tm.quota)
		return false;
	for (int pass = tm_policy->cold ? 0 : 1; pass < 2; pass++) {
		for (int i = 0; i < 2; i++) {
			size_t size = tm_zone_size(zones[i]), *at = &hand[zones[i]];
			for (size_t left = size; left && too_few(n) && refused < REFUSALS;) {
				if (*at >= size)
					*at = 0;
				size_t g = tm_zone_granule(zones[i], *at), most = too_few(n), k = 0, moved;
				while (k < most && k < left && *at + k < size &&
				       tm_zone_granule(zones[i], *at + k) == g + k &&
				       yields(g + k, first, end, pass))
					k++;
				moved = k ? tm_demote(g, k) : 0;
				refused = k && !moved ? refused + 1 : 0;
				k = moved ? moved : 1;
				*at += k;
				left -= k < left ? k : left;
			}
		}
	}
	return !too_few(n);
}

// Notes advice of [first, end). Granules that are not in use do not keep it.
static void note(uintptr_t addr, size_t size, unsigned advice)
{
	tm_lock();
	tm.advised |= advice != 0;
	for (struct tm_range r = tm_range(addr, size); tm.advised && tm_range_next(&r);) {
		if (tm_in_use(r.g) && (tm.note[r.g] & TM_NOTE_ADVICE) != advice)
			tm.note[r.g] = (uint16_t)((tm.note[r.g] & ~TM_NOTE_ADVICE) | advice);
	}
	if (advice == TM_NOTE_COLD)
		tm_keep_small();
	tm_unlock();
}

// Moves a run of at most n granules from g on; 0: it cannot.
static size_t move(size_t g, size_t n, bool hot)
{
	if (!hot)
		return tm_demote(g, n);
	size_t k = 0, run = tm_migrate_run();
	n = n < run ? n : run;
	while (k < n && tm.table[g + k].state == TM_PMEM && tm_movable(&tm.table[g + k]))
		k++;
	tm_api_make_room(k, g, g + n);
	return tm_promote(g, k);
}

// Where a range is narrowed to what lies in it as a whole: its first and last granule may hold more.
static void whole(uintptr_t *addr, size_t *size)
{
	uintptr_t from = *addr, to = *addr + *size, mask = tm.granule - 1;

	if (tm_ours(from) && from & mask)
		from = (from | mask) + 1;
	if (tm_ours(to) && to & mask) {
		size_t g = tm_index(to);
		bool all = tm_zone_of(g) == TM_MMAP && (to & mask) >= tm.table[g].live * TM_PAGE;
		to = all ? to : to & ~mask; // a mapping's last granule may be mapped in part
	}
	*addr = from;
	*size = to > from ? to - from : 0;
}

ssize_t tm_api_advise(uintptr_t addr, size_t size, int advice, char *why)
{
	bool hot = advice == TIERMEM_HOT;
	enum tm_granule_state from = hot ? TM_PMEM : TM_DRAM;
	const char *mend = "",
		   *never = tm.guest ? "it is a VM's, which the policy moves" : tm_move_never(&mend);
	size_t moved = 0;
	unsigned refused = 0;

	if (!never && !tm.engine_on)
		never = "its threads could not be started";
	if (advice != TIERMEM_NORMAL && never) {
		snprintf(why, TM_WHY, "this memory cannot move: %s%s%s", never, *mend ? "; " : "", mend);
		return -ENOTSUP;
	}
	if (advice == TIERMEM_COLD)
		whole(&addr, &size);
	if (!size)
		return 0;
	note(addr, size, hot ? TM_NOTE_HOT : advice == TIERMEM_COLD ? TM_NOTE_COLD : 0);
	if (advice == TIERMEM_NORMAL)
		return 0;
	struct tm_range r = tm_range(addr, size);
	for (bool more = tm_range_next(&r); more && refused < REFUSALS;) {
		tm_engine_take();
		uint64_t until = tm_os_now_ns() + SLICE_NS;
		while (more && refused < REFUSALS && tm_os_now_ns() < until) {
			const struct tm_granule *t = &tm.table[r.g];
			tm_lock();
			tm_settle(r.g);
			bool due = t->state == from && tm_movable(t);
			tm_unlock();
			size_t k = due ? move(r.g, r.end - r.g, hot) : 0;
			refused = due && !k ? refused + 1 : k ? 0 : refused;
			moved += k;
			r.g += k ? k - 1 : 0;
			more = tm_range_next(&r);
		}
		tm_engine_give();
	}
	return (ssize_t)(moved << tm.shift);
}
