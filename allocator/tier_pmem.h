// The PMEM tier: a devdax device, a file on fsdax, a memfd where there is no device, or NUMA nodes (tier_numa.h).
#ifndef TIERMEM_TIER_PMEM_H
#define TIERMEM_TIER_PMEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum tm_pmem_kind { TM_DEVDAX, TM_FSDAX, TM_FILE, TM_MEMFD, TM_NUMA };

struct tm_pmem {
	int fd;
	enum tm_pmem_kind kind;
	const char *path;
	uint64_t start; // where frames begin, behind the ledger (pool.h)
	uint64_t bytes; // usable: whole granules
	char *alias;	// all frames, mapped; NULL before tm_pmem_alias(), and on NUMA nodes
};

extern struct tm_pmem tm_pmem;

// Opens path for granules of a size. False: why says what is wrong and how to mend it, in one line.
bool tm_pmem_open(const char *path, size_t granule, struct tm_pmem *out, char *why, size_t size);
const char *tm_pmem_kind_name(enum tm_pmem_kind kind);

// Maps the whole device through libpmem2 (memfd: mmap). May call malloc.
bool tm_pmem_alias(char *why, size_t size);
// On NUMA nodes granules are anonymous memory as in DRAM: their frames are numbers that keep count, and have no addresses.
static inline bool tm_pmem_anonymous(void)
{
	return tm_pmem.kind == TM_NUMA;
}
// Maps n frames at addr over whatever is there; fill: page tables too. NUMA nodes: what is there stays; what comes is theirs. False: the
// kernel refuses.
bool tm_pmem_map(void *addr, uint32_t frame, uint32_t n, int prot, bool fill);
char *tm_pmem_address(uint32_t frame);
// Copies granules to frames with non-temporal stores.
void tm_pmem_store(uint32_t frame, const void *from, uint32_t n);
void tm_pmem_zero(uint32_t frame, uint32_t n);
// The contents of frames are no longer needed (memfd: gives the memory back).
void tm_pmem_discard(uint32_t frame, uint32_t n);

#endif
