// Underneath a VM: in a QEMU process the managed memory is guest RAM, and nothing else of QEMU's.
#ifndef TIERMEM_GUEST_H
#define TIERMEM_GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// RAM blocks below this (ROMs, most video memory) are left alone.
#define TM_GUEST_RAM_MIN ((size_t)16 << 20)

// True if the program is a QEMU that exports its list of RAM blocks, as Debian's do.
bool tm_guest_is_qemu(void);

// mmap of a process whose guest RAM is managed: address space for RAM comes from the zone of captured mappings, and what is mapped
// there is remembered. As mmap(2), errno and all.
void *tm_guest_mmap(void *addr, size_t size, int prot, int flags, int fd, off_t offset);

// QEMU says madvise(MADV_DONTFORK) of a RAM block that it has just mapped: takes it over. False: it is none of ours.
bool tm_guest_capture(void *addr, size_t size);

// True if any of the range is captured guest RAM.
bool tm_guest_owns(uintptr_t addr, size_t size);

// QEMU opens a device: one that pins all guest RAM (VFIO) ends migration.
void tm_guest_opened(const char *path);

// True if fd is the file behind captured guest RAM.
bool tm_guest_backed_by(int fd);

// In a forked child: guest RAM is not there any more.
void tm_guest_forget(void);

// True if io_uring must not be there, because guest RAM under its I/O could not migrate: QEMU's event loop, which uses it by default, then
// does with poll, and a drive with aio=io_uring fails to open; says so if the command line has one.
bool tm_guest_refuses_rings(void);

// Bytes of guest RAM that are captured; where an address lies in them, block after block, UINT64_MAX: nowhere.
uint64_t tm_guest_bytes(void);
uint64_t tm_guest_offset(uintptr_t addr);

#endif
