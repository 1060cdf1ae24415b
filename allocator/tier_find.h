// What --pmem auto finds on this machine.
#ifndef TIERMEM_TIER_FIND_H
#define TIERMEM_TIER_FIND_H

#include <stddef.h>

// The largest devdax device that this user may use with granules of a size (bytes); else all NUMA nodes with memory and no CPUs (CXL or PMEM as
// system RAM); else a memfd in DRAM. As a value of --pmem, which stays.
const char *tm_tier_find(size_t granule);

#endif
