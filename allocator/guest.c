// How guest RAM is told from the rest of QEMU's memory, for every accelerator and memory backend (QEMU 5.0 to 10.x, util/mmap-alloc.c
// and ram_block_add): a RAM block begins as a PROT_NONE reservation of its size and its alignment; memory of some kind is mapped over
// it (MAP_FIXED); what is left over is unmapped; and before anybody touches it, the block alone is given MADV_DONTFORK. So:
// large reservations get address space of the zone of captured mappings, what is mapped there is noted, and the advice turns the
// block into granules. QEMU's heap, stacks and code buffer never get that advice and stay the kernel's.
//
// Backends. Anonymous memory, private or shared (with children, which QEMU has none of), is simply replaced. So is a memfd: it belongs to
// this process until its descriptor is given away, which is refused (preload_guest.c); the memfd stays empty. A file is captured when
// the command line says that it is the machine's RAM (guest_args.h), and left alone when it is an NVDIMM's image or anything else:
// its contents matter. RAM in a file that has contents, or that somebody else has open, cannot be replaced by private memory: the
// process ends and says so.
//
// The address of the RAM never changes: QEMU keeps pointers to it everywhere. What moves is what is mapped there.
#include "allocator/guest.h"
#include "allocator/core.h"
#include "allocator/direct_io.h"
#include "allocator/guest_args.h"
#include "allocator/mmap_zone.h"
#include "allocator/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCKS 256

int qemu_ram_foreach_block(int (*f)(void *, void *), void *) __attribute__((weak));

// What lies in the zone: mapped by QEMU, and captured when it turned out to be RAM.
static struct block {
	uintptr_t addr;
	size_t size;	// 0: unused
	bool is_file;	// and which:
	bool is_memfd;	// named by nobody
	struct stat st; // when it was mapped
	char path[256];
	bool shared;
	bool in_use; // somebody else has it open
	bool captured;
} blocks[BLOCKS];
static uint64_t captured_bytes;
static char line[65536]; // QEMU's command line

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

static size_t read_line(void)
{
	ssize_t n = tm_os_read_file("/proc/self/cmdline", line, sizeof(line));

	return n > 0 ? (size_t)n : 0;
}

static void note(void *addr, size_t size, int flags, int fd)
{
	struct block *b = find((uintptr_t)addr);
	char link[64];

	for (int i = 0; !b && i < BLOCKS; i++) {
		if (!blocks[i].size)
			b = &blocks[i];
	}
	if (!b)
		return;
	*b = (struct block){.addr = (uintptr_t)addr, .size = size, .shared = flags & MAP_SHARED};
	if (flags & MAP_ANONYMOUS)
		return;
	b->is_file = !fstat(fd, &b->st);
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, b->path, sizeof(b->path) - 1);
	b->path[n > 0 ? n : 0] = 0;
	b->is_memfd = !strncmp(b->path, "/memfd:", 7);
	// A lease for writing is to be had by who alone has the file open. (Of a memfd by nobody, but nobody else can open one.)
	b->in_use = !b->is_memfd && fcntl(fd, F_SETLEASE, F_WRLCK) && errno == EAGAIN;
	if (!b->in_use)
		fcntl(fd, F_SETLEASE, F_UNLCK);
}

// Whether the command line says that the file is RAM of the machine.
static bool is_machine_ram(const struct block *b)
{
	char path[PATH_MAX];
	struct stat st;
	size_t n = read_line();

	for (size_t i = 0; tm_guest_args_ram_path(line, n, i, path, sizeof(path)); i++) {
		if (stat(path, &st))
			continue;
		if (st.st_dev == b->st.st_dev && (st.st_ino == b->st.st_ino || S_ISDIR(st.st_mode)))
			return true; // QEMU makes a file in a directory
	}
	return false;
}

// True if the block is RAM whose memory can be replaced; ends the process if it is RAM and cannot.
static bool is_ours(const struct block *b)
{
	if (!b->is_file)
		return true;
	if (!b->is_memfd && !is_machine_ram(b))
		return false;
	if (b->in_use)
		tm_die("guest RAM in %s: another process has that file open, so it cannot be managed; start QEMU without "
		       "tiermem, or give it RAM of its own",
		       b->path);
	if (b->st.st_blocks)
		tm_die("guest RAM in %s: the file has contents, which managed memory would not have; remove it first",
		       b->path);
	return true;
}

void tm_guest_opened(const char *path)
{
	if (!strncmp(path, "/dev/vfio/", 10) || !strcmp(path, "/dev/iommu"))
		tm_io_refuse("VFIO");
}

bool tm_guest_backed_by(int fd)
{
	struct stat st;

	if (fstat(fd, &st))
		return false;
	for (int i = 0; i < BLOCKS; i++) {
		if (blocks[i].captured && blocks[i].is_file && blocks[i].st.st_dev == st.st_dev &&
		    blocks[i].st.st_ino == st.st_ino)
			return true;
	}
	return false;
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

	if (!tm.guest)
		return false;
	if (atomic_exchange(&said, true))
		return true;
	if (memmem(line, read_line(), "io_uring", 8))
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
		note(p, size, flags, fd);
	return p;
}

uint64_t tm_guest_offset(uintptr_t addr)
{
	uint64_t before = 0;

	for (int i = 0; i < BLOCKS; i++) {
		if (blocks[i].captured && addr - blocks[i].addr < blocks[i].size)
			return before + (addr - blocks[i].addr);
		before += blocks[i].captured ? blocks[i].size : 0;
	}
	return UINT64_MAX;
}

// Each granule may become a mapping of its own.
static void check_count(uint64_t bytes)
{
	uint64_t n = bytes >> tm.shift, most = tm.vmas_max - 64;
	unsigned shift = tm.shift;

	while (bytes >> shift > most)
		shift++;
	if (n > most)
		tm_die("%" PRIu64 " bytes of guest RAM are %" PRIu64 " granules, and vm.max_map_count allows %" PRIu64
		       "; use --granule %uK, or raise it (sysctl vm.max_map_count)",
		       bytes, n, most, 1u << (shift - 10));
}

bool tm_guest_capture(void *addr, size_t size)
{
	struct block *b = find((uintptr_t)addr);

	if (!b || b->captured || size < TM_GUEST_RAM_MIN || !is_ours(b))
		return false;
	if (tm.child)
		tm_die("guest RAM cannot be managed after QEMU has forked (-daemonize); leave that out and use setsid(1)");
	check_count(captured_bytes + size);
	if (!tm.engine_on && !tm_worker_start())
		tm_die("cannot start threads for the migration of guest RAM: %m");
	if (!tm_mmap_adopt(addr, size))
		tm_die("cannot take over %zu bytes of guest RAM: %m", size);
	b->captured = true;
	b->size = size & ~(tm.granule - 1);
	captured_bytes += b->size;
	return true;
}
