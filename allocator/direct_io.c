#include "allocator/direct_io.h"
#include "allocator/core.h"
#include "allocator/migrate.h"
#include "allocator/share.h"
#include "allocator/tier_pmem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FDS	65536 // descriptors beyond are asked for their flags at every call
#define SCAN_NS UINT64_C(1000000000)

atomic_bool tm_io_any;
_Atomic(const char *) tm_io_refusal;
atomic_ullong tm_io_held;

static atomic_uchar direct[FDS];

// Operations in flight; tm_lock protects them. Free: to is 0.
static struct {
	uintptr_t from, to;
	const void *key;
} slots[TM_IO_MAX];
static unsigned used; // slots from here on are free

static bool is_direct(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	return flags >= 0 && flags & O_DIRECT;
}

bool tm_io_known(int fd)
{
	if (fd < 0)
		return false;
	return fd < FDS ? direct[fd] : is_direct(fd);
}

void tm_io_opened(int fd, int flags)
{
	if (fd < 0 || (!(flags & O_DIRECT) && !tm_io_any))
		return;
	if (fd < FDS)
		direct[fd] = (flags & O_DIRECT) != 0;
	if (flags & O_DIRECT)
		tm_io_any = true;
}

void tm_io_duplicated(int fd, int from)
{
	if (tm_io_any)
		tm_io_opened(fd, tm_io_known(from) ? O_DIRECT : 0);
}

static void look_at(const char *name, int fd)
{
	char path[64], target[64];
	ssize_t n;

	if (is_direct(fd))
		tm_io_opened(fd, O_DIRECT);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = readlink(path, target, sizeof(target) - 1);
	if (n > 0 && !strncmp(target, "anon_inode:[io_uring]", (size_t)n) && n >= 21)
		tm_io_refuse("io_uring");
}

void tm_io_init(void)
{
	tm_os_each_entry("/proc/self/fd", look_at);
}

// Whether there is anything to be known: what the kernel itself moves it does not move while a device has it.
static bool matters(void)
{
	return tm.uffd_works && !tm_pmem_anonymous();
}

void tm_io_scan(uint64_t now)
{
	static uint64_t next;

	if (now < next || !matters() || tm_io_refusal)
		return;
	next = now + SCAN_NS;
	tm_os_each_entry("/proc/self/fd", look_at);
}

// Waits until nothing of [from, to) is on its way. tm_lock held, but given up in between.
static void settle(uintptr_t from, uintptr_t to)
{
	for (size_t g = tm_index(from); g <= tm_index(to - 1); g++) {
		if (tm_settle(g)) {
			tm_wait();
			g = tm_index(from) - 1;
		}
	}
}

// The range that covers all that is ours of the buffers; to is 0 when there is none.
static void cover(const struct iovec *iov, int n, uintptr_t *from, uintptr_t *to)
{
	*from = UINTPTR_MAX, *to = 0;
	for (int i = 0; i < n; i++) {
		uintptr_t a = (uintptr_t)iov[i].iov_base, b = a + iov[i].iov_len;
		if (!iov[i].iov_len || !tm_ours(a) || b < a)
			continue;
		*from = a < *from ? a : *from;
		*to = b > *to ? b : *to;
	}
}

static int begin(const struct iovec *iov, int n, const void *key)
{
	uintptr_t from, to;
	unsigned slot;

	if (!matters() || tm.child || tm_io_refusal)
		return -1;
	cover(iov, n, &from, &to);
	if (!to)
		return -1;
	tm_lock();
	settle(from, to);
	// The first free slot, or that of the same request's last operation, which has ended then: QEMU takes completions out of libaio's
	// ring itself, and nothing else tells of their end.
	slot = used;
	for (unsigned i = 0; i < used; i++) {
		if (key && slots[i].to && slots[i].key == key) {
			slot = i;
			break;
		}
		if (slot == used && !slots[i].to)
			slot = i;
	}
	if (slot < TM_IO_MAX) {
		slots[slot].from = from;
		slots[slot].to = to;
		slots[slot].key = key;
		used = slot + 1 > used ? slot + 1 : used;
		tm_io_held++;
	}
	tm_unlock();
	if (slot < TM_IO_MAX)
		return (int)slot;
	tm_io_refuse("too many direct I/O operations at once");
	return -1;
}

// tm_lock held.
static void release(unsigned slot)
{
	slots[slot].to = 0;
	while (used && !slots[used - 1].to)
		used--;
}

int tm_io_begin(const struct iovec *iov, int n)
{
	return begin(iov, n, NULL);
}

void tm_io_end(int slot)
{
	if (slot < 0 || tm.child)
		return;
	tm_lock();
	release((unsigned)slot);
	tm_unlock();
}

void tm_io_begin_async(const struct iovec *iov, int n, const void *key)
{
	begin(iov, n, key);
}

void tm_io_end_async(const void *key)
{
	if (tm.child)
		return;
	tm_lock();
	for (unsigned slot = 0; slot < used; slot++) {
		if (slots[slot].to && slots[slot].key == key) {
			release(slot);
			break;
		}
	}
	tm_unlock();
}

void tm_io_refuse(const char *why)
{
	const char *none = NULL;

	if (!tm.managed || tm.child || !matters() ||
	    !atomic_compare_exchange_strong(&tm_io_refusal, &none, why))
		return;
	// What began before is over when no granule is on its way. Who migrates looks at tm_io_busy() under tm_lock.
	tm_lock();
	for (int zone = 0; zone < TM_ZONES; zone++) {
		size_t first, end;
		for (size_t k = 0; tm_zone_span((enum tm_zone)zone, k, &first, &end); k++)
			if (end > first)
				settle((uintptr_t)tm_address(first), (uintptr_t)tm_address(end));
	}
	tm_unlock();
	tm_log("%s: device I/O that cannot be followed; nothing migrates from here on", why);
}

bool tm_io_busy(uintptr_t from, uintptr_t to)
{
	if (__builtin_expect(tm_io_refusal != NULL, 0))
		return true;
	for (unsigned slot = 0; slot < used; slot++) {
		if (slots[slot].from < to && from < slots[slot].to)
			return true;
	}
	return false;
}

void tm_io_reset(void)
{
	used = 0;
	memset(slots, 0, sizeof(slots));
}
