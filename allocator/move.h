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

// Why nothing at all can move, or NULL, and what to do about it.
const char *tm_move_never(const char **mend);

// Sets the DRAM quota; the worker then does the rest. False: why says what is in the way. Worker only.
bool tm_move_quota(uint64_t bytes, char *why, size_t size);
void tm_move_quota_state(struct tm_move_state *state);

// What a migration on demand has done.
struct tm_move_job {
	bool running, to_dram;
	uint64_t wanted;	  // bytes, TM_UNLIMITED: all
	uint64_t moved[TM_ZONES]; // granules
	const char *why;	  // why it was not all, or NULL
};

// Starts to move bytes, or all if TM_UNLIMITED. False: why says what is in the way. Worker only, as what follows.
bool tm_move_start(bool to_dram, uint64_t bytes, char *why, size_t size);
const struct tm_move_job *tm_move_job(void);
void tm_move_cancel(void);
// Something is on its way: policy and tracker pause.
bool tm_move_busy(void);
// In a forked child: nobody has asked for anything.
void tm_move_reset(void);

// Does what is due, for a few milliseconds. Returns in how many ns to call again. Engine held.
uint64_t tm_move_tick(uint64_t now_ns);

#endif
