// What --pmem auto finds on this machine.
#ifndef TIERMEM_TIER_FIND_H
#define TIERMEM_TIER_FIND_H

#include <stddef.h>

// The devdax devices that this user may use with granules of a size (bytes), those that are alike in size, alignment and node and have the
// most together; else all NUMA nodes with memory and no CPUs (CXL or PMEM as
// system RAM); else a memfd in DRAM. As a value of --pmem, which stays.
const char *tm_tier_find(size_t granule);

#endif
