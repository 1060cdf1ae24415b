// Moving on demand, whatever the policy: down to a lowered quota, and what `tiermem migrate` asks for.
#ifndef TIERMEM_MOVE_H
#define TIERMEM_MOVE_H

#include "allocator/core.h"

// How it stands with the quota.
struct tm_move_state {
	unsigned changes;    // of the quota since the start
	uint64_t over_bytes; // DRAM beyond it
	const char *why;     // why that cannot go, or NULL: nothing is over, or it is on its way
};

// Sets the DRAM quota; the worker then does the rest. False: why says what is in the way. Worker only.
bool tm_move_quota(uint64_t bytes, char *why, size_t size);
void tm_move_quota_state(struct tm_move_state *state);

// Does what is due, for a few milliseconds. Returns in how many ns to call again. Engine held.
uint64_t tm_move_tick(uint64_t now_ns);

#endif
