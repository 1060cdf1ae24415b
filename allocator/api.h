// The preload library's part of the API (api/tiermem.h): what the table api/preload_v1.h points to.
#ifndef TIERMEM_API_H
#define TIERMEM_API_H

#include "allocator/core.h"

#include "allocator/api/preload_v1.h"

// Visits the granules of a range that are in use, zone by zone.
struct tm_range {
	uintptr_t from, to;
	size_t g, end; // set by tm_range_next()
	int zone;
	size_t span;
};
static inline struct tm_range tm_range(uintptr_t addr, size_t size)
{
	return (struct tm_range){.from = addr, .to = addr + size, .zone = -1};
}
// The next granule that memory has ever been given out of, in g; false: there is none.
bool tm_range_next(struct tm_range *range);
// True if a granule has memory of the program that tiermem manages. tm_lock held.
bool tm_in_use(size_t g);

ssize_t tm_api_advise(uintptr_t addr, size_t size, int advice, char *why);
// Demotes what is colder until n granules of DRAM are free, not those in [first, end). False: it cannot. Engine held.
bool tm_api_make_room(size_t n, size_t first, size_t end);

int tm_api_on_pressure(tiermem_pressure_fn *fn, void *data, unsigned interval_ms, char *why);
int tm_api_off_pressure(int id, char *why);
// In a forked child: callbacks are its parent's.
void tm_api_pressure_reset(void);

#endif
