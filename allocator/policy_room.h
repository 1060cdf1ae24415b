// What a policy for whole programs does beside its own choice: bring small allocations home.
#ifndef TIERMEM_POLICY_ROOM_H
#define TIERMEM_POLICY_ROOM_H

#include "allocator/core.h"

// Next granule from *at on in a zone that is in a state, going round once; SIZE_MAX: none. What should stay there by advice is left out; but
// when there is nothing else in DRAM, it makes room.
size_t tm_room_scan(enum tm_zone zone, enum tm_granule_state state, size_t *at);
// Small allocations and buffers that found no DRAM are promoted; values make room for them: make_room(n) demotes up to n granules of those and returns how
// many. Only those that are due (NULL: all are). Within the bandwidth (pace.h). True: there were some.
bool tm_room_repair(size_t (*make_room)(size_t n), bool (*due)(size_t g));

#endif
