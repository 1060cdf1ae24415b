// Granules that belong together: in one state, side by side.
#ifndef TIERMEM_RUNS_H
#define TIERMEM_RUNS_H

#include "allocator/core.h"

// Calls f for every run of neighbouring granules of one zone in a state.
void tm_each_run(enum tm_granule_state state, void (*f)(size_t g, size_t n));
// Calls f for every run, within n granules from g, whose frames are neighbours on their device.
void tm_each_frame_run(size_t g, size_t n, void (*f)(size_t g, size_t n, uint32_t frame));

#endif
