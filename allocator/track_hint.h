// The hint-fault tracker: which granules are detached when, and at what cost.
#ifndef TIERMEM_TRACK_HINT_H
#define TIERMEM_TRACK_HINT_H

#include <stdint.h>

// Sets hints that are due, ends old ones, hands results to the policy. Returns in how many ns to call again. Engine held.
uint64_t tm_track_tick(uint64_t now_ns);
// CPU time the tracker has used, and what the program has waited for hints by estimate.
uint64_t tm_track_cpu_ns(void);
// Samples it has handed to the policy.
uint64_t tm_track_samples(void);
// Touches per second of a granule of the zone, as learned; 0: not known.
double tm_track_heat(int zone);

#endif
