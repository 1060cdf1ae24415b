// The ledger of the PMEM devices, which all processes that use it share: which frame is whose, and how much DRAM each holds. It lies at the beginning of
// the device itself, so whoever can use the one finds the other. Of several devices it is on the first (by id, not as they are named), and each has a
// head that says which one of which it is: who gives another list with one of them is refused.
//
// A frame has an owner (one byte, 0: nobody), and changes hands by compare-and-swap alone: no lock, so nobody who is killed leaves one held, and
// nothing to be put right but what the dead own. An owner is a slot of the ledger with a byte range of the (first) device locked (OFD lock: it
// ends when its memory has gone), and its process. Whoever finds nothing free takes back what belongs to owners that are no more.
//
// Children of a fork share frames with their parent: see pool_share.h.
//
// Who opens the device while nobody else has it (flock) begins a new head or ledger: a crash, a power cut, and an old version leave nothing behind.
#ifndef TIERMEM_POOL_H
#define TIERMEM_POOL_H

#include "allocator/tier_pmem.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Most processes that can use a device at a time.
#define TM_POOL_OWNERS 254

// Takes part in devices that are open, and lays frames out on them: pmem->start, stripe and bytes. False: why says what is wrong and how to mend it, in one line.
bool tm_pool_join(struct tm_pmem *pmem, size_t granule, char *why, size_t size);
// In a forked child: it owns nothing. It gets an open file of its own, or its parent's locks would not end with its parent. False: it
// cannot take part again; the device is closed.
bool tm_pool_forked(void);
// The child becomes an owner. False: there are too many.
bool tm_pool_rejoin(void);

uint32_t tm_pool_frames(void); // of the device
uint32_t tm_pool_free(void);
uint32_t tm_pool_mine(void);
uint8_t tm_pool_me(void); // as an owner
unsigned tm_pool_owners(void);
// Takes up to n frames from first on, as far as they are free. Returns how many.
uint32_t tm_pool_take(uint32_t first, uint32_t n);
void tm_pool_give(uint32_t first, uint32_t n);
// First frame in [from, to) that is free, or to.
uint32_t tm_pool_find(uint32_t from, uint32_t to);
// How many frames from first on, at most n, are free.
uint32_t tm_pool_run(uint32_t first, uint32_t n);

// DRAM, in bytes: that this process holds, from now on; that all hold together.
void tm_pool_dram(uint64_t bytes);
uint64_t tm_pool_dram_all(void);
// This process wants DRAM that others have.
void tm_pool_want(void);
// Whether another process wants so, lately.
bool tm_pool_wanted(void);

// Takes back what belongs to processes that are no more; at most once a second. True: there was something. tm_lock held.
bool tm_pool_reclaim(void);

#endif
