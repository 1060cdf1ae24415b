// The size class of the objects in each heap page: one byte, so that free() and malloc_usable_size() need not ask jemalloc. Its
// way through its radix tree to the page's slab takes some 40 instructions; programs like Redis ask at every malloc and free.
//
// A page belongs to one class at a time (slabs are whole pages). Of our own slabs (slab.h) it is written when the slab is made. Of jemalloc's pages it is
// written at every allocation that comes out of it, so what a page's freed objects were does not matter; every entry point that
// returns memory has to do that.
#ifndef TIERMEM_PAGE_CODE_H
#define TIERMEM_PAGE_CODE_H

#include "allocator/cell.h"
#include "allocator/os.h"
#include "allocator/slab.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Codes: TM_CODE_NONE: ask jemalloc. 1..TM_CODE_SMALL: a class of code * 8 bytes. From TM_CODE_SLAB on: kinds of slabs, TM_SLAB_FEWEST, one more, ...;
// from TM_CODE_PAIRS on those of pairs. TM_CODE_CELL: cells. In these and in pairs the objects' codes are told by their addresses
// (tm_object_code()); TM_CODE_COMPANION is of an object, not of a page.
enum {
	TM_CODE_NONE = 0,
	TM_CODE_SMALL = 64,
	TM_CODE_SLAB = 65,
	TM_CODE_PAIRS = TM_CODE_SLAB + TM_SLAB_PAIRS - TM_SLAB_FEWEST,
	TM_CODES = TM_CODE_SLAB + TM_SLAB_KINDS - TM_SLAB_FEWEST,
	TM_CODE_COMPANION = TM_CODES,
	TM_CODE_CELL,
};

#define TM_CODE_SMALL_BYTES 512 // the largest class of the small ones

#pragma GCC visibility push(hidden) // read at every malloc and free: no detour
extern uint8_t *tm_pages;	    // the code of each page
extern uintptr_t tm_pages_base;	    // of the first page
extern size_t tm_pages_span;	    // bytes; 0 before tm_pages_init()

// The small class of a request, by (bytes + 7) / 8; the code of slabs of a request, by (bytes + 15) / 16, TM_CODE_NONE where they have no class; the size
// of a code's objects.
extern uint8_t tm_small_code[TM_CODE_SMALL + 1];
extern uint8_t tm_slab_codes[TM_SLAB_MAX / 16 + 1];
extern uint16_t tm_code_size[TM_CODE_COMPANION + 1];
#pragma GCC visibility pop

// Codes for the heap at base; without memory for them all pages stay TM_CODE_NONE.
void tm_pages_init(uintptr_t base, size_t bytes);
// Slabs serve requests of [from, to) from now on.
void tm_pages_slabs(size_t from, size_t to);

static inline unsigned tm_slab_code(unsigned kind)
{
	return TM_CODE_SLAB + kind - TM_SLAB_FEWEST;
}

static inline unsigned tm_code_slab(unsigned code)
{
	return code - TM_CODE_SLAB + TM_SLAB_FEWEST;
}

// The code of the slabs that serve a request; TM_CODE_NONE: none do.
static inline unsigned tm_request_code(size_t size)
{
	return size <= TM_SLAB_MAX ? tm_slab_codes[(size + 15) / 16] : TM_CODE_NONE;
}

static inline unsigned tm_page_code(const void *p)
{
	uintptr_t offset = (uintptr_t)p - tm_pages_base;

	return __builtin_expect(offset < tm_pages_span, 1) ? tm_pages[offset / TM_PAGE] : TM_CODE_NONE;
}

// The code of the object at p: the page's, or by where it lies in its cell or pair.
static inline unsigned tm_object_code(const void *p)
{
	unsigned code = tm_page_code(p);

	if (__builtin_expect(code < TM_CODE_PAIRS, 1))
		return code;
	if (code == TM_CODE_CELL)
		return tm_cell_code(p);
	return (uintptr_t)p & TM_COMPANION ? code : TM_CODE_COMPANION;
}

static inline void tm_page_set(const void *p, unsigned code)
{
	uintptr_t offset = (uintptr_t)p - tm_pages_base;

	if (__builtin_expect(offset < tm_pages_span, 1))
		tm_pages[offset / TM_PAGE] = (uint8_t)code;
}

// p, possibly NULL, came out of jemalloc for a plain request of size bytes, below TM_CODE_SMALL_BYTES.
static inline void tm_page_set_small(const void *p, size_t size)
{
	tm_page_set(p, tm_small_code[(size + 7) / 8]);
}

#endif
