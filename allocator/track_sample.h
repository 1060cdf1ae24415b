// The tracker underneath a simulated VM: the simulator's sampling unit (sim/sample.h) reports every Nth LLC miss, as PEBS or IBS would
// on real hardware. There are no hint faults then.
#ifndef TIERMEM_TRACK_SAMPLE_H
#define TIERMEM_TRACK_SAMPLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Starts sampling, one miss in TIERMEM_SAMPLE_PERIOD. False: there is no sampling unit, or no memory.
bool tm_samples_start(void);
bool tm_samples_on(void);
// From now on one miss in FACTOR times that period; 0: as before. Returns the factor.
unsigned tm_samples_spread(unsigned factor);
// Samples of guest RAM so far.
uint64_t tm_samples_total(void);
// Simulated time of the latest of them.
uint64_t tm_samples_latest(void);
// Calls take for each granule that has samples since the last call, with their number, in the order of addresses; worker only.
void tm_samples_collect(void (*take)(size_t g, uint32_t n));

#endif
