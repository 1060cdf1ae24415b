// What is known of a granule beyond core.h's 8 bytes: 16 bits in a table of its own (tm.note), touched where somebody pins or advises.
//
// TM_PINNED in a granule's flags is what all that moves memory looks at: set while a note has any of TM_NOTE_PINNED. Each reason
// to pin is kept by itself, so that none ends with another. All with tm_lock held.
#ifndef TIERMEM_NOTE_H
#define TIERMEM_NOTE_H

#include "allocator/core.h"

enum tm_note {
	TM_NOTE_COUNT = 0x3ff, // tiermem_pin() so many times
	TM_NOTE_FUTEX = 0x400, // holds a futex that is not process-private (pin.h): for ever
	TM_NOTE_PART =
		0x800, // a part of it is protected, unmapped or marked by itself: as long as the mapping
	TM_NOTE_HOT = 0x1000, // advice
	TM_NOTE_COLD = 0x2000,
	TM_NOTE_OWNED = 0x4000, // of tiermem_alloc()
	TM_NOTE_FIRST = 0x8000, // its first granule
};
#define TM_NOTE_PINNED (TM_NOTE_COUNT | TM_NOTE_FUTEX | TM_NOTE_PART)
#define TM_NOTE_ADVICE (TM_NOTE_HOT | TM_NOTE_COLD)

static inline bool tm_noted(size_t g, unsigned notes)
{
	return tm.note[g] & notes;
}

// True if the program has said that a granule of a state should stay there.
static inline bool tm_advised_here(size_t g, enum tm_granule_state state)
{
	return tm.advised && tm_noted(g, state == TM_DRAM ? TM_NOTE_HOT : TM_NOTE_COLD);
}

// Pins a granule for a reason.
static inline void tm_note_pin(size_t g, enum tm_note why)
{
	tm.note[g] |= (uint16_t)why;
	tm.table[g].flags |= TM_PINNED;
}

// Other memory from now on: what was known is no more.
static inline void tm_note_clear(size_t g)
{
	if (tm.note[g] & TM_NOTE_COUNT)
		tm.pinned--;
	if (tm.note[g]) // a table that is not touched takes no memory
		tm.note[g] = 0;
}

#endif
