// The tracker underneath a simulated VM: the simulator's sampling unit (sim/sample.h) reports every Nth LLC miss, as PEBS or IBS would
// on real hardware. There are no hint faults then.
#ifndef TIERMEM_TRACK_SIM_H
#define TIERMEM_TRACK_SIM_H

#include <stdint.h>

// Simulated time of the latest sample.
uint64_t tm_track_sim_latest(void);

#endif
