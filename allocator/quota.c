// The DRAM quota: a granule is counted before it becomes DRAM, so what is resident never exceeds it, but for a while after it
// has been lowered (move.c).
//
// Small allocations and buffers come first: values and mappings may not use the reserve, an eighth of the quota less
// what the first ones hold already, and never the last few granules (the slack), so that growth of the small zone finds
// DRAM at once while the worker demotes values in the background. When the program has stopped growing, values get most of both.
//
// Several processes on one PMEM device may have one DRAM budget together (pool.h): what each holds is in the ledger, and nobody takes more
// than leaves the sum within it. First come, first served, until one that has less than an equal share wants more.
#include "allocator/core.h"
#include "allocator/pool.h"

#define ROOM 4 // times the slack: who gives way frees so much at a time, so that others find more than their own slack

uint64_t tm_quota_slack(void)
{
	uint64_t slack = tm.quota / (tm.grown_up ? 512 : 64);
	return slack > 4 ? slack : tm.quota / 4 < 4 ? tm.quota / 4 : 4;
}

uint64_t tm_quota_free(void)
{
	if (tm.quota == TM_UNLIMITED)
		return TM_UNLIMITED;
	uint64_t free = tm.quota > tm.count.total[0] ? tm.quota - tm.count.total[0] : 0; // it may have been lowered
	if (tm.pool_dram == TM_UNLIMITED)
		return free;
	uint64_t all = tm_pool_dram_all(), left = all < tm.pool_dram ? (tm.pool_dram - all) >> tm.shift : 0;
	return free < left ? free : left;
}

// An equal part of the budget.
static uint64_t share(void)
{
	return (tm.pool_dram >> tm.shift) / tm_pool_owners();
}

bool tm_quota_asked(void)
{
	return tm.pool_dram != TM_UNLIMITED && tm.count.total[0] > share() + tm_quota_slack() && tm_pool_wanted();
}

uint64_t tm_quota_yield(void)
{
	if (tm.pool_dram == TM_UNLIMITED)
		return 0;
	uint64_t room = ROOM * tm_quota_slack(), free = tm_quota_free(), held = tm.count.total[0];
	if (held < share() && tm.count.total[1] && free < room)
		tm_pool_want();
	if (!tm_quota_asked() || free >= room)
		return 0;
	return room - free < held - share() ? room - free : held - share();
}

// Tells the others what this process holds. False: with that and keep it is more than there is.
static bool tell(uint64_t keep)
{
	uint64_t held = tm.count.total[0] << tm.shift;

	tm_pool_dram(held);
	if (tm.pool_dram == TM_UNLIMITED)
		return true;
	keep <<= tm.shift;
	return tm_pool_dram_all() + keep <= tm.pool_dram || (tm_pool_reclaim() && tm_pool_dram_all() + keep <= tm.pool_dram);
}

static uint64_t reserve(enum tm_zone zone)
{
	uint64_t slack = tm_quota_slack();

	if (zone == TM_SMALL)
		return 0;
	if (zone == TM_BUFFER)
		return slack / 2;
	uint64_t first = tm.count.granules[0][TM_SMALL] + tm.count.granules[0][TM_BUFFER];
	uint64_t wanted = tm.quota / 8;
	if (tm.grown_up || wanted < first + slack)
		return slack;
	return wanted - first;
}

static bool take(enum tm_zone zone, uint64_t n, uint64_t keep)
{
	if (tm.early && tm_half_taken())
		tm_keep_small();
	if (tm.quota != TM_UNLIMITED && tm.count.total[0] + n + keep > tm.quota)
		return false;
	tm.count.total[0] += n;
	if (!tell(keep)) {
		tm.count.total[0] -= n;
		tm_pool_dram(tm.count.total[0] << tm.shift);
		return false;
	}
	tm.count.granules[0][zone] += n;
	if (tm.count.total[0] > tm.count.peak[0])
		tm.count.peak[0] = tm.count.total[0];
	return true;
}

bool tm_quota_take(enum tm_zone zone, uint64_t n)
{
	return take(zone, n, tm.quota == TM_UNLIMITED ? 0 : reserve(zone));
}

bool tm_quota_take_reserve(enum tm_zone zone, uint64_t n)
{
	return take(zone, n, 0);
}

void tm_quota_give(enum tm_zone zone, uint64_t n)
{
	tm.count.total[0] -= n;
	tm.count.granules[0][zone] -= n;
	tm_pool_dram(tm.count.total[0] << tm.shift);
}

void tm_quota_force(enum tm_zone zone)
{
	tm.count.total[0]++;
	tm.count.granules[0][zone]++;
	tm_pool_dram(tm.count.total[0] << tm.shift);
}

void tm_pmem_count(enum tm_zone zone, int64_t n)
{
	tm.count.total[1] += (uint64_t)n;
	tm.count.granules[1][zone] += (uint64_t)n;
	if (tm.count.total[1] > tm.count.peak[1])
		tm.count.peak[1] = tm.count.total[1];
}
