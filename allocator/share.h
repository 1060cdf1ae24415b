// Forked children share PMEM frames with their parent, copy on write: a fork copies nothing, and takes no DRAM for what is on PMEM.
//
// A frame that is shared does not change (pool_share.h). The child has it mapped privately, so that the kernel gives it DRAM for each page that it
// writes. In the parent a granule of the heap whose frame is shared is TM_SHARED: detached, as for a hint. At its first touch it gets, with its neighbours, a frame of its own, with a
// copy (or DRAM, when PMEM is full); when the children have gone, its old frame, as it was. So both tiers stay what they were, but PMEM needs room for what the
// parent touches meanwhile. Reads count as touches: a file of persistent memory cannot be watched for writes alone (userfaultfd knows only memfds so).
//
// Not shared but copied at the fork (fork.c): captured mappings (to give a child's page back must leave zeros, and growing must not show the next
// frame), what is pinned, under direct I/O or holds a futex, everything on devdax, and when 16 forks' children live already.
#ifndef TIERMEM_SHARE_H
#define TIERMEM_SHARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Before a fork: detaches what is to be shared. From here to after(), who touches it waits. Engine held.
void tm_share_before(void);
void tm_share_after(void);
void tm_share_in_child(void);
// In a child: pages that may be its parent's frames become empty memory. (MADV_DONTNEED would show the frame again.)
void tm_share_empty(void *addr, size_t size);

// A thread touched a page of a granule that is TM_SHARED. tm_lock held.
void tm_share_touched(size_t g, int thread);
// Ends what keeps a granule detached on purpose: a hint, or children. True: it is on its way now; tm_wait(), and look again. tm_lock held.
bool tm_settle(size_t g);
// Whether a fork is under way.
bool tm_share_forking(void);
// n granules that are TM_SHARED go out of use: empty memory, no frames; the caller changes the table. tm_lock held, no fork under way.
void tm_share_drop(size_t g, size_t n);
// When the children have gone everything is as before. Returns when to look again, in ns. Engine held.
uint64_t tm_share_tick(uint64_t now);

// Bytes that are shared now; that have been copied since the start. tm_lock held.
uint64_t tm_share_bytes(void);
uint64_t tm_share_copied_bytes(void);
// In a forked child that becomes managed.
void tm_share_reset(void);

#endif
