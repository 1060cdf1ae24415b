// Start-up of the library.
#ifndef TIERMEM_INIT_H
#define TIERMEM_INIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Sets up the heap at the first allocation. True once it is ready; false inside the set-up itself.
bool tm_init_heap(void);

// Whether the configuration file is why this process is managed: it then goes on whatever is wrong.
bool tm_is_listed(void);

// In preload_malloc.c: sizes [from, middle) and [middle, to) have zones of their own, at addresses [base, base+bytes).
void tm_malloc_zones(size_t from, size_t middle, size_t to, uintptr_t base, uintptr_t bytes);

#endif
