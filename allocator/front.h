// A few freed objects per thread and size class, in front of jemalloc, for all classes up to 8 KiB. A malloc and a free that meet here
// take 25 instructions; jemalloc's own take 60, and more in the bulk zone, whose calls name an arena.
#ifndef TIERMEM_FRONT_H
#define TIERMEM_FRONT_H

#include "allocator/page_code.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TM_FRONT_CLASSES                                                                                     \
	20 // of the bulk zone: jemalloc's classes of 512 bytes (number 3) to 8 KiB (number 19)
#define TM_FRONT_DEPTH	16
#define TM_FRONT_REFILL 7 // fewer than a slab has: jemalloc would take a whole new one

// By page code (page_code.h).
struct tm_front {
	uint8_t limit; // 0: the thread has not started or has ended, and keeps nothing; else TM_FRONT_DEPTH
	uint8_t n[TM_CODES];
	void *slot[TM_CODES][TM_FRONT_DEPTH];
};

extern __thread struct tm_front tm_front __attribute__((visibility("hidden")));

// Learns jemalloc's classes; without its call for several objects at once, nothing is ever kept ahead.
void tm_front_init(void);
// The thread has its arenas and will call tm_front_close() when it ends, which gives back what it kept.
void tm_front_open(void);
void tm_front_close(void);

// Nothing is kept of the class of size: several from jemalloc at once (flags: as for je_mallocx). One of them, or NULL when
// this is not for the class or the thread, or there is no memory; the caller then asks jemalloc itself.
void *tm_front_refill(size_t size, int flags);

// Class of a request; TM_FRONT_CLASSES or more when none of ours.
static inline size_t tm_front_class(size_t size)
{
	size_t x = (size - 1) | 1;
	size_t lg = 63 - (size_t)__builtin_clzl(x);

	return (lg - 8) * 4 + ((x >> (lg - 2)) & 3);
}

// Bytes of an object of class c, below TM_FRONT_CLASSES.
static inline size_t tm_front_size(size_t c)
{
	size_t lg = c / 4 + 8;

	return ((size_t)1 << lg) + ((c % 4 + 1) << (lg - 2));
}

// The page code of a request of the bulk zone; TM_CODE_NONE when its class is none of ours.
static inline unsigned tm_front_code(size_t size)
{
	size_t c = tm_front_class(size);

	return c < TM_FRONT_CLASSES ? TM_CODE_BULK + (unsigned)c : TM_CODE_NONE;
}

// An object whose page has that code, which this thread kept, or NULL.
static inline void *tm_front_pop(unsigned code)
{
	unsigned n = tm_front.n[code];

	if (!n)
		return NULL;
	tm_front.n[code] = (uint8_t)(n - 1);
	return tm_front.slot[code][n - 1];
}

// Whether p is of the class of size bytes: it can stay where it is.
static inline bool tm_front_fits(const void *p, size_t size)
{
	unsigned code = tm_front_code(size);

	return code != TM_CODE_NONE && tm_page_code(p) == code;
}

// Keeps p, whose page has that code, not TM_CODE_NONE; false: the caller frees it.
static inline bool tm_front_push(void *p, unsigned code)
{
	unsigned n = tm_front.n[code];

	if (n >= tm_front.limit)
		return false;
	tm_front.slot[code][n] = p;
	tm_front.n[code] = (uint8_t)(n + 1);
	return true;
}

// p, possibly NULL, came from jemalloc for a plain request of size bytes of the bulk zone.
static inline void tm_front_note(const void *p, size_t size)
{
	tm_page_set(p, tm_front_code(size));
}

#endif
