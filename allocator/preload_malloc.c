// The malloc family. Small and large requests go to jemalloc as they are; requests of the zones in between to slabs (values up to
// 8 KiB) or to arenas of their own. One comparison tells; before the library is ready it is always true, so the first call sets up.
#include "allocator/arena.h"
#include "allocator/child.h"
#include "allocator/core.h"
#include "allocator/front.h"
#include "allocator/init.h"
#include "allocator/jem.h"
#include "allocator/page_code.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

// Requests of lo <= size < lo+span have zones of their own. At first all of them are "special".
static size_t lo, span = SIZE_MAX, buffer_min;
static bool ready; // the set-up is over
#define STEP 8 // part of its size that a value in a slab grows by at least, and shrinks by, when it moves
// The addresses of those zones.
static uintptr_t special_base, special_bytes;

void *reallocarray(void *p, size_t n, size_t size);
int posix_memalign(void **out, size_t alignment, size_t size);

void tm_malloc_zones(size_t from, size_t middle, size_t to, uintptr_t base, uintptr_t bytes)
{
	buffer_min = middle;
	special_base = base;
	special_bytes = bytes;
	lo = from;
	span = to > from ? to - from : 0;
	ready = true;
}

static inline bool special_size(size_t size)
{
	return __builtin_expect(size - lo < span, 0);
}

static inline bool special_address(const void *p)
{
	return (uintptr_t)p - special_base < special_bytes;
}

// p came from jemalloc for a request that is not special.
static inline void *plain(void *p, size_t size)
{
	if (size < TM_CODE_SMALL_BYTES)
		tm_page_set_small(p, size);
	else
		tm_page_set(p, TM_CODE_NONE);
	return p;
}

static __attribute__((noinline)) void *plain_malloc(size_t size, int flags)
{
	if (!tm_arena_bound)
		tm_arena_bind();
	if (!tm_small_below && tm_arena_bound && ready && tm.managed) {
		tm_child_adopt();
		tm_small_below = lo < TM_CODE_SMALL_BYTES ? lo : TM_CODE_SMALL_BYTES;
	}
	void *p = flags & MALLOCX_ZERO ? je_calloc(1, size) : je_malloc(size);
	if (!p && tm_arenas_purge(size))
		p = flags & MALLOCX_ZERO ? je_calloc(1, size) : je_malloc(size);
	return plain(p, size);
}

// What was kept of values.
static inline void *whole(void *p)
{
	return __builtin_expect((uintptr_t)p & 1, 0) ? tm_front_part(p) : p;
}

static bool still_special(size_t size)
{
	return tm_init_heap() && special_size(size);
}

static __attribute__((noinline)) void *special_malloc(size_t size, int flags)
{
	if (__builtin_expect(!ready, 0) && !still_special(size))
		return plain_malloc(size, flags);
	int arena = tm_arena_flags(size);
	unsigned code = tm_request_code(size);
	void *p = NULL;
	if (code != TM_CODE_NONE && !(p = tm_front_pop(code)))
		p = tm_front_refill(code);
	if (p) {
		p = whole(p);
		return flags & MALLOCX_ZERO ? memset(p, 0, size) : p;
	}
	p = je_mallocx(size, arena | flags);
	if (!p && tm_arenas_purge(size))
		p = je_mallocx(size, arena | flags);
	if (!p)
		errno = ENOMEM;
	tm_page_set(p, TM_CODE_NONE);
	return p;
}

void *malloc(size_t size)
{
	void *p;

	if (__builtin_expect(size < tm_small_below, 1)) {
		unsigned code = tm_small_code[(size + 7) / 8];
		p = tm_front_pop(code);
		if (p)
			return p;
		if ((code == 2 || code == 4) && (p = tm_cell_take(code)))
			return p;
		p = je_malloc(size);
		tm_page_set(p, code);
		return __builtin_expect(p != NULL, 1) ? p : plain_malloc(size, 0);
	}
	if (!special_size(size))
		return plain_malloc(size, 0);
	p = tm_front_pop(tm_request_code(size)); // nothing is kept of TM_CODE_NONE
	return p ? whole(p) : special_malloc(size, 0);
}

void *calloc(size_t n, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(n, size, &bytes)) {
		errno = ENOMEM;
		return NULL;
	}
	return special_size(bytes) ? special_malloc(bytes, MALLOCX_ZERO) : plain_malloc(bytes, MALLOCX_ZERO);
}

void free(void *p)
{
	unsigned code = tm_object_code(p);

	if (code == TM_CODE_NONE)
		je_free(p);
	else if (!tm_front_push(p, code))
		tm_front_spill(p, code);
}

void *realloc(void *p, size_t size)
{
	if (!p)
		return malloc(size);
	if (!size) {
		free(p);
		return NULL;
	}
	unsigned code = tm_object_code(p);
	bool cell = tm_page_code(p) == TM_CODE_CELL || code == TM_CODE_COMPANION;
	if (cell && size <= TM_CODE_SMALL_BYTES && tm_small_code[(size + 7) / 8] == tm_code_size[code] / 8)
		return p;
	bool from = special_address(p), to = special_size(size) && still_special(size);
	if (!from && !to && !cell) {
		void *q = je_realloc(p, size);
		if (!q && tm_arenas_purge(size))
			q = je_realloc(p, size);
		return plain(q, size);
	}
	unsigned wanted = to ? tm_request_code(size) : TM_CODE_NONE;
	if (code != TM_CODE_NONE && code == wanted)
		return p;
	size_t old = malloc_usable_size(p);
	// Classes of slabs are close to each other: what grows or shrinks step by step does not move at each of them.
	if (code >= TM_CODE_SLAB && code < TM_CODES && size <= old && size >= old - old / STEP)
		return p;
	size_t most = wanted != TM_CODE_NONE && size > old && old + old / STEP < TM_SLAB_MAX - 16 ? old + old / STEP : size;
	if (from && to && code == TM_CODE_NONE && wanted == TM_CODE_NONE && (old >= buffer_min) == (size >= buffer_min)) {
		void *q = je_rallocx(p, size, tm_arena_flags(size));
		if (!q && tm_arenas_purge(size))
			q = je_rallocx(p, size, tm_arena_flags(size));
		if (!q)
			errno = ENOMEM;
		tm_page_set(q, TM_CODE_NONE);
		return q;
	}
	// It changes its zone or slab, or leaves its cell: it moves.
	void *q = malloc(size > most ? size : most);
	if (q) {
		memcpy(q, p, old < size ? old : size);
		free(p);
	}
	return q;
}

void *reallocarray(void *p, size_t n, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(n, size, &bytes)) {
		errno = ENOMEM;
		return NULL;
	}
	return realloc(p, bytes);
}

int posix_memalign(void **out, size_t alignment, size_t size)
{
	if (!special_size(size) || !still_special(size)) {
		int error = je_posix_memalign(out, alignment, size);
		if (error == ENOMEM && tm_arenas_purge(size))
			error = je_posix_memalign(out, alignment, size);
		if (!error)
			tm_page_set(*out, TM_CODE_NONE);
		return error;
	}
	if (alignment < sizeof(void *) || alignment & (alignment - 1))
		return EINVAL;
	int flags = tm_arena_flags(size) | MALLOCX_ALIGN(alignment);
	void *p = je_mallocx(size, flags);
	if (!p && tm_arenas_purge(size))
		p = je_mallocx(size, flags);
	if (!p)
		return ENOMEM;
	tm_page_set(p, TM_CODE_NONE);
	*out = p;
	return 0;
}

// glibc rounds a strange alignment up; a power of two is what jemalloc wants.
void *memalign(size_t alignment, size_t size)
{
	void *p;
	size_t power = sizeof(void *);

	while (power < alignment && power)
		power <<= 1;
	int error = power ? posix_memalign(&p, power, size) : EINVAL;
	if (error) {
		errno = error;
		return NULL;
	}
	return p;
}

void *aligned_alloc(size_t alignment, size_t size)
{
	if (!alignment || alignment & (alignment - 1)) {
		errno = EINVAL;
		return NULL;
	}
	return memalign(alignment, size);
}

void *valloc(size_t size)
{
	return memalign(TM_PAGE, size);
}

void *pvalloc(size_t size)
{
	if (size > SIZE_MAX - TM_PAGE) {
		errno = ENOMEM;
		return NULL;
	}
	return memalign(TM_PAGE, (size + TM_PAGE - 1) & ~(TM_PAGE - 1));
}

size_t malloc_usable_size(void *p)
{
	unsigned code = tm_object_code(p);

	return code != TM_CODE_NONE ? tm_code_size[code] : je_malloc_usable_size(p);
}
