// jemalloc's entry points under the names that the build gives them (jemalloc.rename): the plain ones are ours.
#ifndef TIERMEM_JEM_H
#define TIERMEM_JEM_H

#include <jemalloc/jemalloc.h>

extern const char *je_malloc_conf;
void *je_malloc(size_t size);
void *je_calloc(size_t n, size_t size);
void *je_realloc(void *p, size_t size);
void je_free(void *p);
int je_posix_memalign(void **out, size_t alignment, size_t size);
void *je_aligned_alloc(size_t alignment, size_t size);
size_t je_malloc_usable_size(void *p);
void *je_mallocx(size_t size, int flags);
void *je_rallocx(void *p, size_t size, int flags);
size_t je_xallocx(void *p, size_t size, size_t extra, int flags);
size_t je_sallocx(const void *p, int flags);
void je_dallocx(void *p, int flags);
void je_sdallocx(void *p, size_t size, int flags);
size_t je_nallocx(size_t size, int flags);
int je_mallctl(const char *name, void *oldp, size_t *oldlenp, void *newp, size_t newlen);
int je_mallctlnametomib(const char *name, size_t *mibp, size_t *miblenp);
int je_mallctlbymib(const size_t *mib, size_t miblen, void *oldp, size_t *oldlenp, void *newp, size_t newlen);
void je_malloc_stats_print(void (*write_cb)(void *, const char *), void *arg, const char *options);

#endif
