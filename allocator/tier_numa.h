// Far memory that is a NUMA node: CXL or PMEM as system RAM (kmem), or another socket's. Granules there are anonymous memory, as those in DRAM
// are, and the kernel moves their pages: it refuses those that a device has pinned, copies on write across fork, and knows futexes by their
// address. A granule of such a tier is a mapping with a memory policy, so that pages that come later are far, too. Raw system calls: no malloc.
#ifndef TIERMEM_TIER_NUMA_H
#define TIERMEM_TIER_NUMA_H

#include "allocator/tier_pmem.h"

// Opens numa:NODE[,NODE...][:SIZE]; several nodes are interleaved. Without a size: all that the nodes have. False: why says what is wrong.
bool tm_numa_open(const char *path, size_t granule, struct tm_pmem *out, char *why, size_t size);
// Writes numa:NODE[,NODE...] with all nodes that have memory and no CPUs. False: there are none.
bool tm_numa_find(char *path, size_t size);
// Says where pages of a range are to come from that are not there yet. Far: from the nodes, as long as they have any. False: the kernel refuses.
bool tm_numa_bind(void *addr, size_t size, bool far);
// Moves the pages of a range, at most TM_NUMA_MOST, that are there. False: some cannot move (a device has them, a forked child
// shares them, the node is full); then all are where they were, as far as the kernel allows. One thread at a time.
#define TM_NUMA_MOST ((size_t)4 << 20)
bool tm_numa_move(void *addr, size_t size, bool far);

#endif
