// jemalloc's own entry points, for programs that import them (Redis: mallctl, malloc_stats_print). What they allocate
// is heap like any other, in the small zone's arenas unless they name one. What malloc() took from slabs (slab.h) they are given too, and it counts in
// jemalloc's totals; malloc_stats_print() does not show it.
#include "allocator/init.h"
#include "allocator/jem.h"
#include "allocator/page_code.h"
#include "allocator/slab.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#undef mallocx
#undef rallocx

// In a slab or a cell.
static bool in_slab(const void *p)
{
	return tm_page_code(p) >= TM_CODE_SLAB;
}

void *mallocx(size_t size, int flags)
{
	tm_init_heap();
	void *p = je_mallocx(size, flags);
	tm_page_set(p, TM_CODE_NONE);
	return p;
}

void *rallocx(void *p, size_t size, int flags)
{
	size_t old = in_slab(p) ? malloc_usable_size(p) : 0;
	void *q = old ? je_mallocx(size, flags) : je_rallocx(p, size, flags);

	tm_page_set(q, TM_CODE_NONE);
	if (old && q) {
		memcpy(q, p, old < size ? old : size);
		free(p);
	}
	return q;
}

size_t xallocx(void *p, size_t size, size_t extra, int flags)
{
	return in_slab(p) ? malloc_usable_size(p) : je_xallocx(p, size, extra, flags);
}

size_t sallocx(const void *p, int flags)
{
	return in_slab(p) ? malloc_usable_size((void *)(uintptr_t)p) : je_sallocx(p, flags);
}

void dallocx(void *p, int flags)
{
	if (in_slab(p))
		free(p);
	else
		je_dallocx(p, flags);
}

void sdallocx(void *p, size_t size, int flags)
{
	dallocx(p, flags);
}

size_t nallocx(size_t size, int flags)
{
	return je_nallocx(size, flags);
}

// What slabs add to a total of jemalloc's.
static void add_slabs(const char *name, size_t *total)
{
	size_t used, held, in_cells, cells;

	tm_slab_bytes(&used, &held);
	tm_cell_bytes(&in_cells, &cells);
	used += in_cells;
	held += cells;
	if (!strcmp(name, "stats.allocated"))
		*total += used;
	else if (!strcmp(name, "stats.active") || !strcmp(name, "stats.resident") || !strcmp(name, "stats.mapped"))
		*total += held;
}

int mallctl(const char *name, void *oldp, size_t *oldlenp, void *newp, size_t newlen)
{
	tm_init_heap();
	int error = je_mallctl(name, oldp, oldlenp, newp, newlen);
	if (!error && oldp && oldlenp && *oldlenp == sizeof(size_t))
		add_slabs(name, oldp);
	return error;
}

int mallctlnametomib(const char *name, size_t *mibp, size_t *miblenp)
{
	tm_init_heap();
	return je_mallctlnametomib(name, mibp, miblenp);
}

int mallctlbymib(const size_t *mib, size_t miblen, void *oldp, size_t *oldlenp, void *newp, size_t newlen)
{
	tm_init_heap();
	return je_mallctlbymib(mib, miblen, oldp, oldlenp, newp, newlen);
}

void malloc_stats_print(void (*write_cb)(void *, const char *), void *arg, const char *options)
{
	tm_init_heap();
	je_malloc_stats_print(write_cb, arg, options);
}
