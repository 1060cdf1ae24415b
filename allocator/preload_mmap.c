// mmap and its relatives. Private anonymous memory of some size is captured; everything else goes to the kernel as it
// is. No dlsym here, no malloc: jemalloc-linked programs would deadlock.
//
// Not captured: MAP_FIXED but for what the program reserved before, stacks, huge pages, locked mappings, executable ones at an address, those under 64 KiB or a
// granule.
#include "allocator/child.h"
#include "allocator/core.h"
#include "allocator/guest.h"
#include "allocator/mmap_zone.h"
#include "allocator/share.h"

#include <errno.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

#define REFUSED                                                                                              \
	(MAP_FIXED | MAP_FIXED_NOREPLACE | MAP_STACK | MAP_GROWSDOWN | MAP_HUGETLB | MAP_LOCKED | MAP_32BIT)

// A part of malloc's memory, which programs may treat as mappings, too: it stays where it is then.
static bool in_heap(const void *addr, size_t size)
{
	uintptr_t at = (uintptr_t)addr;

	return tm.managed && tm.heap && size && !(at & (TM_PAGE - 1)) && tm_ours(at) && tm_ours(at + size - 1) &&
	       tm_zone_of(tm_index(at)) != TM_MMAP;
}

static void keep_in_place(const void *addr, size_t size)
{
	if (in_heap(addr, size) && !tm.child)
		tm_mmap_pin((void *)addr, size, false);
}

void *mmap(void *addr, size_t size, int prot, int flags, int fd, off_t offset)
{
	bool anonymous =
		(flags & (MAP_PRIVATE | MAP_ANONYMOUS | MAP_SHARED)) == (MAP_PRIVATE | MAP_ANONYMOUS) &&
		!(prot & ~(PROT_READ | PROT_WRITE | PROT_EXEC));
	bool near_others = prot & PROT_EXEC && addr; // code is meant to reach what is there by short jumps

	if (anonymous && !(flags & REFUSED) && !near_others) {
		if (tm.child && prot)
			tm_child_mmap(size);
		void *p = prot ? tm_mmap_capture(size, prot) : tm_mmap_capture_reservation(size);
		if (p)
			return p;
	}
	if (flags & MAP_FIXED && size && tm_mmap_owns(addr, size) && !tm.child) {
		if (anonymous && !(flags & REFUSED & ~MAP_FIXED) && tm_mmap_renew(addr, size, prot))
			return addr;
		tm_mmap_release(addr, size, anonymous && !prot ? TM_NEXT_RESERVED : TM_NEXT_FOREIGN);
	} else if (flags & MAP_FIXED) {
		keep_in_place(addr, size);
	}
	if (tm.guest)
		return tm_guest_mmap(addr, size, prot, flags, fd, offset);
	return tm_os_mmap(addr, size, prot, flags, fd, offset);
}

void *mmap64(void *addr, size_t size, int prot, int flags, int fd, off_t offset)
	__attribute__((alias("mmap")));

int munmap(void *addr, size_t size)
{
	if (!tm_mmap_owns(addr, size) || tm.child) {
		keep_in_place(addr, size);
		return tm_os_munmap(addr, size);
	}
	if (!size || (uintptr_t)addr & (TM_PAGE - 1)) {
		errno = EINVAL;
		return -1;
	}
	tm_mmap_release(addr, size, TM_NEXT_NOTHING);
	return 0;
}

int mprotect(void *addr, size_t size, int prot)
{
	if (!tm_mmap_owns(addr, size) || tm.child || (uintptr_t)addr & (TM_PAGE - 1)) {
		keep_in_place(addr, size);
		return tm_os_mprotect(addr, size, prot);
	}
	return tm_mmap_protect(addr, size, prot);
}

// A key is of the mapping: what it is given to stays where it is.
int pkey_mprotect(void *addr, size_t size, int prot, int key)
{
	if (key == -1)
		return mprotect(addr, size, prot);
	if (tm_mmap_owns(addr, size) && !tm.child && size && !((uintptr_t)addr & (TM_PAGE - 1)))
		tm_mmap_pin(addr, size, true);
	else
		keep_in_place(addr, size);
	return (int)tm_os_syscall(SYS_pkey_mprotect, (long)addr, (long)size, prot, key, 0, 0);
}

// Hints about memory that is placed by other rules.
static bool only_hint(int advice)
{
	switch (advice) {
	case MADV_NORMAL:
	case MADV_RANDOM:
	case MADV_SEQUENTIAL:
	case MADV_WILLNEED:
	case MADV_HUGEPAGE:
	case MADV_NOHUGEPAGE:
	case MADV_DODUMP:
	case MADV_DONTDUMP:
		return true;
	default:
		return false;
	}
}

static int madvise_heap(void *addr, size_t size, int advice)
{
	if (advice == MADV_DONTNEED || advice == MADV_FREE) {
		if (tm.child)
			tm_share_empty(addr, size);
		else
			tm_mmap_drop(addr, size);
		return 0;
	}
	if (!only_hint(advice) && advice != MADV_POPULATE_READ && advice != MADV_POPULATE_WRITE)
		keep_in_place(addr, size);
	return tm_os_madvise(addr, size, advice);
}

int madvise(void *addr, size_t size, int advice)
{
	if (in_heap(addr, size))
		return madvise_heap(addr, size, advice);
	if (tm.guest && advice == MADV_DONTFORK && tm_guest_capture(addr, size))
		return 0;
	if (!tm_mmap_owns(addr, size) || tm.child || !size || (uintptr_t)addr & (TM_PAGE - 1))
		return tm_os_madvise(addr, size, advice);
	if (tm.guest && (advice == MADV_DONTFORK || advice == MADV_DOFORK || advice == MADV_MERGEABLE ||
			 advice == MADV_UNMERGEABLE))
		return 0; // children get none of it anyway (fork.c)
	if (only_hint(advice))
		return 0;
	switch (advice) {
	case MADV_DONTNEED:
	case MADV_FREE:
		tm_mmap_drop(addr, size);
		return 0;
	case MADV_POPULATE_READ:
	case MADV_POPULATE_WRITE:
		return tm_os_madvise(addr, size, advice);
	default:	  // MADV_DONTFORK and the like belong to the mapping: it stays
		// V8 spares children what it reserves; who registers memory with a device does it to memory in use.
		tm_mmap_pin(addr, size, advice != MADV_DONTFORK && advice != MADV_DOFORK);
		return tm_os_madvise(addr, size, advice);
	}
}

// Captured memory moves by copying: new memory, what was touched, and the old goes.
static void *remap_captured(void *old, size_t old_size, size_t new_size, int flags, void *new_addr)
{
	void *to;

	if (new_size <= old_size && !(flags & MREMAP_FIXED)) {
		size_t keep = (new_size + TM_PAGE - 1) & ~(TM_PAGE - 1);
		if (old_size > keep)
			munmap((char *)old + keep, old_size - keep);
		return old;
	}
	bool onto_itself = flags & MREMAP_FIXED && (uintptr_t)new_addr < (uintptr_t)old + old_size &&
			   (uintptr_t)old < (uintptr_t)new_addr + new_size;
	if (!(flags & MREMAP_MAYMOVE) || flags & MREMAP_DONTUNMAP || onto_itself) {
		errno = flags & MREMAP_DONTUNMAP || onto_itself ? EINVAL : ENOMEM;
		return MAP_FAILED;
	}
	if (flags & MREMAP_FIXED)
		to = mmap(new_addr, new_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
			  -1, 0);
	else
		to = mmap(NULL, new_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (to == MAP_FAILED)
		return to;
	int prot = tm_mmap_protection(old);
	if (!(prot & PROT_READ))
		mprotect(old, old_size, PROT_READ);
	tm_mmap_copy(to, old, old_size < new_size ? old_size : new_size);
	munmap(old, old_size);
	if (prot != (PROT_READ | PROT_WRITE))
		mprotect(to, new_size, prot);
	return to;
}

void *mremap(void *old, size_t old_size, size_t new_size, int flags, ...)
{
	void *new_addr = NULL;

	if (flags & MREMAP_FIXED) {
		va_list args;
		va_start(args, flags);
		new_addr = va_arg(args, void *);
		va_end(args);
	}
	if (old_size && new_size && tm_mmap_owns(old, old_size) && !tm.child &&
	    !((uintptr_t)old & (TM_PAGE - 1)))
		return remap_captured(old, old_size, new_size, flags, new_addr);
	keep_in_place(old, old_size);
	if (flags & MREMAP_FIXED && tm_mmap_owns(new_addr, new_size) && !tm.child)
		tm_mmap_release(new_addr, new_size, TM_NEXT_FOREIGN);
	else if (flags & MREMAP_FIXED)
		keep_in_place(new_addr, new_size);
	return tm_os_mremap(old, old_size, new_size, flags, new_addr);
}
