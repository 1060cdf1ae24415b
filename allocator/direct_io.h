// Direct I/O: the device writes to pages, not to addresses, so migration must not take a page away meanwhile. (The kernel's own
// copies are no problem: they fault and wait like the program. mremap, by which granules are detached, moves pinned pages
// regardless, and what the device then writes is lost.)
//
// Known and left alone: read and write calls on O_DIRECT descriptors while they run, and libaio requests from io_submit to
// io_getevents (preload_io.c). Not to be known in time: io_uring, POSIX aio, more than TM_IO_MAX operations at once; there
// migration is refused for the rest of the process' life, and tier placement stays what it was at first use.
#ifndef TIERMEM_DIRECT_IO_H
#define TIERMEM_DIRECT_IO_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#define TM_IO_MAX 4096

#pragma GCC visibility push(hidden)
extern atomic_bool tm_io_any;		    // some descriptor is, or was, O_DIRECT
extern _Atomic(const char *) tm_io_refusal; // why nothing migrates any more; NULL: it does
extern atomic_ullong tm_io_held;	    // operations so far
#pragma GCC visibility pop

// Descriptors the process starts with.
void tm_io_init(void);
// At most once a second, from the worker: finds descriptors that came by other ways than open() (a socket, another library), and
// rings that nobody announced. now: nanoseconds.
void tm_io_scan(uint64_t now);

// A descriptor is new, with these flags of open(2).
void tm_io_opened(int fd, int flags);
// fd is a duplicate of from.
void tm_io_duplicated(int fd, int from);
// The rare part of tm_io_direct().
bool tm_io_known(int fd);

// Whether what is read and written by fd goes directly between device and memory.
static inline bool tm_io_direct(int fd)
{
	return __builtin_expect(atomic_load_explicit(&tm_io_any, memory_order_relaxed), 0) && tm_io_known(fd);
}

// An operation begins on these buffers: nothing of them migrates until tm_io_end() with what this returned; waits for what is
// on its way. Negative: none of it is ours.
int tm_io_begin(const struct iovec *iov, int n);
void tm_io_end(int slot);
// The same for operations that end elsewhere, found again by key (not NULL).
void tm_io_begin_async(const struct iovec *iov, int n, const void *key);
void tm_io_end_async(const void *key);

// Ends migration for good; waits for what is on its way. why: a phrase, of static duration; logged once.
void tm_io_refuse(const char *why);

// tm_lock held: whether [from, to) is part of an operation, or migration is refused.
bool tm_io_busy(uintptr_t from, uintptr_t to);

// In a forked child, which migrates nothing.
void tm_io_reset(void);

#endif
