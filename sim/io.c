/*
 * The positional read, write and sync calls of QEMU's I/O workers (aio=threads): the host's file is read or written at once,
 * then the worker sleeps in simulated time until the profile's disk would have done it. Calls of other threads pass.
 */
#include "sim/io.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "sim/sched.h"
#include "sim/vcpu.h"

#define EXPORT __attribute__((visibility("default")))

static bool active;
static struct disk disk;

void io_start(const struct disk_profile *p)
{
	disk_init(&disk, p);
	active = true;
}

const struct disk *io_disk(void)
{
	return &disk;
}

/* Lets the request take its time; returns result, errno untouched. */
static ssize_t complete(enum disk_op op, ssize_t result)
{
	struct actor *a = sched_self;
	int saved = errno;

	if (active && a && a->kind == KIND_WORKER && result >= 0) {
		uint64_t done_ps;

		machine_lock();
		done_ps = disk_request(&disk, op, (size_t)result, a->time_ps);
		machine_unlock();
		sched_sleep_until(a, done_ps);
	}
	errno = saved;
	return result;
}

EXPORT ssize_t pread64(int fd, void *buf, size_t n, off_t at)
{
	return complete(DISK_READ, syscall(SYS_pread64, fd, buf, n, at));
}

EXPORT ssize_t pwrite64(int fd, const void *buf, size_t n, off_t at)
{
	return complete(DISK_WRITE, syscall(SYS_pwrite64, fd, buf, n, at));
}

EXPORT ssize_t preadv64(int fd, const struct iovec *iov, int n, off_t at)
{
	return complete(DISK_READ, syscall(SYS_preadv, fd, iov, n, at, 0));
}

EXPORT ssize_t pwritev64(int fd, const struct iovec *iov, int n, off_t at)
{
	return complete(DISK_WRITE, syscall(SYS_pwritev, fd, iov, n, at, 0));
}

EXPORT int fdatasync(int fd)
{
	return (int)complete(DISK_FLUSH, syscall(SYS_fdatasync, fd));
}

EXPORT int fsync(int fd)
{
	return (int)complete(DISK_FLUSH, syscall(SYS_fsync, fd));
}

EXPORT ssize_t pread(int fd, void *buf, size_t n, off_t at) __attribute__((alias("pread64")));
EXPORT ssize_t pwrite(int fd, const void *buf, size_t n, off_t at) __attribute__((alias("pwrite64")));
EXPORT ssize_t preadv(int fd, const struct iovec *iov, int n, off_t at) __attribute__((alias("preadv64")));
EXPORT ssize_t pwritev(int fd, const struct iovec *iov, int n, off_t at) __attribute__((alias("pwritev64")));
