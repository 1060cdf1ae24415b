// The ledger as it lies on the (first) device; for pool.c and pool_share.c alone.
#ifndef TIERMEM_POOL_LEDGER_H
#define TIERMEM_POOL_LEDGER_H

#include "allocator/pool.h"
#include "allocator/pool_share.h"

#include <sys/types.h>

#define TM_LEDGER_MAGIC UINT64_C(0x316c6f6f706d7403) // another layout: another number
#define TM_LOCKS	((off_t)1 << 61) // where the locks of slots are, behind all contents; then those of shares
#define TM_ORPHAN	(TM_POOL_OWNERS + 1) // as an owner: nobody but children who share the frame

// At the beginning of each device.
struct tm_head {
	_Atomic uint64_t magic; // written last
	uint64_t set;		// which devices they are, in one number; 0: only this one
	uint32_t granule, frames, devices, index;
};

struct tm_ledger {
	struct tm_head head;
	_Atomic uint32_t owners; // slots ever used: who looks at all need not look further
	uint32_t unused;
	struct tm_slot {
		_Atomic uint32_t pid; // 0: free
		_Atomic uint32_t frames;
		_Atomic uint64_t started; // clock ticks after boot, 0: not known
		_Atomic uint64_t dram;	  // bytes
		_Atomic uint64_t wanted;  // CLOCK_MONOTONIC, ns
	} slot[TM_POOL_OWNERS + 1]; // [0]: nobody; its frames are the orphans
	_Atomic uint32_t share[TM_POOL_SHARES]; // the parent's process; 0: free
	_Atomic uint8_t owner[]; // by frame; then, by frame, an _Atomic uint16_t: shares, by bit
};

extern struct tm_ledger *tm_ledger;

// Locks a byte of those behind TM_LOCKS, or unlocks it, or asks. True: it is ours now; nobody has it.
bool tm_pool_lock(int fd, unsigned byte, int command, short type);
// Another open file of a device, with the lock that tells who comes that the device is not to begin anew; -1.
int tm_pool_open_again(int fd);

static inline uint64_t tm_ledger_bytes(uint64_t frames)
{
	return sizeof(struct tm_ledger) + frames + (frames & 1) + frames * sizeof(uint16_t);
}
// The shares of all frames.
static inline _Atomic uint16_t *tm_ledger_shares(void)
{
	uint32_t frames = tm_ledger->head.frames;

	return (_Atomic uint16_t *)(tm_ledger->owner + frames + (frames & 1));
}

#endif
