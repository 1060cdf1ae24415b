// A few freed objects per thread and size class of the bulk zone, in front of jemalloc: its calls that name an
// arena and a cache cost some 250 instructions a pair more than plain malloc and free, which a Redis SET feels.
//
// free() must know an object's class without asking jemalloc: one byte per page of the zone has it. A page belongs to one
// class at a time (slabs are whole pages), and every allocation that comes out of jemalloc writes its page's byte.
#ifndef TIERMEM_FRONT_H
#define TIERMEM_FRONT_H

#include "allocator/os.h"

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

extern __thread struct tm_front tm_front;
extern uint8_t *tm_front_pages; // 0: not known, else class + 1
extern uintptr_t tm_front_base;
extern size_t tm_front_span; // bytes of the zone; 0 before tm_front_init()

// Starts to keep objects of the zone at base; without memory for the page table it just never keeps any.
void tm_front_init(uintptr_t base, size_t bytes);
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

// The class of p, or TM_FRONT_CLASSES.
static inline size_t tm_front_class_of(const void *p)
{
	uintptr_t offset = (uintptr_t)p - tm_front_base;

	if (offset >= tm_front_span)
		return TM_FRONT_CLASSES;
	return (uint8_t)(tm_front_pages[offset / TM_PAGE] - 1) < TM_FRONT_CLASSES
		       ? tm_front_pages[offset / TM_PAGE] - 1u
		       : TM_FRONT_CLASSES;
}

// Whether p is of the class of size bytes: it can stay where it is.
static inline bool tm_front_fits(const void *p, size_t size)
{
	size_t c = tm_front_class_of(p);

	return c < TM_FRONT_CLASSES && c == tm_front_class(size);
}

// Keeps p; false: the caller frees it.
static inline bool tm_front_push(void *p)
{
	size_t c = tm_front_class_of(p);

	if (c >= TM_FRONT_CLASSES || tm_front.n[c] == TM_FRONT_DEPTH)
		return false;
	if (__builtin_expect(tm_front.state != TM_FRONT_OPEN, 0) && !tm_front_open())
		return false;
	tm_front.slot[c][tm_front.n[c]++] = p;
	return true;
}

// p came from jemalloc for a request of size bytes, of that class exactly; size 0: of some class.
static inline void tm_front_note(const void *p, size_t size)
{
	uintptr_t offset = (uintptr_t)p - tm_front_base;
	size_t c = size ? tm_front_class(size) : TM_FRONT_CLASSES;

	if (offset < tm_front_span)
		tm_front_pages[offset / TM_PAGE] = c < TM_FRONT_CLASSES ? (uint8_t)(c + 1) : 0;
}

#endif
