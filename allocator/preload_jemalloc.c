// jemalloc's own entry points, for programs that import them (Redis: mallctl, malloc_stats_print). What they allocate
// is heap like any other, in the small zone's arenas unless they name one.
#include "allocator/init.h"
#include "allocator/jem.h"
#include "allocator/page_code.h"

#include <stdlib.h>

#undef mallocx
#undef rallocx

void *mallocx(size_t size, int flags)
{
	tm_init_heap();
	void *p = je_mallocx(size, flags);
	tm_page_set(p, TM_CODE_NONE);
	return p;
}

void *rallocx(void *p, size_t size, int flags)
{
	void *q = je_rallocx(p, size, flags);
	tm_page_set(q, TM_CODE_NONE);
	return q;
}

size_t xallocx(void *p, size_t size, size_t extra, int flags)
{
	return je_xallocx(p, size, extra, flags);
}

size_t sallocx(const void *p, int flags)
{
	return je_sallocx(p, flags);
}

void dallocx(void *p, int flags)
{
	je_dallocx(p, flags);
}

void sdallocx(void *p, size_t size, int flags)
{
	je_dallocx(p, flags);
}

size_t nallocx(size_t size, int flags)
{
	return je_nallocx(size, flags);
}

int mallctl(const char *name, void *oldp, size_t *oldlenp, void *newp, size_t newlen)
{
	tm_init_heap();
	return je_mallctl(name, oldp, oldlenp, newp, newlen);
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
