// The calls by which a program does direct I/O, for direct_io.h. An ordinary call passes through at the price of one comparison.
#include "allocator/preload_io.h"
#include "allocator/direct_io.h"
#include "allocator/os.h"

#include <dlfcn.h>
#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

// The functions that ours stand before. Until the constructor has looked them up (dlsym may allocate) they are system calls: the
// arguments of preadv2 and pwritev2 have a high half of the offset, which is 0 here, in between.
static ssize_t early_read(int fd, void *buf, size_t n)
{
	return tm_os_syscall(SYS_read, fd, (long)buf, (long)n, 0, 0, 0);
}
static ssize_t early_pread64(int fd, void *buf, size_t n, off_t at)
{
	return tm_os_syscall(SYS_pread64, fd, (long)buf, (long)n, (long)at, 0, 0);
}
static ssize_t early_write(int fd, const void *buf, size_t n)
{
	return tm_os_syscall(SYS_write, fd, (long)buf, (long)n, 0, 0, 0);
}
static ssize_t early_pwrite64(int fd, const void *buf, size_t n, off_t at)
{
	return tm_os_syscall(SYS_pwrite64, fd, (long)buf, (long)n, (long)at, 0, 0);
}
static ssize_t early_readv(int fd, const struct iovec *iov, int n)
{
	return tm_os_syscall(SYS_readv, fd, (long)iov, (long)n, 0, 0, 0);
}
static ssize_t early_preadv64(int fd, const struct iovec *iov, int n, off_t at)
{
	return tm_os_syscall(SYS_preadv, fd, (long)iov, (long)n, (long)at, 0, 0);
}
static ssize_t early_preadv64v2(int fd, const struct iovec *iov, int n, off_t at, int flags)
{
	return tm_os_syscall(SYS_preadv2, fd, (long)iov, (long)n, (long)at, 0, (long)flags);
}
static ssize_t early_writev(int fd, const struct iovec *iov, int n)
{
	return tm_os_syscall(SYS_writev, fd, (long)iov, (long)n, 0, 0, 0);
}
static ssize_t early_pwritev64(int fd, const struct iovec *iov, int n, off_t at)
{
	return tm_os_syscall(SYS_pwritev, fd, (long)iov, (long)n, (long)at, 0, 0);
}
static ssize_t early_pwritev64v2(int fd, const struct iovec *iov, int n, off_t at, int flags)
{
	return tm_os_syscall(SYS_pwritev2, fd, (long)iov, (long)n, (long)at, 0, (long)flags);
}

static ssize_t (*next_read)(int, void *, size_t) = early_read;
static ssize_t (*next_pread64)(int, void *, size_t, off_t) = early_pread64;
static ssize_t (*next_write)(int, const void *, size_t) = early_write;
static ssize_t (*next_pwrite64)(int, const void *, size_t, off_t) = early_pwrite64;
static ssize_t (*next_readv)(int, const struct iovec *, int) = early_readv;
static ssize_t (*next_preadv64)(int, const struct iovec *, int, off_t) = early_preadv64;
static ssize_t (*next_preadv64v2)(int, const struct iovec *, int, off_t, int) = early_preadv64v2;
static ssize_t (*next_writev)(int, const struct iovec *, int) = early_writev;
static ssize_t (*next_pwritev64)(int, const struct iovec *, int, off_t) = early_pwritev64;
static ssize_t (*next_pwritev64v2)(int, const struct iovec *, int, off_t, int) = early_pwritev64v2;

void tm_io_look_up(void)
{
#define LOOK_UP(name)                                                                                        \
	do {                                                                                                 \
		void *f = dlsym(RTLD_NEXT, #name);                                                           \
		if (f)                                                                                       \
			*(void **)&next_##name = f;                                                          \
	} while (0)
	LOOK_UP(read);
	LOOK_UP(pread64);
	LOOK_UP(write);
	LOOK_UP(pwrite64);
	LOOK_UP(readv);
	LOOK_UP(preadv64);
	LOOK_UP(preadv64v2);
	LOOK_UP(writev);
	LOOK_UP(pwritev64);
	LOOK_UP(pwritev64v2);
#undef LOOK_UP
}

static int begin_one(const void *buf, size_t n)
{
	struct iovec iov = {(void *)(uintptr_t)buf, n};

	return tm_io_begin(&iov, 1);
}

static ssize_t end(int slot, ssize_t result)
{
	int saved = errno;

	tm_io_end(slot);
	errno = saved;
	return result;
}

static __attribute__((noinline)) ssize_t held_read(int fd, void *buf, size_t n)
{
	int slot = begin_one(buf, n);

	return end(slot, next_read(fd, buf, n));
}

ssize_t read(int fd, void *buf, size_t n)
{
	return tm_io_direct(fd) ? held_read(fd, buf, n) : next_read(fd, buf, n);
}

static __attribute__((noinline)) ssize_t held_pread64(int fd, void *buf, size_t n, off_t at)
{
	int slot = begin_one(buf, n);

	return end(slot, next_pread64(fd, buf, n, at));
}

ssize_t pread64(int fd, void *buf, size_t n, off_t at)
{
	return tm_io_direct(fd) ? held_pread64(fd, buf, n, at) : next_pread64(fd, buf, n, at);
}

ssize_t pread(int fd, void *buf, size_t n, off_t at) __attribute__((alias("pread64")));

static __attribute__((noinline)) ssize_t held_write(int fd, const void *buf, size_t n)
{
	int slot = begin_one(buf, n);

	return end(slot, next_write(fd, buf, n));
}

ssize_t write(int fd, const void *buf, size_t n)
{
	return tm_io_direct(fd) ? held_write(fd, buf, n) : next_write(fd, buf, n);
}

static __attribute__((noinline)) ssize_t held_pwrite64(int fd, const void *buf, size_t n, off_t at)
{
	int slot = begin_one(buf, n);

	return end(slot, next_pwrite64(fd, buf, n, at));
}

ssize_t pwrite64(int fd, const void *buf, size_t n, off_t at)
{
	return tm_io_direct(fd) ? held_pwrite64(fd, buf, n, at) : next_pwrite64(fd, buf, n, at);
}

ssize_t pwrite(int fd, const void *buf, size_t n, off_t at) __attribute__((alias("pwrite64")));

static __attribute__((noinline)) ssize_t held_readv(int fd, const struct iovec *iov, int n)
{
	int slot = tm_io_begin(iov, n);

	return end(slot, next_readv(fd, iov, n));
}

ssize_t readv(int fd, const struct iovec *iov, int n)
{
	return tm_io_direct(fd) ? held_readv(fd, iov, n) : next_readv(fd, iov, n);
}

static __attribute__((noinline)) ssize_t held_preadv64(int fd, const struct iovec *iov, int n, off_t at)
{
	int slot = tm_io_begin(iov, n);

	return end(slot, next_preadv64(fd, iov, n, at));
}

ssize_t preadv64(int fd, const struct iovec *iov, int n, off_t at)
{
	return tm_io_direct(fd) ? held_preadv64(fd, iov, n, at) : next_preadv64(fd, iov, n, at);
}

ssize_t preadv(int fd, const struct iovec *iov, int n, off_t at) __attribute__((alias("preadv64")));

static __attribute__((noinline)) ssize_t held_preadv64v2(int fd, const struct iovec *iov, int n, off_t at,
							 int flags)
{
	int slot = tm_io_begin(iov, n);

	return end(slot, next_preadv64v2(fd, iov, n, at, flags));
}

ssize_t preadv64v2(int fd, const struct iovec *iov, int n, off_t at, int flags)
{
	return tm_io_direct(fd) ? held_preadv64v2(fd, iov, n, at, flags)
				: next_preadv64v2(fd, iov, n, at, flags);
}

ssize_t preadv2(int fd, const struct iovec *iov, int n, off_t at, int flags)
	__attribute__((alias("preadv64v2")));

static __attribute__((noinline)) ssize_t held_writev(int fd, const struct iovec *iov, int n)
{
	int slot = tm_io_begin(iov, n);

	return end(slot, next_writev(fd, iov, n));
}

ssize_t writev(int fd, const struct iovec *iov, int n)
{
	return tm_io_direct(fd) ? held_writev(fd, iov, n) : next_writev(fd, iov, n);
}

static __attribute__((noinline)) ssize_t held_pwritev64(int fd, const struct iovec *iov, int n, off_t at)
{
	int slot = tm_io_begin(iov, n);

	return end(slot, next_pwritev64(fd, iov, n, at));
}

ssize_t pwritev64(int fd, const struct iovec *iov, int n, off_t at)
{
	return tm_io_direct(fd) ? held_pwritev64(fd, iov, n, at) : next_pwritev64(fd, iov, n, at);
}

ssize_t pwritev(int fd, const struct iovec *iov, int n, off_t at) __attribute__((alias("pwritev64")));

static __attribute__((noinline)) ssize_t held_pwritev64v2(int fd, const struct iovec *iov, int n, off_t at,
							  int flags)
{
	int slot = tm_io_begin(iov, n);

	return end(slot, next_pwritev64v2(fd, iov, n, at, flags));
}

ssize_t pwritev64v2(int fd, const struct iovec *iov, int n, off_t at, int flags)
{
	return tm_io_direct(fd) ? held_pwritev64v2(fd, iov, n, at, flags)
				: next_pwritev64v2(fd, iov, n, at, flags);
}

ssize_t pwritev2(int fd, const struct iovec *iov, int n, off_t at, int flags)
	__attribute__((alias("pwritev64v2")));

// What programs built with _FORTIFY_SOURCE call. The check is the caller's compiler's; here it is repeated.
ssize_t __read_chk(int fd, void *buf, size_t n, size_t size);
ssize_t __pread64_chk(int fd, void *buf, size_t n, off_t at, size_t size);
ssize_t __pread_chk(int fd, void *buf, size_t n, off_t at, size_t size);

ssize_t __read_chk(int fd, void *buf, size_t n, size_t size)
{
	if (n > size)
		__builtin_trap();
	return read(fd, buf, n);
}

ssize_t __pread64_chk(int fd, void *buf, size_t n, off_t at, size_t size)
{
	if (n > size)
		__builtin_trap();
	return pread64(fd, buf, n, at);
}

ssize_t __pread_chk(int fd, void *buf, size_t n, off_t at, size_t size)
	__attribute__((alias("__pread64_chk")));
