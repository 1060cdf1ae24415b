#include "allocator/policy_room.h"
#include "allocator/migrate.h"
#include "allocator/note.h"
#include "allocator/pace.h"

static size_t repair_hand[TM_ZONES];

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

// Promotes a run from g on, of those that are due.
static size_t bring(size_t g, bool (*due)(size_t g))
{
	size_t n = tm_migrate_run();

	for (size_t i = 1; due && i < n; i++)
		if (!due(g + i))
			n = i;
	return tm_pace_pay(tm_promote(g, n));
}

bool tm_room_repair(size_t (*make_room)(size_t n), bool (*due)(size_t g))
{
	bool any = false;

	for (int z = TM_SMALL; z <= TM_BUFFER; z++) {
		for (uint64_t n = tm.count.granules[1][z]; n && tm.count.granules[1][z] && tm_pace_left(); n--) {
			size_t g = tm_room_scan((enum tm_zone)z, TM_PMEM, &repair_hand[z]);
			if (g == SIZE_MAX)
				break;
			if (due && !due(g))
				continue;
			if (!bring(g, due) && (!make_room(tm_migrate_run()) || !bring(g, due)))
				return any;
			any = true;
		}
	}
	return any;
}
