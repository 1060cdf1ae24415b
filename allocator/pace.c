#include "allocator/pace.h"
#include "allocator/core.h"

#define GROWTH_NS UINT64_C(400000000) // without growth for so long: it has grown up

static double budget; // bytes

void tm_pace_tick(uint64_t now)
{
	static uint64_t last_ns;
	uint64_t bytes = 0;

	tm_parse_size(tm.value[TM_OPT_BANDWIDTH], &bytes);
	double rate = (double)bytes;
	budget += rate * (double)(now - last_ns) * 1e-9;
	if (budget > rate / 4)
		budget = rate / 4;
	last_ns = now;
}

bool tm_pace_left(void)
{
	return budget > 0;
}

size_t tm_pace_pay(size_t granules)
{
	budget -= (double)(granules << tm.shift);
	return granules;
}

void tm_pace_growth(uint64_t now)
{
	static uint64_t growth_ns;
	static uint64_t high_water; // granules: the most that were in use lately
	uint64_t used = tm.count.total[0] + tm.count.total[1];

	if (used > high_water + 32) { // connections come and go: that is not growth
		growth_ns = now;
		high_water = used;
	}
	tm.grown_up = now - growth_ns > GROWTH_NS;
	if (tm.grown_up && used < high_water) // what it has freed for long, and takes again, is growth
		high_water = used;
}
