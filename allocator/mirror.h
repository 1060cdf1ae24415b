// Empty memory to put over granules: a second area as large as the zones, of which nothing is ever in use.
//
// The kernel keeps two neighbouring pieces of anonymous memory in one mapping only if both have the same anon_vma and follow each other
// in its numbering of pages. Memory that comes by mremap() keeps both from where it was. So the mirror has the zones' anon_vma, and in it
// every granule the number that it has in its zone: what is promoted becomes one mapping with its neighbours again, in whatever order.
//
// It is registered with the userfaultfd that reports mremap, so that the registration moves along.
#ifndef TIERMEM_MIRROR_H
#define TIERMEM_MIRROR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Reserves it for the zones at tm.base, which nobody uses yet. False: no address space.
bool tm_mirror_init(void);
// In a forked child that begins to be managed: a new one, for the kernel has given each of the old one's mappings an anon_vma of its own there, and
// what is taken from it must lie in one.
void tm_mirror_renew(void);
// With a new userfaultfd. False: it cannot be, so nothing can migrate.
bool tm_mirror_register(void);
// The zones have lost transparent huge pages from this offset on, and so does it.
void tm_mirror_no_huge(size_t from);
// Address space is in use from now on: what comes to lie there belongs in a core dump.
void tm_mirror_dump(uintptr_t addr, size_t size);

// Puts empty memory over n granules that are TM_MOVING, TM_FROZEN, TM_SHARED or not known to anybody, registered so that who touches it
// waits. tm_lock not held: it returns when the fault thread has read the report. False: no memory for page tables.
bool tm_detach(size_t g, size_t n);
// What a granule that has been filled in such memory has among its flags: TM_APART or 0.
unsigned tm_mirror_flag(size_t g);

#endif
