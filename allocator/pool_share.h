// Frames that forked children share with their parent (share.h): who maps them privately, so that they must neither change nor be used again.
//
// A share is one fork's: the child, and what it forks in turn. It has a byte range of each device locked, with open files of its own that are
// used for the child's mappings and closed then: so the lock ends by itself when the last of these mappings has gone, whoever has it and however
// that ends. A frame has a bit for each share. One that is given back while it has any becomes an orphan, and free with the last bit.
#ifndef TIERMEM_POOL_SHARE_H
#define TIERMEM_POOL_SHARE_H

#include <stdbool.h>
#include <stdint.h>

#define TM_POOL_SHARES 16 // most at a time, of all processes that use the devices

// Before a fork: begins a share. False: there are as many as there can be, or the device has no private mappings. tm_lock held.
bool tm_share_begin(void);
// n frames become part of it. tm_lock held.
void tm_share_add(uint32_t first, uint32_t n);
// In the child: maps n frames that are neighbours privately at addr. False: the kernel refuses.
bool tm_share_map(void *addr, uint32_t first, uint32_t n);
// Parent, after the fork, and child, after mapping, let go of it.
void tm_share_close(void);

// Whether children have a frame.
bool tm_shared(uint32_t frame);
// Ends the shares that nobody has any more. True: there were some. tm_lock held, for locks are the process'.
bool tm_shares_reap(void);
// How many this process has ended.
unsigned tm_shares_reaped(void);
// A frame of an owner's (the caller, or one that is dead) is given back while children have it.
void tm_share_orphan(uint32_t frame, uint8_t owner);

#endif
