#include "allocator/pool_share.h"
#include "allocator/core.h"
#include "allocator/pool_ledger.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static int files[TM_PMEM_DEVICES]; // of the share that is being made
static unsigned opened;
static unsigned number;
static unsigned reaped;

static bool lock(int fd, unsigned share, int command, short type)
{
	return tm_pool_lock(fd, TM_ORPHAN + share, command, type);
}

// Nobody has it any more. Whoever finds that has the lock of it, for a moment.
static bool take_lock(unsigned share)
{
	unsigned i = 0;

	while (i < tm_pmem.devices && lock(tm_pmem.device[i].fd, share, F_OFD_SETLK, F_WRLCK))
		i++;
	if (i == tm_pmem.devices)
		return true;
	while (i)
		lock(tm_pmem.device[--i].fd, share, F_OFD_SETLK, F_UNLCK);
	return false;
}

static void give_lock(unsigned share)
{
	for (unsigned i = 0; i < tm_pmem.devices; i++)
		lock(tm_pmem.device[i].fd, share, F_OFD_SETLK, F_UNLCK);
}

// An orphan that nobody has any more becomes free. Of several who see that the swap lets one; until its contents have gone, the frame is an owner's.
static void release(uint32_t frame, uint8_t owner)
{
	uint8_t orphan = TM_ORPHAN;
	uint32_t count;

	if (tm_shared(frame) || !atomic_compare_exchange_strong(&tm_ledger->owner[frame], &orphan, owner))
		return;
	count = tm_ledger->slot[0].frames;
	while (count && !atomic_compare_exchange_weak(&tm_ledger->slot[0].frames, &count, count - 1)) // 0: settle() has been here
		continue;
	tm_pmem_discard(frame, 1);
	tm_ledger->owner[frame] = 0;
}

void tm_share_orphan(uint32_t frame, uint8_t owner)
{
	tm_ledger->slot[0].frames++;
	tm_ledger->owner[frame] = TM_ORPHAN;
	release(frame, owner); // the last child may just have gone
}

static void clear(unsigned share)
{
	_Atomic uint16_t *bits = tm_ledger_shares();
	uint16_t bit = (uint16_t)(1u << share);

	for (uint32_t f = 0; f < tm_ledger->head.frames; f++) {
		if (!(bits[f] & bit))
			continue;
		bits[f] &= (uint16_t)~bit;
		if (tm_ledger->owner[f] == TM_ORPHAN)
			release(f, tm_pool_me());
	}
}

unsigned tm_shares_reaped(void)
{
	return reaped;
}

// A process that is killed in mid-change leaves an orphan that nobody frees, or a count of them that is one off. Both show once nothing is shared.
static void settle(void)
{
	uint32_t count = tm_ledger->slot[0].frames;
	uint8_t *owner = (uint8_t *)tm_ledger->owner, *end = owner + tm_ledger->head.frames, *at = owner;

	if (!count)
		return;
	for (unsigned i = 0; i < TM_POOL_SHARES; i++)
		if (tm_ledger->share[i])
			return;
	while ((at = memchr(at, TM_ORPHAN, (size_t)(end - at)))) {
		release((uint32_t)(at++ - owner), tm_pool_me());
		count = tm_ledger->slot[0].frames;
	}
	// Whoever makes an orphan meanwhile counts it first: then this is no longer the count.
	atomic_compare_exchange_strong(&tm_ledger->slot[0].frames, &count, 0);
}

bool tm_shares_reap(void)
{
	unsigned before = reaped;

	for (unsigned i = 0; i < TM_POOL_SHARES; i++) {
		if (!tm_ledger->share[i] || !take_lock(i))
			continue;
		clear(i);
		tm_ledger->share[i] = 0;
		give_lock(i);
		reaped++;
	}
	settle();
	return reaped != before;
}

bool tm_shared(uint32_t frame)
{
	return tm_ledger_shares()[frame];
}

// Opens the devices anew, with the locks.
static bool open_files(unsigned share)
{
	bool ok = true;

	for (opened = 0; ok && opened < tm_pmem.devices;) {
		int fd = tm_os_high_fd(tm_pool_open_again(tm_pmem.device[opened].fd));
		ok = fd >= 0;
		if (ok)
			files[opened++] = fd;
		ok = ok && lock(fd, share, F_OFD_SETLK, F_WRLCK);
	}
	if (!ok)
		tm_share_close();
	return ok;
}

// Whether the device has private mappings: devdax has none.
static bool possible(void)
{
	static enum { UNKNOWN, YES, NO } known;

	for (unsigned i = 0; known == UNKNOWN && i < tm_pmem.devices; i++) {
		void *p = tm_os_mmap(NULL, tm.granule, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, tm_pmem.device[i].fd,
				     (off_t)tm_pmem.start);
		known = p == MAP_FAILED ? NO : i + 1 == tm_pmem.devices ? YES : UNKNOWN;
		if (p != MAP_FAILED)
			tm_os_munmap(p, tm.granule);
	}
	return known == YES;
}

bool tm_share_begin(void)
{
	if (!possible())
		return false;
	tm_shares_reap();
	for (number = 0; number < TM_POOL_SHARES; number++) {
		uint32_t nobody = 0;
		if (tm_ledger->share[number] || !open_files(number))
			continue;
		if (atomic_compare_exchange_strong(&tm_ledger->share[number], &nobody, (uint32_t)getpid()))
			return true;
		tm_share_close();
	}
	return false;
}

void tm_share_add(uint32_t first, uint32_t n)
{
	_Atomic uint16_t *bits = tm_ledger_shares();

	for (uint32_t f = first; f < first + n; f++)
		bits[f] |= (uint16_t)(1u << number);
}

bool tm_share_map(void *addr, uint32_t first, uint32_t n)
{
	return tm_os_mmap(addr, (size_t)n << tm.shift, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE,
			  files[tm_pmem_device(first)], (off_t)tm_pmem_offset(first)) != MAP_FAILED;
}

void tm_share_close(void)
{
	while (opened)
		tm_os_close(files[--opened]);
}
