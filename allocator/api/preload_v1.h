// Between libtiermem.so and the preload library, which may be of different versions: a table that only grows at its end.
// Functions take arguments that tiermem.c has checked, return as those of tiermem.h do, and put the cause of an error into
// why (TM_WHY bytes). In a process that is not managed, and in a forked child, they do what tiermem.h says of it.
#ifndef TIERMEM_PRELOAD_V1_H
#define TIERMEM_PRELOAD_V1_H

#include "allocator/api/tiermem.h"

#include <stdbool.h>

#define TM_WHY 256

struct tm_preload_v1 {
	size_t size;
	int (*managed)(void);
	// NULL: errno and why.
	void *(*alloc)(size_t size, int tier, char *why);
	int (*free)(void *p, size_t size, char *why);
	ssize_t (*advise)(uintptr_t addr, size_t size, int advice, char *why);
	int (*pin)(uintptr_t addr, size_t size, bool pin, char *why);
	void (*query)(uintptr_t addr, size_t size, struct tiermem_range *range);
	// stats->size is at most what the caller has, at least the first version's.
	void (*stats)(struct tiermem_stats *stats);
	int (*on_pressure)(tiermem_pressure_fn *fn, void *data, unsigned interval_ms, char *why);
	int (*off_pressure)(int id, char *why);
};

#endif
