// A forked child. At first it is not managed: all of its memory is anonymous (fork.c), it has no threads of ours, and most children end or exec
// soon. One that takes TM_CHILD_BYTES of its own becomes managed like a process that was started so (PostgreSQL's backends, a server's workers):
// with its own quota, threads and control socket, on the same PMEM. What it has from its parent stays where it is (TM_INHERITED): moving it would
// copy what both still share.
#ifndef TIERMEM_CHILD_H
#define TIERMEM_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TM_CHILD_BYTES ((size_t)2 << 20)

// In the child, in the fork handler.
void tm_child_forked(void);
// Heap memory comes into use and goes, while the child is not managed. jemalloc's locks held.
void tm_child_commit(uintptr_t addr, size_t size);
void tm_child_decommit(uintptr_t addr, size_t size);
// It takes size bytes by mmap.
void tm_child_mmap(size_t size);
// The child becomes managed if it has taken enough. Nothing of malloc's is locked.
void tm_child_adopt(void);

#endif
