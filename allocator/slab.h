// Values of 497 bytes to 8 KiB: slabs of tiermem's own, in the bulk zone.
//
// jemalloc has four size classes for each doubling, so a value takes up to a quarter more than it needs (1,030 bytes of Redis take 1,280), and DRAM
// holds that many fewer of them. Here a class is a number of objects in 32 KiB: 64 of 512 bytes, 63 of 512, 62 of 528, ..., 31 of 1,056, ..., 4 of 8 KiB. Up to
// 2 KiB a value of any size wastes about 3 % on average; powers of two nothing.
//
// Where an object leaves room for that, its slab is one of pairs: in front of each object are 16 bytes for another, small one. A program that allocates
// a value and then the structure that describes it (Redis: the string, then its robj) has both in one line of the caches, which it needs anyway; the
// places of what it freed before, which it would get otherwise, are lines of their own, anywhere.
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
#define TM_COMPANION  ((size_t)16) // bytes in front of an object of a pair

// Kinds of slabs: TM_SLAB_FEWEST..TM_SLAB_MOST: of so many objects; TM_SLAB_PAIRS and more: of TM_PAIRS_FEWEST pairs and more.
enum { TM_PAIRS_FEWEST = 16, TM_PAIRS_MOST = 60, TM_SLAB_PAIRS = TM_SLAB_MOST + 1, TM_SLAB_KINDS = TM_SLAB_PAIRS + TM_PAIRS_MOST - TM_PAIRS_FEWEST + 1 };

// Objects in a slab of a kind.
static inline unsigned tm_slab_objects(unsigned kind)
{
	return kind < TM_SLAB_PAIRS ? kind : kind - TM_SLAB_PAIRS + TM_PAIRS_FEWEST;
}

// Bytes from one to the next. Pairs are multiples of 32: so bit 4 of an address tells an object from a companion.
static inline size_t tm_slab_step(unsigned kind)
{
	return TM_SLAB_BYTES / tm_slab_objects(kind) & ~(size_t)(kind < TM_SLAB_PAIRS ? 15 : 31);
}

// Bytes of each object.
static inline size_t tm_slab_size(unsigned kind)
{
	return tm_slab_step(kind) - (kind < TM_SLAB_PAIRS ? 0 : TM_COMPANION);
}

// The kind for objects of so many bytes (496 < size <= TM_SLAB_MAX): as many in a slab as can be, in pairs if that takes nothing away.
static inline unsigned tm_slab_kind(size_t size)
{
	size_t bytes = (size + 15) & ~(size_t)15;
	unsigned n = (unsigned)(TM_SLAB_BYTES / bytes), pairs = n - TM_PAIRS_FEWEST + TM_SLAB_PAIRS;

	return n >= TM_PAIRS_FEWEST && n <= TM_PAIRS_MOST && tm_slab_size(pairs) >= bytes ? pairs : n;
}

// Slabs in the bulk zone. False: there is no memory for what is known of them, and there will be none.
bool tm_slab_init(void);
// Takes up to n objects of a kind. Returns how many: fewer only when there is no memory. In the order of their addresses, last first.
unsigned tm_slab_take(unsigned kind, void **objects, unsigned n);
// Gives back n objects of a kind.
void tm_slab_give(unsigned kind, void *const *objects, unsigned n);
// The 16 bytes in front of an object in a slab of pairs, which may have been freed meanwhile, but was of that kind; NULL: they are in use, or the object
// has gone. They are freed by themselves: neither keeps the other, but both their slab.
void *tm_slab_take_companion(unsigned kind, const void *object);
void tm_slab_give_companion(unsigned kind, void *companion);
// Bytes of objects and companions that are in use or kept by threads, and of memory that slabs hold.
void tm_slab_bytes(size_t *used, size_t *held);

// Around a fork: no thread is amid slabs.
void tm_slab_lock_all(void);
void tm_slab_unlock_all(void);
void tm_slab_locks_reset(void);

#endif
