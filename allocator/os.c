// The operating system, behind os.h: raw system calls only, no malloc.
#include "allocator/os.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/userfaultfd.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <time.h>
#include <unistd.h>

#define RESERVED 64
#define OWN_FDS  256 // a perf event for each CPU

long tm_os_syscall(long nr, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	if (result < 0 && result > -4096) {
		errno = (int)-result;
		return -1;
	}
	return result;
}

static struct range {
	uintptr_t at;
	size_t size;
	bool table;
} reserved[RESERVED];
static _Atomic unsigned n_reserved;
static bool claiming;

static void note_range(void *p, size_t size, bool table)
{
	unsigned i = n_reserved++;

	if (i < RESERVED)
		reserved[i] = (struct range){(uintptr_t)p, size, table};
}

void tm_os_claim(bool on)
{
	claiming = on;
}

void *tm_os_mmap(void *addr, size_t size, int prot, int flags, int fd, off_t offset)
{
	return (void *)syscall(SYS_mmap, addr, size, prot, flags, fd, offset);
}

int tm_os_munmap(void *addr, size_t size)
{
	return (int)syscall(SYS_munmap, addr, size);
}

int tm_os_mprotect(void *addr, size_t size, int prot)
{
	return (int)syscall(SYS_mprotect, addr, size, prot);
}

int tm_os_madvise(void *addr, size_t size, int advice)
{
	return (int)syscall(SYS_madvise, addr, size, advice);
}

void *tm_os_mremap(void *old, size_t old_size, size_t new_size, int flags, void *addr)
{
	return (void *)syscall(SYS_mremap, old, old_size, new_size, flags, addr);
}

int tm_os_move_pages(void *from, size_t size, void *to)
{
	return tm_os_mremap(from, size, size, MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP, to) == MAP_FAILED ? -errno : 0;
}

// A few pages here and there, of up to terabytes: where the kernel uses huge pages unasked, each would take 2 MiB.
static void is_table(void *p, size_t size)
{
	tm_os_madvise(p, size, MADV_NOHUGEPAGE);
}

void *tm_os_mmap_tables(void *addr, size_t size, int prot, int flags, int fd, off_t offset)
{
	void *p = tm_os_mmap(addr, size, prot, flags, fd, offset);

	if (addr || p == MAP_FAILED)
		return p;
	is_table(p, size);
	if (claiming)
		note_range(p, size, false);
	return p;
}

static void *reserve(size_t size, bool table)
{
	void *p = (void *)syscall(SYS_mmap, NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	tm_os_madvise(p, size, MADV_DONTDUMP); // or a core dump would look at every page of it, for minutes
	if (table)
		is_table(p, size);
	note_range(p, size, table);
	return p;
}

void *tm_os_reserve(size_t size)
{
	return reserve(size, false);
}

void *tm_os_reserve_table(size_t size)
{
	return reserve(size, true);
}

void tm_os_unreserve(void *p)
{
	for (unsigned i = 0; i < RESERVED && i < n_reserved; i++) {
		if (reserved[i].at != (uintptr_t)p)
			continue;
		tm_os_munmap(p, reserved[i].size);
		reserved[i].size = 0;
	}
	while (n_reserved && n_reserved <= RESERVED && !reserved[n_reserved - 1].size)
		n_reserved--; // many sizes are tried where address space is limited
}

bool tm_os_owns(uintptr_t addr)
{
	for (unsigned i = 0; i < RESERVED && i < n_reserved; i++)
		if (addr - reserved[i].at < reserved[i].size)
			return true;
	return false;
}

uint64_t tm_os_tables_resident(void)
{
	unsigned char in[4096];
	uint64_t pages = 0;

	for (unsigned i = 0; i < RESERVED && i < n_reserved; i++) {
		for (size_t at = 0, step; reserved[i].table && at < reserved[i].size; at += step) {
			size_t left = reserved[i].size - at;
			step = left < sizeof(in) * TM_PAGE ? left : sizeof(in) * TM_PAGE;
			if (tm_os_syscall(SYS_mincore, (long)(reserved[i].at + at), (long)step, (long)in, 0,
					  0, 0))
				continue;
			for (size_t k = 0; k < (step + TM_PAGE - 1) / TM_PAGE; k++)
				pages += in[k] & 1;
		}
	}
	return pages * TM_PAGE;
}

bool tm_os_anonymous(void *addr, size_t size, int prot)
{
	return tm_os_mmap(addr, size, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) !=
	       MAP_FAILED;
}

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec t;
	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t tm_os_now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

uint64_t tm_os_thread_cpu_ns(void)
{
	return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

uint64_t tm_os_process_cpu_ns(void)
{
	return clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

uint64_t tm_os_ram_bytes(void)
{
	struct sysinfo info;
	return sysinfo(&info) ? 1u << 30 : (uint64_t)info.totalram * info.mem_unit;
}

ssize_t tm_os_read_file(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got, n = 0;

	text[0] = 0;
	if (fd < 0)
		return -errno;
	while ((size_t)n + 1 < size && (got = read(fd, text + n, size - 1 - (size_t)n)) > 0)
		n += got;
	text[n] = 0;
	close(fd);
	return n;
}

void tm_os_each_entry(const char *directory, void (*visit)(const char *name, int number))
{
	char buffer[4096] __attribute__((aligned(8)));
	int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	long n;

	if (fd < 0)
		return;
	while ((n = tm_os_syscall(SYS_getdents64, fd, (long)buffer, sizeof(buffer), 0, 0, 0)) > 0) {
		for (long at = 0; at < n; at += ((struct dirent64 *)(void *)(buffer + at))->d_reclen) {
			const char *name = ((struct dirent64 *)(void *)(buffer + at))->d_name;
			const char *digits = strpbrk(name, "0123456789");
			if (digits)
				visit(name, atoi(digits));
		}
	}
	close(fd);
}

void tm_os_wait_for_memory(void)
{
	static atomic_uint waits;

	if (++waits == 1000)
		tm_log("the kernel has refused memory for a second (%s); parts of the program wait for it",
		       strerror(errno));
	usleep(1000);
}

static _Atomic int own_fds[OWN_FDS]; // and one more: 0 is free

int tm_os_own_fd(int fd)
{
	int lowest = INT_MAX;

	for (int i = 0; i < OWN_FDS; i++) {
		int own = own_fds[i] - 1;
		if (own >= 0 && own >= fd && own < lowest)
			lowest = own;
	}
	return lowest;
}

// Notes a descriptor; if there are too many, the program can close it.
static void own(int fd)
{
	for (int i = 0, nobody = 0; i < OWN_FDS; i++, nobody = 0)
		if (atomic_compare_exchange_strong(&own_fds[i], &nobody, fd + 1))
			return;
}

void tm_os_close(int fd)
{
	for (int i = 0; fd >= 0 && i < OWN_FDS; i++)
		if (own_fds[i] == fd + 1)
			own_fds[i] = 0;
	tm_os_syscall(SYS_close, fd, 0, 0, 0, 0, 0);
}

int tm_os_high_fd(int fd)
{
	struct rlimit limit;
	int low = 900;

	if (fd < 0)
		return fd;
	if (!getrlimit(RLIMIT_NOFILE, &limit) && limit.rlim_cur < 1000)
		low = limit.rlim_cur > 64 ? (int)limit.rlim_cur - 32 : 3;
	int high = (int)tm_os_syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, low, 0, 0, 0);
	if (high >= 0)
		close(fd);
	else
		high = fd;
	own(high);
	return high;
}

// A fresh userfaultfd, or -errno.
static int uffd_open(void)
{
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	if (fd < 0 && errno == EPERM) {
		int dev = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);
		if (dev >= 0) {
			fd = ioctl(dev, _IO(0xAA, 0x00), O_CLOEXEC | O_NONBLOCK); // USERFAULTFD_IOC_NEW
			close(dev);
		} else {
			errno = EPERM;
		}
	}
	return fd < 0 ? -errno : fd;
}

int tm_os_uffd_features(uint64_t *features)
{
	struct uffdio_api api = {.api = UFFD_API};
	int fd = uffd_open();

	if (fd < 0)
		return fd;
	int error = ioctl(fd, UFFDIO_API, &api) ? -errno : 0;
	*features = api.features;
	close(fd);
	return error;
}

int tm_os_uffd(bool remap, bool thread_id)
{
	struct uffdio_api api = {.api = UFFD_API,
				 .features = remap ? UFFD_FEATURE_EVENT_REMAP | UFFD_FEATURE_THREAD_ID |
							     UFFD_FEATURE_PAGEFAULT_FLAG_WP
				 : thread_id ? UFFD_FEATURE_THREAD_ID
						   : 0};
	int fd = uffd_open();

	if (fd < 0)
		return fd;
	if (ioctl(fd, UFFDIO_API, &api)) {
		int error = errno;
		close(fd);
		return -error;
	}
	return tm_os_high_fd(fd);
}

static int uffd_register(int uffd, void *addr, size_t size, uint64_t mode)
{
	struct uffdio_register r = {.range = {(uintptr_t)addr, size}, .mode = mode};
	return ioctl(uffd, UFFDIO_REGISTER, &r) ? -errno : 0;
}

int tm_os_uffd_register(int uffd, void *addr, size_t size)
{
	return uffd_register(uffd, addr, size, UFFDIO_REGISTER_MODE_MISSING);
}

int tm_os_uffd_register_writes(int uffd, void *addr, size_t size)
{
	return uffd_register(uffd, addr, size, UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_WP);
}

int tm_os_uffd_allow_writes(int uffd, void *addr, size_t size)
{
	struct uffdio_writeprotect w = {.range = {(uintptr_t)addr, size}};
	return ioctl(uffd, UFFDIO_WRITEPROTECT, &w) ? -errno : 0;
}

int tm_os_thread_id(void)
{
	return (int)syscall(SYS_gettid);
}

// What must happen, or somebody waits for ever: tried for a second where memory is short. 0 or -errno.
static int insist(int uffd, unsigned long request, void *addr, size_t size)
{
	struct uffdio_range r = {(uintptr_t)addr, size};

	for (int tries = 0; ioctl(uffd, request, &r); tries++) {
		if ((errno != ENOMEM && errno != EAGAIN && errno != EINTR) || tries == 1000)
			return -errno;
		usleep(1000);
	}
	return 0;
}

int tm_os_uffd_wake(int uffd, void *addr, size_t size)
{
	return insist(uffd, UFFDIO_WAKE, addr, size);
}

int tm_os_uffd_unregister(int uffd, void *addr, size_t size)
{
	int error = insist(uffd, UFFDIO_UNREGISTER, addr, size);

	// The kernel wakes who waits before the registration is gone. Where page faults do without the lock on all mappings (Linux 6.12, not 6.1), whoever
	// touches a missing page in between waits, and nobody would be told of it.
	tm_os_uffd_wake(uffd, addr, size);
	return error;
}

static int uffd_copy(int uffd, void *to, const void *from, size_t size, uint64_t mode)
{
	size_t done = 0;
	int error = 0;
	bool passed_over = false; // pages that were there already: whoever waits for them is not woken by the copy

	while (done < size) {
		struct uffdio_copy c = {.dst = (uintptr_t)to + done,
					.src = (uintptr_t)from + done,
					.len = size - done,
					.mode = mode};
		if (!ioctl(uffd, UFFDIO_COPY, &c))
			break;
		if (errno != EAGAIN && errno != EEXIST) {
			error = -errno;
			break;
		}
		if (c.copy > 0) {
			done += (size_t)c.copy;
		} else if (errno == EEXIST) {
			done += TM_PAGE;
			passed_over = true;
		}
	}
	if (passed_over)
		tm_os_uffd_wake(uffd, to, size);
	return error;
}

int tm_os_uffd_copy(int uffd, void *to, const void *from, size_t size)
{
	return uffd_copy(uffd, to, from, size, 0);
}

int tm_os_uffd_copy_readonly(int uffd, void *to, const void *from, size_t size)
{
	return uffd_copy(uffd, to, from, size, UFFDIO_COPY_MODE_WP);
}

static void log_line(const char *format, va_list args)
{
	char line[512] = "tiermem: ";
	int n = vsnprintf(line + 9, sizeof(line) - 10, format, args);

	n = n < 0 ? 9 : n + 9 > (int)sizeof(line) - 2 ? (int)sizeof(line) - 2 : n + 9;
	line[n++] = '\n';
	ssize_t ignored = write(STDERR_FILENO, line, (size_t)n);
	(void)ignored;
}

void tm_log(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	log_line(format, args);
	va_end(args);
}

void tm_die(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	log_line(format, args);
	va_end(args);
	_exit(1);
}
