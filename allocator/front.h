// A few freed objects per thread and size class, in front of jemalloc (small ones) and of slabs (values up to 8 KiB). A malloc and a
// free that meet here take 25 instructions; jemalloc's own take 60.
#ifndef TIERMEM_FRONT_H
#define TIERMEM_FRONT_H

#include "allocator/page_code.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TM_FRONT_DEPTH	16
#define TM_FRONT_REFILL 8 // from a slab at once, as many as 16 KiB hold at most

// By page code (page_code.h).
struct tm_front {
	uint16_t trust, rest; // in companions: see front.c
	uint8_t limit; // 0: the thread has not started or has ended, and keeps nothing; else TM_FRONT_DEPTH
	uint8_t n[TM_CODES + 1]; // of companions none is kept: always full
	void *slot[TM_CODES][TM_FRONT_DEPTH]; // of pairs bit 0 set: with its companion
};

extern __thread struct tm_front tm_front __attribute__((visibility("hidden")));

// The thread has its arenas and will call tm_front_close() when it ends, which gives back what it kept.
void tm_front_open(void);
void tm_front_close(void);

// Nothing is kept of a class of slabs: several objects at once. One of them; NULL: there is no memory.
void *tm_front_refill(unsigned code);
// tm_front_pop() gave p, which has bit 0 set: the value, and its companion is what a request of 16 bytes gets next.
void *tm_front_part(void *p);
// No more can be kept of the class: p and some others go back to where they came from.
void tm_front_spill(void *p, unsigned code);

// An object whose page has that code, which this thread kept, or NULL. Of pairs it may be for tm_front_part().
static inline void *tm_front_pop(unsigned code)
{
	unsigned n = tm_front.n[code];

	if (!n)
		return NULL;
	tm_front.n[code] = (uint8_t)(n - 1);
	return tm_front.slot[code][n - 1];
}

// Keeps p, whose page has that code, not TM_CODE_NONE; false: tm_front_spill() has to take it.
static inline bool tm_front_push(void *p, unsigned code)
{
	unsigned n = tm_front.n[code];

	if (n >= tm_front.limit)
		return false;
	tm_front.slot[code][n] = p;
	tm_front.n[code] = (uint8_t)(n + 1);
	return true;
}

#endif
