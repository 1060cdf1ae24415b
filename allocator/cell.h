// Small objects that are allocated together lie together: a cell is a line of 64 bytes with one object of 32 bytes and two of 16. An allocator with size classes
// puts a hash table's entry, its key and its object into three lines, each a miss of the caches when it is looked up; a program that allocates them one
// after another gets them in one line here.
//
// A thread fills one cell after another: an object of 16 bytes begins the next cell when the last one is full, one of 32 takes what its cell has. Where
// that does not happen, because the program asks for one size only, 15 of 16 requests go to jemalloc, and so hardly anything is left unused.
//
// A program's third object may lie with its value instead (slab.h). Then the next key would fill up the cell, and its entry lie apart from it: so the
// place stays empty, and free with the cell's 32 bytes.
#ifndef TIERMEM_CELL_H
#define TIERMEM_CELL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Cells in the small zone. False: there is no memory for what is known of them, and there will be none.
bool tm_cell_init(void);
// An object of 16 (code 2, page_code.h) or 32 bytes (code 4); NULL: none just now, jemalloc has to do.
void *tm_cell_take(unsigned code);
// What would have taken 16 bytes of the cell is somewhere else: the thread's next object of 16 begins a cell rather than fill one up.
void tm_cell_begin_next(void);
// n objects that are in cells.
void tm_cell_give(void **p, unsigned n);
// One; false: another thread is at it just now, and n at once will be cheaper.
bool tm_cell_try_give(void *p);
// The calling thread ends.
void tm_cell_close(void);
// Bytes of objects that are in use or kept by threads, and of pages that cells hold.
void tm_cell_bytes(size_t *used, size_t *held);

// Around a fork: no thread is amid cells.
void tm_cell_lock(void);
void tm_cell_unlock(void);
void tm_cell_lock_reset(void);

// The code of an object in a cell.
static inline unsigned tm_cell_code(const void *p)
{
	return (uintptr_t)p & 32 ? 2 : 4;
}

#endif
