// The hint-fault tracker: which granules are detached when, and at what cost.
#ifndef TIERMEM_TRACK_HINT_H
#define TIERMEM_TRACK_HINT_H

// Touches per second of a granule of the zone, as learned; 0: not known.
double tm_track_heat(int zone);

#endif
