// Hints: a granule is detached for a while; the delay until somebody touches it says how hot it is.
#ifndef TIERMEM_HINT_H
#define TIERMEM_HINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TM_HINT_SLOTS 64

// What a hint has shown.
struct tm_hint_result {
	size_t g;
	uint64_t delay_ns;
	bool touched; // false: nobody did, delay_ns is how long we waited
	bool dram;    // which tier it was on
};

// Detaches a movable granule on either tier; false: all slots taken, or it is not in a state for it. Engine held,
// tm_lock not held.
bool tm_hint_set(size_t g);
// Puts a detached granule back (it was touched, or somebody needs it). tm_lock held.
void tm_hint_restore(size_t g, bool touched);
// Puts back those that have waited longer than age_ns; 0: all.
void tm_hint_expire(uint64_t age_ns);
// Takes the next result; false: none.
bool tm_hint_next(struct tm_hint_result *result);
// In a forked child: there are none.
void tm_hint_reset(void);
// How many hints wait now.
unsigned tm_hint_waiting(void);

#endif
