// jemalloc's arenas, one kind per heap zone, and the hooks that bring their pages under tiermem's control.
#ifndef TIERMEM_ARENA_H
#define TIERMEM_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TM_ARENA_SETS 64 // at most

// Before the first allocation: gives jemalloc its settings.
void tm_arenas_configure(void);
// Creates the arenas and hooks. May call jemalloc, hence malloc of the library itself. False: jemalloc refused.
bool tm_arenas_init(void);

// In a forked child, whose other threads are gone.
void tm_arenas_reset(void);
// Has the calling thread call tm_child_adopt() soon, when jemalloc has no locks; and so plain_malloc() in preload_malloc.c.
void tm_arenas_interrupt(void);
extern __thread size_t tm_small_below; // requests below it need no look at anything; 0 until the thread has its arenas

// The calling thread has its set of arenas, or needs none. A thread that has not calls tm_arena_bind() before it allocates:
// after a few of those calls it is bound.
extern __thread bool tm_arena_bound;
void tm_arena_bind(void);
// The calling thread's set: 0 to TM_ARENA_SETS - 1. Threads that allocate at a time have sets of their own, as long as there are any.
unsigned tm_arena_set(void);
// There was no memory for size bytes: takes back what jemalloc keeps of freed pages. False: it is not worth another try.
bool tm_arenas_purge(size_t size);
// DRAM is short: takes back what jemalloc keeps, if that is a good part of the quota. No locks held. Looks once a second at most.
void tm_arenas_trim(uint64_t now);

// At start-up: what the calling thread allocates while this is on is the library's own, and goes between the bulk values. The program's
// small objects then lie as they would without tiermem: which of them share a cache line is decided by the first few.
void tm_arenas_private(bool on);

// Flags for je_mallocx() that allocate size bytes in the calling thread's arena of the size's zone (bulk or
// buffer); what came so is freed without any.
int tm_arena_flags(size_t size);

#endif
