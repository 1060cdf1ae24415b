// How guest RAM is told from the rest of QEMU's memory, for every accelerator and memory backend (QEMU 5.0 to 10.x, util/mmap-alloc.c
// and ram_block_add): a RAM block begins as a PROT_NONE reservation of its size and its alignment; memory of some kind is mapped over
// it (MAP_FIXED); what is left over is unmapped; and before anybody touches it, the block alone is given MADV_DONTFORK. So:
// large reservations get address space of the zone of captured mappings, what is mapped there is noted, and the advice turns the
// block into granules. QEMU's heap, stacks and code buffer never get that advice and stay the kernel's.
//
// The address of the RAM never changes: QEMU keeps pointers to it everywhere. What moves is what is mapped there.
#include "allocator/guest.h"
#include "allocator/core.h"
#include "allocator/mmap_zone.h"
#include "allocator/worker.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>

#define BLOCKS 256

int qemu_ram_foreach_block(int (*f)(void *, void *), void *) __attribute__((weak));

// What lies in the zone: mapped by QEMU, and captured when it turned out to be RAM.
static struct block {
	uintptr_t addr;
	size_t size; // 0: unused
	int flags;   // of mmap
	bool captured;
} blocks[BLOCKS];
static uint64_t captured_bytes;

bool tm_guest_is_qemu(void)
{
	return qemu_ram_foreach_block != NULL;
}

static struct block *find(uintptr_t addr)
{
	for (int i = 0; i < BLOCKS; i++) {
		if (blocks[i].size && blocks[i].addr == addr)
			return &blocks[i];
	}
	return NULL;
}

static void note(void *addr, size_t size, int flags)
{
	struct block *b = find((uintptr_t)addr);

	for (int i = 0; !b && i < BLOCKS; i++) {
		if (!blocks[i].size)
			b = &blocks[i];
	}
	if (b)
		*b = (struct block){(uintptr_t)addr, size, flags, false};
}

bool tm_guest_owns(uintptr_t addr, size_t size)
{
	for (int i = 0; i < BLOCKS; i++) {
		if (blocks[i].captured && addr < blocks[i].addr + blocks[i].size && blocks[i].addr < addr + size)
			return true;
	}
	return false;
}

void tm_guest_forget(void)
{
	for (int i = 0; i < BLOCKS; i++) {
		if (blocks[i].captured)
			tm_os_munmap((void *)blocks[i].addr, blocks[i].size);
		blocks[i] = (struct block){0};
	}
}

bool tm_guest_refuses_rings(void)
{
	static atomic_bool said;
	static char line[65536];

	if (!tm.guest)
		return false;
	if (atomic_exchange(&said, true))
		return true;
	ssize_t n = tm_os_read_file("/proc/self/cmdline", line, sizeof(line));
	if (n > 0 && memmem(line, (size_t)n, "io_uring", 8))
		tm_log("io_uring: memory that it reads and writes cannot be followed, so there is none; use aio=threads or "
		       "aio=native");
	return true;
}

uint64_t tm_guest_bytes(void)
{
	return captured_bytes;
}

void *tm_guest_mmap(void *addr, size_t size, int prot, int flags, int fd, off_t offset)
{
	bool anonymous = (flags & (MAP_PRIVATE | MAP_ANONYMOUS)) == (MAP_PRIVATE | MAP_ANONYMOUS);

	if (anonymous && !addr && prot == PROT_NONE && size >= TM_GUEST_RAM_MIN && !(flags & (MAP_FIXED | MAP_HUGETLB))) {
		void *space = tm_mmap_reserve(size);
		if (space)
			return space;
	}
	void *p = tm_os_mmap(addr, size, prot, flags, fd, offset);
	if (p != MAP_FAILED && flags & MAP_FIXED && tm_ours((uintptr_t)p) && size >= TM_GUEST_RAM_MIN)
		note(p, size, flags);
	return p;
}

bool tm_guest_capture(void *addr, size_t size)
{
	struct block *b = find((uintptr_t)addr);

	if (!b || b->captured || size < TM_GUEST_RAM_MIN)
		return false;
	if (!(b->flags & MAP_ANONYMOUS))
		return false;
	uint64_t granules = (captured_bytes + size) >> tm.shift;
	if (granules + 64 > tm.vmas_max)
		tm_die("%" PRIu64 " bytes of guest RAM are %" PRIu64
		       " granules, and vm.max_map_count allows %" PRIu64 "; use a larger --granule or raise it",
		       captured_bytes + size, granules, tm.vmas_max - 64);
	if (!tm.engine_on && !tm_worker_start())
		tm_die("cannot start threads for the migration of guest RAM: %m");
	if (!tm_mmap_adopt(addr, size))
		tm_die("cannot take over %zu bytes of guest RAM: %m", size);
	b->captured = true;
	b->size = size & ~(tm.granule - 1);
	captured_bytes += b->size;
	return true;
}
