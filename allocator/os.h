// Every call to the operating system that the library makes on memory, devices and userfaultfd. Raw system
// calls: the libc wrappers of mmap and friends are the ones that tiermem replaces.
#ifndef TIERMEM_OS_H
#define TIERMEM_OS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define TM_PAGE ((size_t)4096)

// As syscall(2), which is replaced, too. Negative: -1 and errno.
long tm_os_syscall(long nr, long a, long b, long c, long d, long e, long f);
// As mmap(2), munmap(2), mprotect(2), madvise(2) and mremap(2), errno and all.
void *tm_os_mmap(void *addr, size_t size, int prot, int flags, int fd, off_t offset);
// jemalloc's own mmap(2): what it maps itself, past the hooks, is its tables.
void *tm_os_mmap_tables(void *addr, size_t size, int prot, int flags, int fd, off_t offset);
int tm_os_munmap(void *addr, size_t size);
int tm_os_mprotect(void *addr, size_t size, int prot);
int tm_os_madvise(void *addr, size_t size, int advice);
void *tm_os_mremap(void *old, size_t old_size, size_t new_size, int flags, void *addr);
// Moves the pages from one mapping to the place of another, in one step; what they leave stays mapped, without pages. (Registered with userfaultfd it
// stays so; the other's registration ends.) size: bytes, of whole pages. 0 or -errno.
int tm_os_move_pages(void *from, size_t size, void *to);

// Reserves address space, readable and writable, that takes no memory until touched; NULL: none left.
void *tm_os_reserve(size_t size);
// The same for tables of tiermem's own, and how many bytes of all of them take memory.
void *tm_os_reserve_table(size_t size);
uint64_t tm_os_tables_resident(void);
// Gives one back.
void tm_os_unreserve(void *p);
// While it is on, what jemalloc maps is the allocator's: its first tables, at its start.
void tm_os_claim(bool on);
// Whether an address lies in anything that was reserved so.
bool tm_os_owns(uintptr_t addr);
// Puts untouched anonymous memory at exactly [addr, addr+size).
bool tm_os_anonymous(void *addr, size_t size, int prot);

uint64_t tm_os_now_ns(void);
uint64_t tm_os_thread_cpu_ns(void);
uint64_t tm_os_process_cpu_ns(void);
uint64_t tm_os_ram_bytes(void);
// Reads a small file; returns its length (text is always terminated) or -errno.
ssize_t tm_os_read_file(const char *path, char *text, size_t size);
// Calls with each entry of a directory that has a digit in its name, and with its number: descriptors and threads in /proc (all the name), devices.
// No malloc, so not opendir(3).
void tm_os_each_entry(const char *directory, void (*visit)(const char *name, int number));
// For who must have memory from the kernel to go on, and tries until he gets it: waits a millisecond; after a second of that, says so once.
void tm_os_wait_for_memory(void);
// Moves a descriptor to a high number, out of the program's way, closed on exec. It is tiermem's until tm_os_close(): the program cannot close it.
int tm_os_high_fd(int fd);
void tm_os_close(int fd);
// tiermem's lowest descriptor from fd on; INT_MAX: none.
int tm_os_own_fd(int fd);

// A userfaultfd that sees the kernel's own accesses too; remap: it reports mremap and who touched (EVENT_REMAP,
// THREAD_ID); else, if asked, who touched. Or -errno.
int tm_os_uffd(bool remap, bool thread_id);
// All features that the kernel has. 0 or -errno.
int tm_os_uffd_features(uint64_t *features);
int tm_os_uffd_register(int uffd, void *addr, size_t size);
// The same for missing pages and for writes to pages that are copied there as read-only.
int tm_os_uffd_register_writes(int uffd, void *addr, size_t size);
// Nobody waits there any more when it returns, whether it failed or not.
int tm_os_uffd_unregister(int uffd, void *addr, size_t size);
int tm_os_uffd_wake(int uffd, void *addr, size_t size);
// Copies to missing pages and wakes who waits; pages that are there already are left alone. 0 or -errno.
int tm_os_uffd_copy(int uffd, void *to, const void *from, size_t size);
// The same, but writes to the pages wait (the memory must be registered for writes).
int tm_os_uffd_copy_readonly(int uffd, void *to, const void *from, size_t size);
// Lets writes to such pages go on. 0 or -errno.
int tm_os_uffd_allow_writes(int uffd, void *addr, size_t size);
int tm_os_thread_id(void);

// One line on stderr, "tiermem: ...", written without malloc or stdio.
void tm_log(const char *format, ...) __attribute__((format(printf, 1, 2)));
// The same and the end of the process, status 1.
void tm_die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

#endif
