// The calls that make descriptors, requests and rings, for direct_io.h; and syscall(), which makes requests and futexes (pin.h).
#include "allocator/core.h"
#include "allocator/direct_io.h"
#include "allocator/guest.h"
#include "allocator/os.h"
#include "allocator/pin.h"
#include "allocator/preload_io.h"

#include <aio.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <linux/futex.h>

#include <linux/aio_abi.h> // the kernel's own, which libaio's calls take: its header is not needed to watch them

// fcntl is libc's whenever there is one: it treats F_GETOWN and locks in its own way.
static int early_fcntl64(int fd, int command, ...)
{
	va_list args;
	va_start(args, command);
	long argument = va_arg(args, long);
	va_end(args);
	return (int)tm_os_syscall(SYS_fcntl, fd, command, argument, 0, 0, 0);
}
static int early_openat64(int dir, const char *path, int flags, ...)
{
	va_list args;
	va_start(args, flags);
	mode_t mode = va_arg(args, mode_t);
	va_end(args);
	return (int)tm_os_syscall(SYS_openat, dir, (long)path, flags, mode, 0, 0);
}
static int early_close(int fd)
{
	return (int)tm_os_syscall(SYS_close, fd, 0, 0, 0, 0, 0);
}
static int (*next_close)(int) = early_close;
static int (*next_fcntl64)(int, int, ...) = early_fcntl64;
static int (*next_openat64)(int, const char *, int, ...) = early_openat64;

void tm_fd_look_up(void)
{
	void *f = dlsym(RTLD_NEXT, "fcntl64");

	if (f)
		*(void **)&next_fcntl64 = f;
	f = dlsym(RTLD_NEXT, "close");
	if (f)
		*(void **)&next_close = f;
	f = dlsym(RTLD_NEXT, "openat64");
	if (f)
		*(void **)&next_openat64 = f;
}

static int open_at(int dir, const char *path, int flags, mode_t mode)
{
	int fd = next_openat64(dir, path, flags, mode);

	if (tm.guest && path)
		tm_guest_opened(path);
	tm_io_opened(fd, flags);
	return fd;
}

// The mode is there only with these flags.
#define WITH_MODE(mode, last)                                                                                \
	mode_t mode = 0;                                                                                     \
	if (flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE) {                                           \
		va_list args;                                                                                \
		va_start(args, last);                                                                        \
		mode = va_arg(args, mode_t);                                                                 \
		va_end(args);                                                                                \
	}

int open64(const char *path, int flags, ...)
{
	WITH_MODE(mode, flags)
	return open_at(AT_FDCWD, path, flags, mode);
}

int openat64(int dir, const char *path, int flags, ...)
{
	WITH_MODE(mode, flags)
	return open_at(dir, path, flags, mode);
}

int open(const char *path, int flags, ...) __attribute__((alias("open64")));
int openat(int dir, const char *path, int flags, ...) __attribute__((alias("openat64")));

// What programs built with _FORTIFY_SOURCE call when there is no mode.
int __open64_2(const char *path, int flags);
int __open_2(const char *path, int flags) __attribute__((alias("__open64_2")));
int __openat64_2(int dir, const char *path, int flags);
int __openat_2(int dir, const char *path, int flags) __attribute__((alias("__openat64_2")));

int __open64_2(const char *path, int flags)
{
	return open_at(AT_FDCWD, path, flags, 0);
}

int __openat64_2(int dir, const char *path, int flags)
{
	return open_at(dir, path, flags, 0);
}

int fcntl64(int fd, int command, ...)
{
	va_list args;
	va_start(args, command);
	long argument = va_arg(args, long); // whatever it is: in a register
	va_end(args);
	int result = next_fcntl64(fd, command, argument);

	if (result >= 0 && command == F_SETFL)
		tm_io_opened(fd, (int)argument);
	if (result >= 0 && (command == F_DUPFD || command == F_DUPFD_CLOEXEC))
		tm_io_duplicated(result, fd);
	return result;
}

int fcntl(int fd, int command, ...) __attribute__((alias("fcntl64")));

int dup(int fd)
{
	int result = (int)tm_os_syscall(SYS_dup, fd, 0, 0, 0, 0, 0);

	tm_io_duplicated(result, fd);
	return result;
}

// A program that closes all that it has not opened itself, as daemons do, must not close tiermem's: to it, they are not there.
int close(int fd)
{
	if (tm_os_own_fd(fd) != fd)
		return next_close(fd);
	errno = EBADF;
	return -1;
}

int close_range(unsigned first, unsigned last, int flags)
{
	long status = 0;

	if (first > last)
		return (int)tm_os_syscall(SYS_close_range, first, last, flags, 0, 0, 0);
	for (unsigned own; first <= last && !status; first = own + 1) {
		own = first > INT_MAX ? UINT_MAX : (unsigned)tm_os_own_fd((int)first);
		if (own > last || own == INT_MAX)
			return (int)tm_os_syscall(SYS_close_range, first, last, flags, 0, 0, 0);
		if (own > first)
			status = tm_os_syscall(SYS_close_range, first, own - 1, flags, 0, 0, 0);
	}
	return (int)status;
}

void closefrom(int low)
{
	// Kernels before 5.9 have no such call.
	if (close_range(low < 0 ? 0 : (unsigned)low, UINT_MAX, 0) && errno == ENOSYS)
		for (int fd = low < 0 ? 0 : low, most = (int)sysconf(_SC_OPEN_MAX); fd < most; fd++)
			close(fd);
}

int dup2(int fd, int to)
{
	if (fd != to && tm_os_own_fd(to) == to) {
		errno = EBADF;
		return -1;
	}
	int result = (int)tm_os_syscall(SYS_dup2, fd, to, 0, 0, 0, 0);

	tm_io_duplicated(result, fd);
	return result;
}

int dup3(int fd, int to, int flags)
{
	if (tm_os_own_fd(to) == to) {
		errno = EBADF;
		return -1;
	}
	int result = (int)tm_os_syscall(SYS_dup3, fd, to, flags, 0, 0, 0);

	tm_io_duplicated(result, fd);
	return result;
}

// The buffers of a request begin or end their time. False: it has none.
static bool buffers(const struct iocb *cb, struct iovec *one, const struct iovec **iov, int *n)
{
	switch (cb->aio_lio_opcode) {
	case IOCB_CMD_PREAD:
	case IOCB_CMD_PWRITE:
		*one = (struct iovec){(void *)(uintptr_t)cb->aio_buf, (size_t)cb->aio_nbytes};
		*iov = one;
		*n = 1;
		return true;
	case IOCB_CMD_PREADV:
	case IOCB_CMD_PWRITEV:
		*iov = (const struct iovec *)(uintptr_t)cb->aio_buf;
		*n = (int)cb->aio_nbytes;
		return true;
	default:
		return false;
	}
}

static long submit(long context, long n, struct iocb **requests)
{
	struct iovec one;
	const struct iovec *iov;
	int count;

	for (long i = 0; i < n; i++) {
		if (buffers(requests[i], &one, &iov, &count))
			tm_io_begin_async(iov, count, requests[i]);
	}
	long done = tm_os_syscall(SYS_io_submit, context, n, (long)requests, 0, 0, 0);
	int saved = errno;
	for (long i = done < 0 ? 0 : done; i < n; i++)
		tm_io_end_async(requests[i]);
	errno = saved;
	return done;
}

static long completed(long n, const struct io_event *events)
{
	int saved = errno;

	for (long i = 0; i < n; i++)
		tm_io_end_async((const void *)(uintptr_t)events[i].obj);
	errno = saved;
	return n;
}

// libaio's functions return -errno, and look at its ring before they ask the kernel; the kernel alone does.
int io_submit(aio_context_t context, long n, struct iocb **requests);
int io_getevents(aio_context_t context, long least, long n, struct io_event *events,
		 struct timespec *timeout);
int io_pgetevents(aio_context_t context, long least, long n, struct io_event *events,
		  struct timespec *timeout, void *signals);

int io_submit(aio_context_t context, long n, struct iocb **requests)
{
	long done = submit((long)context, n, requests);

	return (int)(done < 0 ? -errno : done);
}

int io_getevents(aio_context_t context, long least, long n, struct io_event *events, struct timespec *timeout)
{
	long done = completed(
		tm_os_syscall(SYS_io_getevents, (long)context, least, n, (long)events, (long)timeout, 0),
		events);

	return (int)(done < 0 ? -errno : done);
}

int io_pgetevents(aio_context_t context, long least, long n, struct io_event *events,
		  struct timespec *timeout, void *signals)
{
	struct {
		const void *set;
		size_t size;
	} mask = {signals, 8};
	long done = completed(tm_os_syscall(SYS_io_pgetevents, (long)context, least, n, (long)events,
					    (long)timeout, signals ? (long)&mask : 0),
			      events);

	return (int)(done < 0 ? -errno : done);
}

// A read or write by number: the simulator's, which stands before our own functions.
static long held(long nr, const long *a)
{
	bool vector = nr == SYS_preadv || nr == SYS_pwritev;
	struct iovec one = {(void *)a[1], (size_t)a[2]};
	int slot = tm_io_begin(vector ? (const struct iovec *)a[1] : &one, vector ? (int)a[2] : 1);
	long result = tm_os_syscall(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
	int saved = errno;

	tm_io_end(slot);
	errno = saved;
	return result;
}

// True if io_uring is to fail as on a kernel that has none.
static bool no_rings(void)
{
	return tm_guest_refuses_rings() ||
	       (tm.managed && tm.value[TM_OPT_IO_URING] && !strcmp(tm.value[TM_OPT_IO_URING], "deny"));
}

long syscall(long nr, ...)
{
	long a[6];
	va_list args;

	va_start(args, nr);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(args, long);
	va_end(args);
	switch (nr) {
	case SYS_io_submit:
		return submit(a[0], a[1], (struct iocb **)a[2]);
	case SYS_io_getevents:
	case SYS_io_pgetevents:
		return completed(tm_os_syscall(nr, a[0], a[1], a[2], a[3], a[4], a[5]),
				 (const struct io_event *)a[3]);
	case SYS_io_uring_setup:
		if (no_rings()) {
			errno = ENOSYS;
			return -1;
		}
		tm_io_refuse("io_uring");
		break;
	case SYS_pread64:
	case SYS_pwrite64:
	case SYS_preadv:
	case SYS_pwritev:
		if (tm.guest && tm_io_direct((int)a[0]))
			return held(nr, a);
		break;
	case SYS_futex:
		if (!(a[1] & FUTEX_PRIVATE_FLAG)) {
			int command = (int)a[1] & FUTEX_CMD_MASK;
			tm_pin_futex((const void *)a[0]);
			if (command == FUTEX_REQUEUE || command == FUTEX_CMP_REQUEUE ||
			    command == FUTEX_WAKE_OP || command == FUTEX_CMP_REQUEUE_PI ||
			    command == FUTEX_WAIT_REQUEUE_PI)
				tm_pin_futex((const void *)a[4]);
		}
	}
	return tm_os_syscall(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
}

// What follows cannot be followed: the next definition is called once migration has ended; NULL: there is to be none.
static void *after_refusal(const char *why, const char *name)
{
	if (no_rings())
		return NULL;
	tm_io_refuse(why);
	return dlsym(RTLD_NEXT, name);
}

int io_uring_queue_init(unsigned entries, void *ring, unsigned flags);
int io_uring_queue_init_params(unsigned entries, void *ring, void *params);
int io_uring_queue_init_mem(unsigned entries, void *ring, void *params, void *buf, size_t size);
int io_uring_setup(unsigned entries, void *params);

int io_uring_queue_init(unsigned entries, void *ring, unsigned flags)
{
	int (*next)(unsigned, void *, unsigned);

	*(void **)&next = after_refusal("io_uring", "io_uring_queue_init");
	return next ? next(entries, ring, flags) : -ENOSYS;
}

int io_uring_queue_init_params(unsigned entries, void *ring, void *params)
{
	int (*next)(unsigned, void *, void *);

	*(void **)&next = after_refusal("io_uring", "io_uring_queue_init_params");
	return next ? next(entries, ring, params) : -ENOSYS;
}

int io_uring_queue_init_mem(unsigned entries, void *ring, void *params, void *buf, size_t size)
{
	int (*next)(unsigned, void *, void *, void *, size_t);

	*(void **)&next = after_refusal("io_uring", "io_uring_queue_init_mem");
	return next ? next(entries, ring, params, buf, size) : -ENOSYS;
}

int io_uring_setup(unsigned entries, void *params)
{
	int (*next)(unsigned, void *);

	*(void **)&next = after_refusal("io_uring", "io_uring_setup");
	return next ? next(entries, params) : -ENOSYS;
}

#define POSIX_AIO(name)                                                                                      \
	int name(struct aiocb *cb)                                                                           \
	{                                                                                                    \
		static int (*next)(struct aiocb *);                                                          \
		if (tm_io_direct(cb->aio_fildes))                                                            \
			tm_io_refuse("POSIX aio");                                                           \
		if (!next)                                                                                   \
			*(void **)&next = dlsym(RTLD_NEXT, #name);                                           \
		return next(cb);                                                                             \
	}
POSIX_AIO(aio_read)
POSIX_AIO(aio_write)
int lio_listio(int mode, struct aiocb *const list[], int n, struct sigevent *event)
{
	static int (*next)(int, struct aiocb *const[], int, struct sigevent *);

	for (int i = 0; i < n; i++) {
		if (list[i] && tm_io_direct(list[i]->aio_fildes))
			tm_io_refuse("POSIX aio");
	}
	if (!next)
		*(void **)&next = dlsym(RTLD_NEXT, "lio_listio");
	return next(mode, list, n, event);
}

// The same functions, whose declarations have another name for the same struct.
extern __typeof__(aio_read) aio_read_64 __asm__("aio_read64")
	__attribute__((alias("aio_read"), copy(aio_read)));
extern __typeof__(aio_write) aio_write_64 __asm__("aio_write64")
	__attribute__((alias("aio_write"), copy(aio_write)));
extern __typeof__(lio_listio) lio_listio_64 __asm__("lio_listio64")
	__attribute__((alias("lio_listio"), copy(lio_listio)));
