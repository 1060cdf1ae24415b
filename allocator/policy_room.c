#include "allocator/policy_room.h"
#include "allocator/migrate.h"
#include "allocator/note.h"

#define GROWTH_NS UINT64_C(400000000) // without growth for so long: values may use what was kept for the small zone

static uint64_t growth_ns, high_water; // granules: the most that were in use lately
static size_t repair_hand[TM_ZONES];

void tm_room_watch(uint64_t now)
{
	uint64_t used = tm.count.total[0] + tm.count.total[1];

	if (used > high_water + 32) { // connections come and go: that is not growth
		growth_ns = now;
		high_water = used;
	}
	tm.grown_up = now - growth_ns > GROWTH_NS;
	if (tm.grown_up && used < high_water) // what it has freed for long, and takes again, is growth
		high_water = used;
}

size_t tm_room_scan(enum tm_zone zone, enum tm_granule_state state, size_t *at)
{
	size_t first = tm_zone_first(zone), near = tm_zone_end(zone) - first, size = tm_zone_size(zone),
	       advised = SIZE_MAX;

	for (size_t n = size; n; n--) {
		if (*at >= size)
			*at = 0;
		size_t g = *at < near ? first + *at : tm_zone_granule(zone, *at); // many: no call for most of them
		(*at)++;
		if (tm.table[g].state != state || !tm_movable(&tm.table[g]))
			continue;
		if (!tm_advised_here(g, state))
			return g;
		advised = g;
	}
	return state == TM_DRAM ? advised : SIZE_MAX;
}

static size_t bring(size_t g, double *budget)
{
	size_t moved = tm_promote(g, tm_migrate_run());
	*budget -= (double)(moved << tm.shift);
	return moved;
}

bool tm_room_repair(double *budget, size_t (*make_room)(size_t n))
{
	bool any = false;

	for (int z = TM_SMALL; z <= TM_BUFFER; z++) {
		while (tm.count.granules[1][z] && *budget > 0) {
			size_t g = tm_room_scan((enum tm_zone)z, TM_PMEM, &repair_hand[z]);
			if (g == SIZE_MAX)
				break;
			if (!bring(g, budget) && (!make_room(tm_migrate_run()) || !bring(g, budget)))
				return any;
			any = true;
		}
	}
	return any;
}
