// The PMEM tier: a devdax device, a file on fsdax, or a memfd where there is no device.
#ifndef TIERMEM_TIER_PMEM_H
#define TIERMEM_TIER_PMEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum tm_pmem_kind { TM_DEVDAX, TM_FSDAX, TM_FILE, TM_MEMFD };

struct tm_pmem {
	int fd;
	enum tm_pmem_kind kind;
	const char *path;
	uint64_t start; // where frames begin, behind the ledger (pool.h)
	uint64_t bytes; // usable: whole granules
	char *alias;	// all frames, mapped; NULL before tm_pmem_alias()
};

extern struct tm_pmem tm_pmem;

// Opens path for granules of a size. False: why says what is wrong and how to mend it, in one line.
bool tm_pmem_open(const char *path, size_t granule, struct tm_pmem *out, char *why, size_t size);
const char *tm_pmem_kind_name(enum tm_pmem_kind kind);

// Maps the whole device through libpmem2 (memfd: mmap). May call malloc.
bool tm_pmem_alias(char *why, size_t size);
// Maps n frames at addr over whatever is there; fill: page tables too. False: the kernel refuses.
bool tm_pmem_map(void *addr, uint32_t frame, uint32_t n, int prot, bool fill);
char *tm_pmem_address(uint32_t frame);
// Copies granules to frames with non-temporal stores.
void tm_pmem_store(uint32_t frame, const void *from, uint32_t n);
void tm_pmem_zero(uint32_t frame, uint32_t n);
// The contents of frames are no longer needed (memfd: gives the memory back).
void tm_pmem_discard(uint32_t frame, uint32_t n);

#endif
