#include "allocator/mirror.h"
#include "allocator/core.h"

#include <sys/mman.h>

#define HUGE_BYTES ((size_t)2 << 20)

static char *mirror; // NULL: the kernel would not make it

bool tm_mirror_init(void)
{
	char *base = (char *)tm.base, *p = tm_os_reserve(tm.bytes);

	if (!p)
		return false;
	// A page that has been written has an anon_vma. Moved, it takes it along, and its number; then it grows to the full size where it is.
	*(volatile char *)base = 0;
	if (!tm_os_move_pages(base, TM_PAGE, p)) {
		tm_os_munmap(p + TM_PAGE, tm.bytes - TM_PAGE);
		mirror = tm_os_mremap(p, TM_PAGE, tm.bytes, 0, NULL) == p ? p : NULL;
		tm_os_madvise(p, TM_PAGE, MADV_DONTNEED);
	}
	tm_os_madvise(base, HUGE_BYTES, MADV_DONTNEED); // the kernel may have filled in as much
	return true;
}

void tm_mirror_renew(void)
{
	size_t first, end;

	if (!mirror || !tm_os_anonymous(mirror, tm.bytes, PROT_READ | PROT_WRITE)) {
		mirror = NULL;
		return;
	}
	tm_no_huge(mirror, tm.bytes);
	*(volatile char *)mirror = 0; // one anon_vma for all of it
	tm_os_madvise(mirror, HUGE_BYTES, MADV_DONTNEED);
	tm_os_madvise(mirror, tm.bytes, MADV_DONTDUMP);
	for (int z = 0; z < TM_MMAP; z++)
		tm_mirror_dump(tm.base + (uintptr_t)z * tm.zone_bytes, tm_zone_shown((enum tm_zone)z) - tm.base - (uintptr_t)z * tm.zone_bytes);
	for (size_t k = 0; tm_zone_span(TM_MMAP, k, &first, &end); k++)
		if (first < end)
			tm_mirror_dump((uintptr_t)tm_address(first), (end - first) << tm.shift);
}

bool tm_mirror_register(void)
{
	return mirror && !tm_os_uffd_register_writes(tm.uffd_remap, mirror, tm.bytes);
}

void tm_mirror_no_huge(size_t from)
{
	if (mirror)
		tm_no_huge(mirror + from, tm.bytes - from);
}

void tm_mirror_dump(uintptr_t addr, size_t size)
{
	if (mirror)
		tm_os_madvise(mirror + (addr - tm.base), size, MADV_DODUMP);
}

bool tm_detach(size_t g, size_t n)
{
	return mirror && !tm_os_move_pages(mirror + (g << tm.shift), n << tm.shift, tm_address(g));
}

unsigned tm_mirror_flag(size_t g)
{
	// Captured mappings are new ones, with an anon_vma of their own, and a fork gives the child's copy of each mapping another one. Guest RAM is
	// taken from the mirror.
	return (tm_zone_of(g) == TM_MMAP && !tm.guest) || tm.adopted ? TM_APART : 0;
}
