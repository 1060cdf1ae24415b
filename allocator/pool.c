#include "allocator/pool.h"
#include "allocator/core.h"
#include "allocator/pool_ledger.h"
#include "allocator/pool_share.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PATIENCE   2000				// ms, for who is just beginning a ledger
#define RECLAIM_NS UINT64_C(1000000000)
#define WANT_NS	   UINT64_C(1000000000)
// Stripes: so long at least, but a device has so many; and all have at most so many together.
#define STRIPE	     ((uint64_t)2 << 20)
#define STRIPES_EACH 16
#define STRIPES_ALL  8192

struct tm_ledger *tm_ledger;
static uint8_t me;
static uint64_t reclaim_ns;

// When a process was started, and whether it is there (a zombie is not).
static bool is_there(uint32_t pid, uint64_t *started)
{
	char path[32], text[512], *at;

	*started = 0;
	if (kill((pid_t)pid, 0) && errno == ESRCH)
		return false;
	snprintf(path, sizeof(path), "/proc/%u/stat", pid);
	if (tm_os_read_file(path, text, sizeof(text)) <= 0 || !(at = strrchr(text, ')')) || !at[1])
		return true;
	if (at[2] == 'Z' || at[2] == 'X')
		return false;
	for (int field = 2; at && field < 22; field++)
		at = strchr(at + 1, ' ');
	*started = at ? strtoull(at, NULL, 10) : 0;
	return true;
}

bool tm_pool_lock(int fd, unsigned byte, int command, short type)
{
	struct flock l = {.l_type = type, .l_whence = SEEK_SET, .l_start = TM_LOCKS + (off_t)byte, .l_len = 1};

	return !fcntl(fd, command, &l) && (command == F_OFD_SETLK || l.l_type == F_UNLCK);
}

static bool lock_slot(unsigned i, int command, short type)
{
	return tm_pool_lock(tm_pmem.device[0].fd, i, command, type);
}

static bool is_dead(unsigned i)
{
	const struct tm_slot *s = &tm_ledger->slot[i];
	uint64_t started, then = s->started;

	if (!lock_slot(i, F_OFD_GETLK, F_WRLCK)) // its memory is there; also where its pid says nothing (a container)
		return false;
	// It may have closed the descriptor, and the lock with it.
	return !is_there(s->pid, &started) || (then && started && started != then);
}

// Frees all that a dead owner had. Two processes may want to: the lock lets one. tm_lock held, for the lock is the process'.
static bool reclaim(unsigned i)
{
	uint32_t pid = tm_ledger->slot[i].pid, frame = 0;
	uint8_t *owner = (uint8_t *)tm_ledger->owner, *at;

	if (!pid || !is_dead(i) || !lock_slot(i, F_OFD_SETLK, F_WRLCK))
		return false;
	bool mine = tm_ledger->slot[i].pid == pid; // or somebody has been here
	while (mine && frame < tm_ledger->head.frames && (at = memchr(owner + frame, (int)i, tm_ledger->head.frames - frame))) {
		uint32_t first = frame = (uint32_t)(at - owner);
		while (frame < tm_ledger->head.frames && tm_ledger->owner[frame] == i)
			frame++;
		for (uint32_t f = first, n; f < frame; f += n) {
			uint64_t most = tm_pmem_neighbours(f);
			for (n = 0; n < most && f + n < frame && !tm_shared(f + n); n++)
				continue;
			if (n)
				tm_pmem_discard(f, n);
			else
				tm_share_orphan(f++, (uint8_t)i);
		}
		for (uint32_t f = first; f < frame; f++)
			if (tm_ledger->owner[f] == i)
				tm_ledger->owner[f] = 0;
	}
	if (mine) {
		tm_ledger->slot[i].frames = 0;
		tm_ledger->slot[i].dram = 0;
		tm_ledger->slot[i].wanted = 0;
		tm_ledger->slot[i].pid = 0;
	}
	lock_slot(i, F_OFD_SETLK, F_UNLCK);
	return mine;
}

bool tm_pool_reclaim(void)
{
	uint64_t now = tm_os_now_ns();
	bool any = false;

	if (reclaim_ns && now - reclaim_ns < RECLAIM_NS)
		return false;
	reclaim_ns = now;
	for (unsigned i = 1; i <= tm_ledger->owners; i++)
		any |= i != me && reclaim(i);
	return tm_shares_reap() || any;
}

// Becomes an owner.
static bool take_slot(void)
{
	for (unsigned i = 1; i <= TM_POOL_OWNERS; i++) {
		struct tm_slot *s = &tm_ledger->slot[i];
		uint32_t nobody = 0, seen = tm_ledger->owners;
		uint64_t started;
		if (s->pid)
			reclaim(i);
		if (s->pid || !lock_slot(i, F_OFD_SETLK, F_WRLCK))
			continue;
		while (seen < i && !atomic_compare_exchange_weak(&tm_ledger->owners, &seen, i))
			continue;
		is_there((uint32_t)getpid(), &started);
		s->started = 0;
		if (!atomic_compare_exchange_strong(&s->pid, &nobody, (uint32_t)getpid())) {
			lock_slot(i, F_OFD_SETLK, F_UNLCK);
			continue;
		}
		s->started = started;
		s->frames = 0;
		s->dram = 0;
		s->wanted = 0;
		me = (uint8_t)i;
		return true;
	}
	return false;
}

static void begin(struct tm_head *h, const struct tm_head *as, size_t size)
{
	h->magic = 0;
	memset((char *)h + sizeof(h->magic), 0, size - sizeof(h->magic));
	h->set = as->set;
	h->granule = as->granule;
	h->frames = as->frames;
	h->devices = as->devices;
	h->index = as->index;
	h->magic = TM_LEDGER_MAGIC;
}

// Nobody else has the device: it begins anew. Otherwise what is there counts; who makes it holds the lock until it is complete.
static bool share(int fd, struct tm_head *h, const struct tm_head *as, size_t size)
{
	for (int ms = 0; ms < PATIENCE; ms++) {
		if (!flock(fd, LOCK_EX | LOCK_NB))
			begin(h, as, size);
		// The change is not at once: another may come in between, and begin, but nobody has anything yet.
		if (!flock(fd, LOCK_SH | LOCK_NB) && h->magic == TM_LEDGER_MAGIC)
			return true;
		flock(fd, LOCK_UN);
		usleep(1000);
	}
	return false;
}

// What others have begun a device as must be what it is to us.
static bool agrees(const struct tm_pmem_device *d, const struct tm_head *h, const struct tm_head *as, char *why, size_t size)
{
	if (h->devices != as->devices || h->set != as->set || h->index != as->index) {
		char how[64] = "alone";
		if (h->devices > 1)
			snprintf(how, sizeof(how), "as one of %u devices", h->devices);
		snprintf(why, size, "%.*s is in use %s; give the same --pmem as who uses it, or another device", d->length, d->path, how);
		return false;
	}
	if (h->granule != as->granule || h->frames != as->frames) {
		snprintf(why, size, "%.*s is in use with granules of %u bytes; use --granule %uK as the others, or another device",
			 d->length, d->path, h->granule, h->granule >> 10);
		return false;
	}
	return true;
}

static bool join(const struct tm_pmem *pmem, unsigned i, const struct tm_head *as, char *why, size_t size)
{
	const struct tm_pmem_device *d = &pmem->device[i];
	struct tm_head *h = tm_os_mmap(NULL, pmem->start, PROT_READ | PROT_WRITE, MAP_SHARED, d->fd, 0);
	bool ok = false;

	if (h == MAP_FAILED)
		snprintf(why, size, "cannot map the ledger of %.*s: %s", d->length, d->path, strerror(errno));
	else if (!share(d->fd, h, as, i ? sizeof(*h) : tm_ledger_bytes(as->frames)))
		snprintf(why, size, "%.*s is in use by a process that does not share it; give each its own", d->length, d->path);
	else
		ok = agrees(d, h, as, why, size);
	if (ok && !i)
		tm_ledger = (struct tm_ledger *)h;
	else if (h != MAP_FAILED)
		tm_os_munmap(h, pmem->start);
	return ok;
}

// Lays out the frames: so much of each device for ledger and heads, the rest in whole stripes. Returns how many frames; 0: a device is too small.
static uint32_t lay_out(struct tm_pmem *p, size_t granule, bool grows)
{
	uint64_t each = p->device[0].bytes, stripe = granule > STRIPE ? granule : STRIPE, limit = TM_NO_FRAME - 1;

	for (unsigned i = 1; i < p->devices; i++)
		each = each < p->device[i].bytes ? each : p->device[i].bytes;
	if (p->kind == TM_NUMA)
		each = p->bytes;
	if (each / granule > limit / p->devices)
		each = limit / p->devices * granule;
	p->start = (tm_ledger_bytes(each / granule * p->devices) + granule - 1) & ~(uint64_t)(granule - 1);
	if (!grows && each <= p->start)
		return 0;
	each -= grows ? 0 : p->start;
	if (p->devices > 1) {
		while (each * p->devices / stripe > STRIPES_ALL)
			stripe *= 2;
		while (stripe > granule && each / stripe < STRIPES_EACH)
			stripe /= 2;
		p->stripe = (unsigned)__builtin_ctzll(stripe / granule);
		each &= ~(stripe - 1);
	}
	p->bytes = each * p->devices;
	return (uint32_t)(p->bytes / granule);
}

bool tm_pool_join(struct tm_pmem *pmem, size_t granule, char *why, size_t size)
{
	bool grows = pmem->kind == TM_MEMFD || pmem->kind == TM_NUMA; // a memfd, private
	struct tm_head head = {.granule = (uint32_t)granule, .devices = pmem->devices, .frames = lay_out(pmem, granule, grows)};
	const struct tm_pmem_device *d = pmem->device;

	if (!head.frames) {
		snprintf(why, size, "%s is too small for granules of %zu bytes; give a larger device or file", pmem->path, granule);
		return false;
	}
	for (unsigned i = 0; i < pmem->devices; i++) {
		off_t length = (off_t)(pmem->start + pmem->bytes / pmem->devices);
		if (pmem->devices > 1)
			head.set = (head.set ^ d[i].id) * UINT64_C(0x100000001b3) + 1;
		if (grows && ftruncate(d[i].fd, length)) {
			snprintf(why, size, "cannot make a memfd of %lld bytes: %s", (long long)length, strerror(errno));
			return false;
		}
	}
	for (; head.index < pmem->devices; head.index++) {
		if (!join(pmem, head.index, &head, why, size))
			return false;
	}
	if (take_slot())
		return true;
	snprintf(why, size, "%s is in use by %d processes, and no more can; use another device", pmem->path, TM_POOL_OWNERS);
	return false;
}

int tm_pool_open_again(int old)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", old);
	int fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd >= 0 && flock(fd, LOCK_SH | LOCK_NB)) {
		close(fd);
		fd = -1;
	}
	return fd;
}

// An open file of its own for a descriptor.
static bool reopen(int old)
{
	int fd = tm_pool_open_again(old);
	bool ok = fd >= 0 && tm_os_syscall(SYS_dup3, fd, old, O_CLOEXEC, 0, 0, 0) == old;
	if (fd >= 0)
		close(fd);
	return ok;
}

bool tm_pool_forked(void)
{
	bool ok = true;

	for (unsigned i = 0; i < tm_pmem.devices; i++)
		ok = ok && reopen(tm_pmem.device[i].fd);
	for (unsigned i = 0; i < tm_pmem.devices && !ok; i++) {
		tm_os_close(tm_pmem.device[i].fd);
		tm_pmem.device[i].fd = -1;
	}
	me = 0;
	reclaim_ns = 0;
	return ok;
}

bool tm_pool_rejoin(void)
{
	return take_slot();
}

uint32_t tm_pool_frames(void)
{
	return tm_ledger->head.frames;
}

uint32_t tm_pool_free(void)
{
	uint32_t used = 0;

	for (unsigned i = 0; i <= tm_ledger->owners; i++)
		used += tm_ledger->slot[i].frames;
	return used < tm_ledger->head.frames ? tm_ledger->head.frames - used : 0; // another may be dying
}

uint8_t tm_pool_me(void)
{
	return me;
}

uint32_t tm_pool_mine(void)
{
	return tm_ledger->slot[me].frames;
}

unsigned tm_pool_owners(void)
{
	unsigned n = 0;

	for (unsigned i = 1; i <= tm_ledger->owners; i++)
		n += tm_ledger->slot[i].pid != 0;
	return n;
}

uint32_t tm_pool_take(uint32_t first, uint32_t n)
{
	uint32_t got = 0;

	for (uint8_t nobody = 0; got < n && first + got < tm_ledger->head.frames; got++)
		if (!atomic_compare_exchange_strong(&tm_ledger->owner[first + got], &nobody, me))
			break;
	tm_ledger->slot[me].frames += got;
	return got;
}

void tm_pool_give(uint32_t first, uint32_t n)
{
	for (uint32_t f = first; f < first + n; f++) {
		if (tm_shared(f))
			tm_share_orphan(f, me);
		else
			tm_ledger->owner[f] = 0;
	}
	tm_ledger->slot[me].frames -= n;
}

uint32_t tm_pool_find(uint32_t from, uint32_t to)
{
	const uint8_t *at = from < to ? memchr((uint8_t *)tm_ledger->owner + from, 0, to - from) : NULL;

	return at ? (uint32_t)(at - (uint8_t *)tm_ledger->owner) : to;
}

uint32_t tm_pool_run(uint32_t first, uint32_t n)
{
	uint32_t k = 0;

	while (k < n && first + k < tm_ledger->head.frames && !tm_ledger->owner[first + k])
		k++;
	return k;
}

void tm_pool_dram(uint64_t bytes)
{
	atomic_store_explicit(&tm_ledger->slot[me].dram, bytes, memory_order_relaxed);
}

uint64_t tm_pool_dram_all(void)
{
	uint64_t sum = 0;

	atomic_thread_fence(memory_order_seq_cst); // of two who have both just taken, one at least sees both
	for (unsigned i = 1; i <= tm_ledger->owners; i++)
		sum += tm_ledger->slot[i].dram;
	return sum;
}

void tm_pool_want(void)
{
	tm_ledger->slot[me].wanted = tm_os_now_ns();
}

bool tm_pool_wanted(void)
{
	uint64_t now = tm_os_now_ns();

	for (unsigned i = 1; i <= tm_ledger->owners; i++)
		if (i != me && tm_ledger->slot[i].wanted && now - tm_ledger->slot[i].wanted < WANT_NS)
			return true;
	return false;
}
