// A few freed objects per thread and size class of the bulk zone, in front of jemalloc: its calls that name an
// arena and a cache cost some 250 instructions a pair more than plain malloc and free, which a Redis SET feels.
#ifndef TIERMEM_FRONT_H
#define TIERMEM_FRONT_H

#include "allocator/page_code.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TM_FRONT_CLASSES 20 // jemalloc's classes of 512 bytes (number 3) to 8 KiB (number 19)
#define TM_FRONT_DEPTH	 16
#define TM_FRONT_REFILL	 7 // fewer than a slab has: jemalloc would take a whole new one

enum tm_front_state { TM_FRONT_NEW, TM_FRONT_OPEN, TM_FRONT_CLOSED };

struct tm_front {
	enum tm_front_state state;
	uint8_t n[TM_FRONT_CLASSES];
	void *slot[TM_FRONT_CLASSES][TM_FRONT_DEPTH];
};

extern __thread struct tm_front tm_front __attribute__((visibility("hidden")));
// Learns jemalloc's classes; without its call for several objects at once, nothing is ever kept ahead.
void tm_front_init(void);
// The thread ends: gives back what it kept.
void tm_front_close(void);
// The rare part of tm_front_push(): a thread's first.
bool tm_front_open(void);

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

// An object of the class of size bytes that this thread kept, or NULL.
static inline void *tm_front_pop(size_t size)
{
	size_t c = tm_front_class(size);

	if (c >= TM_FRONT_CLASSES || !tm_front.n[c])
		return NULL;
	return tm_front.slot[c][--tm_front.n[c]];
}

// The class of a page's code, TM_FRONT_CLASSES or more when it is none of ours.
static inline size_t tm_front_class_of(unsigned code)
{
	return (size_t)code - TM_CODE_BULK;
}

// Whether p is of the class of size bytes: it can stay where it is.
static inline bool tm_front_fits(const void *p, size_t size)
{
	size_t c = tm_front_class_of(tm_page_code(p));

	return c < TM_FRONT_CLASSES && c == tm_front_class(size);
}

// Keeps p, whose page has that code; false: the caller frees it.
static inline bool tm_front_push(void *p, unsigned code)
{
	size_t c = tm_front_class_of(code);

	if (c >= TM_FRONT_CLASSES || tm_front.n[c] == TM_FRONT_DEPTH)
		return false;
	if (__builtin_expect(tm_front.state != TM_FRONT_OPEN, 0) && !tm_front_open())
		return false;
	tm_front.slot[c][tm_front.n[c]++] = p;
	return true;
}

// p, possibly NULL, came from jemalloc for a plain request of size bytes.
static inline void tm_front_note(const void *p, size_t size)
{
	size_t c = tm_front_class(size);

	tm_page_set(p, c < TM_FRONT_CLASSES ? TM_CODE_BULK + (unsigned)c : TM_CODE_NONE);
}

#endif
