// Values of 497 bytes to 8 KiB: slabs of tiermem's own, in the bulk zone.
//
// jemalloc has four size classes for each doubling, so a value takes up to a quarter more than it needs (1,030 bytes of Redis take 1,280), and DRAM
// holds that many fewer of them. Here a class is a number of objects in 32 KiB: 64 of 512 bytes, 63 of 512, 62 of 528, ..., 31 of 1,056, ..., 4 of 8 KiB. Up to
// 2 KiB a value of any size wastes about 3 % on average; powers of two nothing.
//
// Which objects of a slab are free is a word of bits beside it, in DRAM: to give back what lies on PMEM does not touch it.
#ifndef TIERMEM_SLAB_H
#define TIERMEM_SLAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TM_SLAB_BYTES ((size_t)32 << 10)
#define TM_SLAB_MOST  64   // objects in a slab
#define TM_SLAB_FEWEST 4
#define TM_SLAB_MAX   ((size_t)8 << 10) // bytes of the largest object

// Bytes of each of n objects in a slab.
static inline size_t tm_slab_size(unsigned n)
{
	return TM_SLAB_BYTES / n & ~(size_t)15;
}

// Most objects of so many bytes (496 < size <= TM_SLAB_MAX) in a slab.
static inline unsigned tm_slab_number(size_t size)
{
	return (unsigned)(TM_SLAB_BYTES / ((size + 15) & ~(size_t)15));
}

// Slabs in the bulk zone. False: there is no memory for what is known of them, and there will be none.
bool tm_slab_init(void);
// Takes up to n objects of slabs of k. Returns how many: fewer only when there is no memory. In the order of their addresses, last first.
unsigned tm_slab_take(unsigned k, void **objects, unsigned n);
// Gives back n objects of slabs of k.
void tm_slab_give(unsigned k, void *const *objects, unsigned n);
// Bytes of objects that are in use or kept by threads, and of memory that slabs hold.
void tm_slab_bytes(size_t *used, size_t *held);

// Around a fork: no thread is amid slabs.
void tm_slab_lock_all(void);
void tm_slab_unlock_all(void);
void tm_slab_locks_reset(void);

#endif
