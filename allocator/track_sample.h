// Trackers that sample: where a sampling unit reports every Nth miss of the caches, heat costs the program no faults. Which source there is: the
// simulator underneath a VM (track_sim.c), its unit in the guest (track_unit.c). A source of one's own is one more `tm_sampler` in track_sample.c's list.
#ifndef TIERMEM_TRACK_SAMPLE_H
#define TIERMEM_TRACK_SAMPLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tm_sampler {
	const char *name; // in statistics
	bool wakes;	  // it wakes the worker when there is a sample
	// One sample for period misses (1 to 2^31) from now on; again to change it. False: there is no such source here.
	bool (*start)(uint32_t period);
	// Calls take for granules that have samples since the last call, with their number; worker only.
	void (*collect)(void (*take)(size_t g, uint32_t n));
};

extern const struct tm_sampler tm_sampler_sim, tm_sampler_unit;

// Starts the first source that works, one miss in TIERMEM_SAMPLE_PERIOD. False: there is none, or no memory.
bool tm_samples_start(void);
// In a forked child: its parent's source is not its own.
void tm_samples_reset(void);
// The source in use; NULL: none.
const struct tm_sampler *tm_samples_source(void);
// From now on one miss in FACTOR times that period; 0: as before. Returns the factor.
unsigned tm_samples_spread(unsigned factor);
// Samples that have been collected.
uint64_t tm_samples_total(void);
// Underneath: simulated time of the latest.
uint64_t tm_samples_latest(void);
// Hands the samples since the last call over; worker only.
void tm_samples_collect(void (*take)(size_t g, uint32_t n));

#endif
