// Trackers: who tells which memory is used. One interface, and the best that works here is in use (track.c).
//
// There are two kinds. Hint faults tell how long a granule was not touched: policies get that by sample(). The others count uses, of which they
// see a part: policies take counts by collect(). Where there are counts `hotness` is policy_samples.c, by heat_count.c.
#ifndef TIERMEM_TRACK_H
#define TIERMEM_TRACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tm_tracker {
	const char *name;   // what --track calls it
	const char *source; // and the statistics
	bool counts;
	bool on_request; // "auto" does not take it
	// Before the worker is started, on the thread that starts it. False: it does not work here, and why says so, in a phrase with the mend.
	bool (*start)(char *why, size_t size);
	// Does what is due, or NULL. Returns in how many ns to call again. Engine held.
	uint64_t (*tick)(uint64_t now_ns);
	// Calls take for each granule that has been used since the last call, with how often. NULL: it does not count.
	void (*collect)(void (*take)(size_t g, uint32_t n));
	// From now on it sees one use where it sees FACTOR at first. Returns the factor, which may be what it was.
	unsigned (*spread)(unsigned factor);
	// CPU time that it has cost, as far as it is known; uses, or hints, that it has seen. NULL: 0.
	uint64_t (*cpu_ns)(void);
	uint64_t (*samples)(void);
	// In a forked child: it is not running. NULL: nothing to do.
	void (*forked)(void);
};

extern const struct tm_tracker tm_tracker_sim, tm_tracker_unit, tm_tracker_perf, tm_tracker_damon, tm_tracker_hint;

// Starts the best that works ("auto"), or the one asked for; wanted: the policy wants any; delays: only hint faults will do. False: the one that was
// asked for does not work; why says why.
bool tm_track_start(const char *asked, bool wanted, bool delays, char *why, size_t size);
// The one in use; NULL: none.
const struct tm_tracker *tm_track(void);
// Why the I-th of all is not in use, "" if it was not tried; NULL: there are no more.
const char *tm_track_why(unsigned i, const char **name);

uint64_t tm_track_tick(uint64_t now_ns);
uint64_t tm_track_cpu_ns(void);
uint64_t tm_track_samples(void);
void tm_track_forked(void);

#endif
