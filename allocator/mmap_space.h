// Address space for captured mappings: from a bump pointer and a table of free extents, near (the zone) and far (far.h). In granules;
// tm_lock held.
#ifndef TIERMEM_MMAP_SPACE_H
#define TIERMEM_MMAP_SPACE_H

#include <stdbool.h>
#include <stddef.h>

// Takes n granules of address space; SIZE_MAX: none.
size_t tm_space_take(size_t n, bool far);
// The program maps something of its own at these n granules (MAP_FIXED): what is free of them is taken, piece by piece.
void tm_space_claim(size_t g, size_t n, void (*taken)(size_t g, size_t n));
// In a forked child: all that has ever been handed out is not ours any more.
void tm_space_forget(void);
// Gives address space back, joined with its neighbours. If the table is full the space is lost.
void tm_space_give(size_t g, size_t n);

#endif
