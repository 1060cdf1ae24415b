// The PMEM tier: devdax devices, files on fsdax, memfds where there is no device, or NUMA nodes (tier_numa.h).
//
// Several devices are used in stripes: frames that follow each other are on one device to the end of the stripe, then on the next. Stripes are
// long (2 MiB at least), because neighbouring granules need neighbouring frames to be one mapping of the kernel's; see docs/tiermem.md.
#ifndef TIERMEM_TIER_PMEM_H
#define TIERMEM_TIER_PMEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum tm_pmem_kind { TM_DEVDAX, TM_FSDAX, TM_FILE, TM_MEMFD, TM_NUMA };

#define TM_PMEM_DEVICES 8 // most

struct tm_pmem_device {
	int fd;
	uint64_t id;	  // of a device or file, as in fstat(2)
	const char *path; // in tm_pmem.path, so many characters
	int length;
	uint64_t bytes; // all of it: whole granules
	char *alias;	// its frames, mapped; NULL before tm_pmem_alias(), and on NUMA nodes
};

struct tm_pmem {
	enum tm_pmem_kind kind;
	const char *path; // all of them, as given
	unsigned devices;
	struct tm_pmem_device device[TM_PMEM_DEVICES]; // in the order of their ids
	// What follows tm_pool_join() sets; until then bytes is what they have together.
	uint64_t start; // where frames begin on each device, behind the ledger (pool.h)
	uint64_t bytes; // usable: whole stripes
	unsigned stripe; // log2 of frames; with one device 32, which is beyond all
};

extern struct tm_pmem tm_pmem;

// Opens what a value of --pmem names, for granules of a size. False: why says what is wrong and how to mend it, in one line.
bool tm_pmem_open(const char *path, size_t granule, struct tm_pmem *out, char *why, size_t size);
void tm_pmem_close(struct tm_pmem *pmem);
const char *tm_pmem_kind_name(enum tm_pmem_kind kind);

// Maps the devices through libpmem2 (memfd: mmap). May call malloc.
bool tm_pmem_alias(char *why, size_t size);
// Whether that has been done.
static inline bool tm_pmem_aliased(void)
{
	return tm_pmem.device[0].alias;
}
// On NUMA nodes granules are anonymous memory as in DRAM: their frames are numbers that keep count, and have no addresses.
static inline bool tm_pmem_anonymous(void)
{
	return tm_pmem.kind == TM_NUMA;
}

// The device that a frame is on, and where on it.
static inline unsigned tm_pmem_device(uint32_t frame)
{
	return tm_pmem.devices == 1 ? 0 : (frame >> tm_pmem.stripe) % tm_pmem.devices;
}
uint64_t tm_pmem_offset(uint32_t frame);
// Frames from one on that are neighbours on its device, itself included.
static inline uint64_t tm_pmem_neighbours(uint32_t frame)
{
	uint64_t stripe = UINT64_C(1) << tm_pmem.stripe;

	return stripe - (frame & (stripe - 1));
}
// Whether b is a's neighbour there, so that the kernel can map both as one.
static inline bool tm_pmem_follows(uint32_t a, uint32_t b)
{
	return a + 1 == b && tm_pmem_neighbours(a) > 1;
}

// What follows takes n frames that are neighbours.
//
// Maps them at addr over whatever is there; fill: page tables too. NUMA nodes: what is there stays; what comes is theirs. False: the
// kernel refuses.
bool tm_pmem_map(void *addr, uint32_t frame, uint32_t n, int prot, bool fill);
char *tm_pmem_address(uint32_t frame);
// Copies granules to frames with non-temporal stores.
void tm_pmem_store(uint32_t frame, const void *from, uint32_t n);
void tm_pmem_zero(uint32_t frame, uint32_t n);
// The contents of frames are no longer needed (memfd: gives the memory back).
void tm_pmem_discard(uint32_t frame, uint32_t n);

#endif
