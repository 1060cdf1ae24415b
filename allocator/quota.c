// The DRAM quota: a granule is counted before it becomes DRAM, so what is resident never exceeds it, but for a while after it
// has been lowered (move.c).
//
// Small allocations and buffers come first: values and mappings may not use the reserve, an eighth of the quota less
// what the first ones hold already, and never the last few granules (the slack), so that growth of the small zone finds
// DRAM at once while the worker demotes values in the background. When the program has stopped growing, values get most of both.
#include "allocator/core.h"

uint64_t tm_quota_slack(void)
{
	uint64_t slack = tm.quota / (tm.grown_up ? 512 : 64);
	return slack > 4 ? slack : tm.quota / 4 < 4 ? tm.quota / 4 : 4;
}

uint64_t tm_quota_free(void)
{
	if (tm.quota == TM_UNLIMITED)
		return TM_UNLIMITED;
	return tm.quota > tm.count.total[0] ? tm.quota - tm.count.total[0] : 0; // it may have been lowered
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
	if (tm.quota != TM_UNLIMITED && tm.count.total[0] + n + keep > tm.quota)
		return false;
	tm.count.total[0] += n;
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
}

void tm_pmem_count(enum tm_zone zone, int64_t n)
{
	tm.count.total[1] += (uint64_t)n;
	tm.count.granules[1][zone] += (uint64_t)n;
	if (tm.count.total[1] > tm.count.peak[1])
		tm.count.peak[1] = tm.count.total[1];
}
