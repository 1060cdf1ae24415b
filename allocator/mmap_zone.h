// Captured anonymous mappings of the program: address space, and the granules' life. All of them lock by themselves.
#ifndef TIERMEM_MMAP_ZONE_H
#define TIERMEM_MMAP_ZONE_H

#include <stdbool.h>
#include <stddef.h>

// New captured memory, zero, of size bytes; NULL: no address space, or not worth capturing.
void *tm_mmap_capture(size_t size, int prot);
// Address space for a program that reserves it (PROT_NONE) and makes it usable later; that is captured then. NULL as above.
void *tm_mmap_capture_reservation(size_t size);
// mmap(2) of private anonymous memory at a part of such space: it reads as zero, with that protection. False: the kernel has to do it.
bool tm_mmap_renew(void *addr, size_t size, int prot);
// Whether this process' mappings are captured.
bool tm_mmap_captures(void);
// As tm_mmap_capture() for whole granules, few or many; note: what is known of them (note.h), TM_NOTE_FIRST comes by itself.
void *tm_mmap_new(size_t size, int prot, unsigned note);
// Address space of size bytes for guest RAM, aligned to 4 MiB, PROT_NONE and not captured (TM_FOREIGN); NULL: none left.
void *tm_mmap_reserve(size_t size);
// Captures whole granules of a range of such space: untouched memory from now on, whatever was mapped there. False: errno.
bool tm_mmap_adopt(void *addr, size_t size);
// True if the range lies in the zone; in a process whose guest RAM is managed, if any of it is guest RAM.
bool tm_mmap_owns(const void *addr, size_t size);
// The program unmaps a range (whole pages), and what it maps there next: nothing, something of its own, or anonymous memory without
// access (what it had only reserved of the range stays so).
enum tm_mmap_next { TM_NEXT_NOTHING, TM_NEXT_FOREIGN, TM_NEXT_RESERVED };
void tm_mmap_release(void *addr, size_t size, enum tm_mmap_next next);
// The contents of a range, mappings' or malloc's, are no longer wanted: it reads as zero.
void tm_mmap_drop(void *addr, size_t size);
// The protection of the granule that an address is in.
int tm_mmap_protection(const void *addr);
// mprotect(2).
int tm_mmap_protect(void *addr, size_t size, int prot);
// The granules of a range, mappings' or malloc's, stay where they are from now on; reserved: those too that the program has only reserved.
void tm_mmap_pin(void *addr, size_t size, bool reserved);
// Copies what has been touched of a range.
void tm_mmap_copy(void *to, const void *from, size_t size);

#endif
