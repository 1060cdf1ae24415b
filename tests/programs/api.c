// The API of tiermem.h, as a program uses it: api MODE [...]. Prints what does not hold, or "ok". Built with -DLINKED it is linked with the
// library, else it loads the one that TIERMEM_LIB names.
#include "../../allocator/api/tiermem.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef LINKED
#define FUNCTIONS(f)                                                                                         \
	f(version) f(managed) f(error) f(alloc) f(free) f(advise) f(pin) f(unpin) f(query) f(stats)          \
		f(on_pressure) f(off_pressure)
#define DECLARE(name) static __typeof__(tiermem_##name) *p_##name;
FUNCTIONS(DECLARE)
#define LOAD(name)	     *(void **)&p_##name = dlsym(library, "tiermem_" #name);
#define tiermem_version	     p_version
#define tiermem_managed	     p_managed
#define tiermem_error	     p_error
#define tiermem_alloc	     p_alloc
#define tiermem_free	     p_free
#define tiermem_advise	     p_advise
#define tiermem_pin	     p_pin
#define tiermem_unpin	     p_unpin
#define tiermem_query	     p_query
#define tiermem_on_pressure  p_on_pressure
#define tiermem_off_pressure p_off_pressure
#define get_stats	     p_stats
#else
#define get_stats tiermem_stats
#endif

#define MB ((size_t)1 << 20)

static size_t granule;

#define RULE(holds) rule(holds, #holds, __LINE__)
static void rule(int holds, const char *text, int line)
{
	if (holds)
		return;
	printf("broken: line %d: %s (%s)\n", line, text, tiermem_error());
	fflush(stdout);
	_exit(1);
}

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static struct tiermem_stats stats(void)
{
	struct tiermem_stats s = {.size = sizeof(s)};
	RULE(!get_stats(&s) && s.size == sizeof(s));
	return s;
}

static struct tiermem_range where(const void *p, size_t size)
{
	struct tiermem_range r;
	RULE(!tiermem_query(p, size, &r));
	RULE(r.dram + r.pmem + r.untouched + r.unmanaged == size);
	return r;
}

static int is_all(const unsigned char *p, int value, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (p[i] != value)
			return 0;
	}
	return 1;
}

// What holds anywhere, managed or not.
static void anywhere(void)
{
	struct tiermem_range r;
	struct {
		struct tiermem_stats s;
		char more[64];
	} large;
	static const int tiers[] = {TIERMEM_ANY, TIERMEM_DRAM, TIERMEM_PMEM};

	RULE(!strcmp(tiermem_error(), "") && !strncmp(tiermem_version(), "0.", 2));
	for (int i = 0; i < 3; i++) {
		unsigned char *p = tiermem_alloc(100001, tiers[i]);
		RULE(p && is_all(p, 0, 100001));
		memset(p, 7, 100001);
		RULE(!tiermem_pin(p, 100001) && !tiermem_unpin(p, 100001));
		RULE(tiermem_advise(p, 100001, TIERMEM_NORMAL) == 0);
		where(p, 100001);
		RULE(is_all(p, 7, 100001) && !tiermem_free(p, 100001));
	}
	RULE(!strcmp(tiermem_error(), "") && !tiermem_free(NULL, 0));

	errno = 0;
	RULE(!tiermem_alloc(0, TIERMEM_ANY) && errno == EINVAL && strstr(tiermem_error(), "0 bytes"));
	RULE(!tiermem_alloc(4096, 3) && errno == EINVAL && strstr(tiermem_error(), "no tier 3"));
	RULE(!tiermem_alloc(SIZE_MAX, TIERMEM_ANY) && errno == ENOMEM &&
	     strstr(tiermem_error(), "address space"));
	RULE(!tiermem_alloc((size_t)1 << 60, TIERMEM_PMEM) && errno == ENOMEM);
	RULE(tiermem_free((char *)0x10001, 4096) == -EINVAL && strstr(tiermem_error(), "is not memory of"));
	RULE(tiermem_advise(&r, sizeof(r), 9) == -EINVAL && strstr(tiermem_error(), "no advice 9"));
	RULE(tiermem_advise(&r, 0, TIERMEM_HOT) == -EINVAL && strstr(tiermem_error(), "empty"));
	RULE(tiermem_pin((void *)-4096, 8192) == -EINVAL && strstr(tiermem_error(), "wraps"));
	RULE(tiermem_unpin(&r, 0) == -EINVAL && tiermem_query(&r, 1, NULL) == -EINVAL);
	RULE(get_stats(NULL) == -EINVAL);
	RULE(tiermem_on_pressure(NULL, NULL, 0) == -EINVAL && strstr(tiermem_error(), "no function"));
	RULE(tiermem_on_pressure((tiermem_pressure_fn *)anywhere, NULL, 1) == -EINVAL);
	RULE(tiermem_off_pressure(0) == -EINVAL && tiermem_off_pressure(-1) == -EINVAL);

	// Its own size is negotiated: a struct of a later version is filled as far as this one goes.
	memset(&large, 255, sizeof(large));
	large.s.size = sizeof(large);
	RULE(!get_stats(&large.s) && large.s.size == sizeof(large.s) && is_all((void *)large.more, 0, 64));
	for (size_t size = 0; size < sizeof(large.s); size += 8) {
		large.s.size = size;
		RULE(get_stats(&large.s) == -EINVAL &&
		     strstr(tiermem_error(), "sizeof(struct tiermem_stats)"));
	}

	// The stack, code and nothing at all are nobody's.
	RULE(where(&r, sizeof(r)).unmanaged == sizeof(r) && where((void *)4096, 4096).unmanaged == 4096);
	RULE(where((void *)4096, SIZE_MAX / 2).unmanaged > 0);
	RULE(tiermem_advise(&r, sizeof(r), TIERMEM_NORMAL) == 0 && !tiermem_pin(&r, sizeof(r)) &&
	     !tiermem_unpin(&r, sizeof(r)));
	int id = tiermem_on_pressure((tiermem_pressure_fn *)anywhere, NULL, 3600000);
	RULE(id > 0 && !tiermem_off_pressure(id));
}

static void unmanaged(void)
{
	struct tiermem_stats s = stats();
	char *p = tiermem_alloc(MB, TIERMEM_PMEM);

	RULE(!tiermem_managed() && !s.managed && is_all((unsigned char *)&s + 8, 0, sizeof(s) - 8));
	memset(p, 1, MB);
	RULE(where(p, MB).unmanaged == MB);
	RULE(!tiermem_advise(p, MB, TIERMEM_COLD) && !tiermem_advise(p, MB, TIERMEM_HOT));
	RULE(!tiermem_unpin(p, MB)); // there are no pins to count
	RULE(!tiermem_free(p, MB) && tiermem_off_pressure(12345) == 0);
}

// Hints decide where memory is at its first touch. Run with the policy static, a quota of 8 MB, a granule of 64 KiB.
static void place(void)
{
	char *any = tiermem_alloc(4 * MB, TIERMEM_ANY), *pmem = tiermem_alloc(3 * MB, TIERMEM_PMEM);

	RULE(tiermem_managed() && where(pmem, 3 * MB).untouched == 3 * MB);
	pmem[MB] = 1;
	RULE(where(pmem + MB, granule).pmem == granule);
	memset(pmem, 2, 3 * MB);
	memset(any, 3, 4 * MB);
	RULE(where(pmem, 3 * MB).pmem == 3 * MB && where(any, 4 * MB).dram == 4 * MB);
	RULE(where(any + 1, 10).dram == 10);
	// DRAM is full up to the reserve now: what is hinted gets room.
	char *fill = malloc(16 * MB);
	memset(fill, 4, 16 * MB);
	char *dram = tiermem_alloc(3 * MB + 1, TIERMEM_DRAM);
	memset(dram, 5, 3 * MB + 1);
	RULE(where(dram, 3 * MB).dram == 3 * MB && where(fill, 16 * MB).pmem >= 9 * MB);
	RULE(is_all((void *)any, 3, 4 * MB) && is_all((void *)fill, 4, 16 * MB) &&
	     is_all((void *)dram, 5, 3 * MB));
	RULE(stats().dram <= 8 * MB && stats().quota == 8 * MB);
	printf("ready %zu\n", (size_t)(stats().pmem));
	fflush(stdout);
	getchar();
	// Memory is given back as a whole only.
	RULE(tiermem_free(pmem, 2 * MB) == -EINVAL && tiermem_free(pmem + MB, 2 * MB) == -EINVAL);
	RULE(tiermem_free(pmem, 4 * MB) == -EINVAL && tiermem_free(fill, 4096) == -EINVAL);
	uint64_t before = stats().pmem;
	RULE(!tiermem_free(pmem, 3 * MB) && stats().pmem == before - 3 * MB);
	RULE(tiermem_free(pmem, 3 * MB) == -EINVAL && where(pmem, 3 * MB).unmanaged == 3 * MB);
	RULE(!tiermem_free(any, 4 * MB) && !tiermem_free(dram, 3 * MB + 1));
	free(fill);
}

// Advice moves, and contents stay. Policy static, 8 MB.
static void advise(void)
{
	unsigned char *p = tiermem_alloc(4 * MB, TIERMEM_ANY), *q;

	for (size_t i = 0; i < 4 * MB; i++)
		p[i] = (unsigned char)(i * 31 >> 5);
	RULE(where(p, 4 * MB).dram == 4 * MB);
	RULE(tiermem_advise(p, 2 * MB, TIERMEM_COLD) == (ssize_t)(2 * MB));
	RULE(where(p, 2 * MB).pmem == 2 * MB && where(p + 2 * MB, 2 * MB).dram == 2 * MB);
	RULE(tiermem_advise(p, 2 * MB, TIERMEM_COLD) == 0);
	// Parts of granules: cold is what lies in the range as a whole, hot is what it touches.
	RULE(tiermem_advise(p + 2 * MB + 1, granule, TIERMEM_COLD) == 0);
	RULE(tiermem_advise(p + 2 * MB + 1, 2 * granule, TIERMEM_COLD) == (ssize_t)granule);
	RULE(tiermem_advise(p + 5, 1, TIERMEM_HOT) == (ssize_t)granule && where(p, granule).dram == granule);
	// DRAM is full: who is hot gets the room of others.
	q = tiermem_alloc(24 * MB, TIERMEM_ANY);
	memset(q, 9, 24 * MB);
	RULE(stats().spilled > 10 * MB && stats().dram > 6 * MB);
	RULE(tiermem_advise(p, 4 * MB, TIERMEM_HOT) == (ssize_t)(2 * MB));
	RULE(where(p, 4 * MB).dram == 4 * MB && stats().dram <= 8 * MB);
	// malloc's memory as well, which shares granules.
	unsigned char *array = malloc(MB);
	memset(array, 3, MB);
	RULE(tiermem_advise(array, MB, TIERMEM_HOT) >= 0 && where(array, MB).dram == MB); // some of it may have found no room
	ssize_t moved = tiermem_advise(array, MB, TIERMEM_COLD);
	RULE(moved > (ssize_t)(MB - 2 * granule) && where(array, MB).pmem == (size_t)moved);
	RULE(tiermem_advise(array, MB, TIERMEM_HOT) == moved && where(array, MB).dram == MB);
	RULE(is_all(array, 3, MB));
	free(array);
	RULE(where(p, 4 * MB).dram == 4 * MB); // hot advice makes no room for other
	RULE(tiermem_advise(p, 4 * MB, TIERMEM_NORMAL) == 0 && where(p, 4 * MB).dram == 4 * MB);
	for (size_t i = 0; i < 4 * MB; i++)
		RULE(p[i] == (unsigned char)(i * 31 >> 5));
	RULE(is_all(q, 9, 24 * MB));
	// More than there is: as far as the quota goes.
	RULE(tiermem_advise(q, 24 * MB, TIERMEM_HOT) > 0 && stats().dram <= 8 * MB && is_all(q, 9, 24 * MB));
	// What is not touched yet follows.
	unsigned char *fresh = tiermem_alloc(MB, TIERMEM_ANY);
	RULE(tiermem_advise(fresh, MB, TIERMEM_COLD) == 0);
	memset(fresh, 1, MB);
	RULE(where(fresh, MB).pmem == MB);
	RULE(!tiermem_free(fresh, MB) && !tiermem_free(p, 4 * MB) && !tiermem_free(q, 24 * MB));
}

static void cannot(void)
{
	char *p = malloc(MB);

	memset(p, 1, MB);
	if (getenv("API_URING")) // what no library can follow
		syscall(SYS_io_uring_setup, 1, (char[256]){0});
	RULE(tiermem_managed() && !stats().migrates);
	RULE(tiermem_advise(p, MB, TIERMEM_COLD) == -ENOTSUP && strstr(tiermem_error(), "cannot move"));
	printf("%s\n", tiermem_error());
	RULE(!tiermem_pin(p, MB) && !tiermem_unpin(p, MB) && tiermem_advise(p, MB, TIERMEM_NORMAL) == 0);
	RULE(where(p, MB).dram + where(p, MB).pmem == MB);
	char *q = tiermem_alloc(MB, TIERMEM_PMEM);
	memset(q, 1, MB);
	where(q, MB);
	RULE(!tiermem_free(q, MB));
}

// A map of which granules are in DRAM; 1 bit each.
static void tiers_of(const char *p, size_t n, unsigned char *map)
{
	for (size_t i = 0; i < n; i++) {
		struct tiermem_range r = where(p + i * granule, granule);
		RULE(r.dram == granule || r.pmem == granule);
		map[i] = r.dram == granule;
	}
}

static int stays(const char *p, size_t n, double seconds)
{
	unsigned char before[512], after[512];
	uint64_t promoted = stats().promoted;
	double end = now() + seconds;
	int same = 1;

	tiers_of(p, n, before);
	do {
		tiers_of(p, n, after);
		same = !memcmp(before, after, n);
	} while (same && (now() < end || (promoted == stats().promoted && now() < end + 20)));
	RULE(!same || promoted != stats().promoted); // others do move
	return same;
}

// Pins hold while all else migrates at random (TIERMEM_TEST_MIGRATE).
static void pins(void)
{
	enum { N = 64 };
	size_t size = N * granule;
	char *p = tiermem_alloc(size, TIERMEM_ANY), *rest, *half = p + size / 2;

	RULE(!posix_memalign((void **)&rest, granule, 4 * MB));

	memset(rest, 1, 4 * MB);
	memset(p, 2, size);
	RULE(!stays(p, N, 20));
	RULE(!tiermem_pin(p, size) && stats().pinned == size);
	RULE(stays(p, N, 1));
	RULE(!tiermem_pin(p, size) && stats().pinned == size && !tiermem_unpin(p, size));
	RULE(stays(p, N, 0.5));
	RULE(tiermem_advise(p, size, TIERMEM_COLD) == 0 && tiermem_advise(p, size, TIERMEM_HOT) == 0);
	RULE(tiermem_advise(p, size, TIERMEM_NORMAL) == 0);
	RULE(!madvise(p, granule, MADV_DONTNEED) && is_all((void *)p, 0, granule) && stays(p, N, 0.2));
	// A half is let go; the other stays.
	RULE(!tiermem_unpin(p, size / 2) && stays(half, N / 2, 0.5) && !stays(p, N / 2, 20));
	RULE(tiermem_unpin(p, size) == -EINVAL && strstr(tiermem_error(), "not all of it is pinned"));
	RULE(stats().pinned == size / 2 && stays(half, N / 2, 0.2)); // and nothing was unpinned
	for (int i = 0; i < 1022; i++)
		RULE(!tiermem_pin(half, 1));
	RULE(tiermem_pin(p, size) == -EOVERFLOW && strstr(tiermem_error(), "1023 times"));
	RULE(tiermem_unpin(p, granule) == -EINVAL); // nothing of it was pinned
	for (int i = 0; i < 1022; i++)
		RULE(!tiermem_unpin(half, 1));
	RULE(!tiermem_unpin(half, size / 2) && stats().pinned == 0 && !stays(p, N, 20));
	// Pins go with the memory, by tiermem_free() and by munmap().
	RULE(!tiermem_pin(p, size) && !tiermem_free(p, size) && stats().pinned == 0);
	p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memset(p, 3, size);
	RULE(!tiermem_pin(p, size) && !munmap(p, size) && stats().pinned == 0);
	p = tiermem_alloc(size, TIERMEM_ANY);
	memset(p, 3, size);
	RULE(!stays(p, N, 20) && !tiermem_free(p, size));
	// malloc's memory.
	RULE(!tiermem_pin(rest, MB) && stays(rest, MB / granule < 256 ? MB / granule : 256, 0.5));
	RULE(!tiermem_unpin(rest, MB) && !stays(rest, MB / granule < 256 ? MB / granule : 256, 20));
	RULE(is_all((void *)rest, 1, 4 * MB));
}

// tiermem's own reasons to pin are not the program's to end.
static void futex_pin(void)
{
	char *p = tiermem_alloc(8 * granule, TIERMEM_DRAM), *rest = malloc(4 * MB);
	sem_t *s = (sem_t *)(p + 100 * sizeof(void *));

	memset(rest, 1, 4 * MB);
	memset(p, 1, 8 * granule);
	RULE(!tiermem_pin(p, 8 * granule));
	RULE(!sem_init(s, 1, 0)); // a futex that is not process-private
	RULE(!tiermem_unpin(p, 8 * granule) && tiermem_unpin(p, 8 * granule) == -EINVAL);
	RULE(stays(p, 1, 1.5) && !stays(p + granule, 7, 20));
	RULE(!sem_post(s) && !sem_wait(s));
	// Part of a granule is protected: that pins it as well.
	RULE(!tiermem_pin(p, 8 * granule));
	if (granule > 4096) {
		RULE(!mprotect(p + 2 * granule, 4096, PROT_READ));
		RULE(!tiermem_unpin(p, 8 * granule) && stays(p + 2 * granule, 1, 1));
	} else {
		RULE(!tiermem_unpin(p, 8 * granule));
	}
	RULE(!tiermem_free(p, 8 * granule));
	// The same granule, other memory: nothing is left of it.
	char *q = tiermem_alloc(8 * granule, TIERMEM_DRAM);
	memset(q, 1, 8 * granule);
	RULE(q == p ? !stays(q, 1, 20) : 1);
}

static _Atomic int calls, in_call, id_in_call;
static _Atomic uint64_t told;

static void on_pressure(const struct tiermem_pressure *p, void *data)
{
	in_call = 1;
	RULE(p->size >= sizeof(*p) && p->spilled > 0 && (p->quota == 8 * MB || p->quota == MB) &&
	     p->dram > 0);
	RULE(data == &calls);
	void *some = malloc(100000); // no lock is held
	struct tiermem_stats s = stats();
	RULE(some && tiermem_advise(some, 100000, TIERMEM_COLD) >= 0 && s.managed);
	free(some);
	told += p->spilled;
	usleep(20000);
	calls++;
	in_call = 0;
}

static void ends_itself(const struct tiermem_pressure *p, void *data)
{
	RULE(!tiermem_off_pressure(id_in_call));
	id_in_call = 0;
}

// Waits until a condition holds.
#define UNTIL(holds)                                                                                         \
	for (double end_ = now() + 30; !(holds); usleep(2000))                                               \
	RULE(now() < end_ && #holds)

// New memory, most of which finds no DRAM.
static void spill(void)
{
	void *p = mmap(NULL, 20 * MB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memset(p, 1, 20 * MB);
	RULE(!munmap(p, 20 * MB));
}

// 8 MB, static.
static void pressure(void)
{
	char *p = malloc(2 * MB), *q;
	int id = tiermem_on_pressure(on_pressure, &calls, 50), other;

	memset(p, 1, 2 * MB);
	RULE(id > 0);
	usleep(300000);
	RULE(!calls); // there is DRAM
	q = tiermem_alloc(8 * MB, TIERMEM_PMEM);
	memset(q, 1, 8 * MB);
	RULE(!tiermem_free(q, 8 * MB));
	RULE(tiermem_advise(p, 2 * MB, TIERMEM_COLD) > 0);
	usleep(200000);
	RULE(!calls && !stats().spilled); // that was asked for
	spill();
	int once = 0;
	UNTIL(calls);
	for (double end = now() + 30; once != calls && now() < end; usleep(300000))
		once = calls; // what the callback allocates may be spilled itself
	RULE(!in_call && once == calls && told == stats().spilled && told >= 10 * MB); // and quiet again
	// At most once in an interval.
	double start = now();
	while (now() < start + 1 || calls == once)
		spill();
	double most = (now() - start) / 0.05 + 2;
	if (calls - once > most)
		printf("%d calls, at most %g\n", calls - once, most);
	RULE(calls - once <= most);
	// Nothing runs after it is off.
	for (once = calls; !in_call && calls < once + 3;)
		spill();
	RULE(!tiermem_off_pressure(id) && !in_call);
	once = calls;
	spill();
	usleep(300000);
	RULE(calls == once && tiermem_off_pressure(id) == -EINVAL);
	// One that ends itself, and too many.
	id_in_call = other = tiermem_on_pressure(ends_itself, NULL, 10);
	spill();
	UNTIL(!id_in_call);
	RULE(tiermem_off_pressure(other) == -EINVAL);
	int ids[17];
	for (int i = 0; i < 16; i++)
		RULE((ids[i] = tiermem_on_pressure(ends_itself, NULL, 3600000)) > 0);
	RULE(tiermem_on_pressure(ends_itself, NULL, 0) == -ENOSPC && strstr(tiermem_error(), "16 callbacks"));
	for (int i = 0; i < 16; i++)
		RULE(!tiermem_off_pressure(ids[i]));
}

// A quota that is lowered from outside is pressure, too.
static void lowered(void)
{
	char *p = malloc(6 * MB);
	memset(p, 1, 6 * MB);
	int id = tiermem_on_pressure(on_pressure, &calls, 20);
	RULE(id > 0);
	puts("ready");
	fflush(stdout);
	getchar();
	RULE(stats().spilled > 3 * MB);
	RULE(!tiermem_off_pressure(id));
}

static void in_child(unsigned char *dram, unsigned char *pmem, unsigned char *sem, int go)
{
	char byte;

	RULE(!tiermem_managed() && !stats().managed && where(dram, MB).unmanaged == MB);
	RULE(read(go, &byte, 1) == 1); // the parent has changed its own
	RULE(is_all(dram, 1, MB) && is_all(pmem, 2, MB) && is_all(sem + 256, 3, granule - 256));
	RULE(!tiermem_advise(dram, MB, TIERMEM_COLD) && !tiermem_pin(pmem, MB) && !tiermem_unpin(dram, MB));
	memset(dram, 21, MB);
	memset(pmem, 22, MB);
	memset(sem + 256, 23, granule - 256);
	unsigned char *p = tiermem_alloc(MB, TIERMEM_PMEM);
	RULE(p && is_all(p, 0, MB));
	memset(p, 24, MB);
	RULE(is_all(p, 24, MB) && !tiermem_free(p, MB));
	RULE(!tiermem_free(pmem, MB) && !tiermem_free(dram, MB - 1));
	RULE(tiermem_on_pressure(on_pressure, NULL, 10) > 0 && is_all(sem + 256, 23, granule - 256));
	fflush(stdout);
	_exit(0);
}

static void forks(void)
{
	unsigned char *dram = tiermem_alloc(MB - 1, TIERMEM_DRAM), *pmem = tiermem_alloc(MB, TIERMEM_PMEM);
	unsigned char *sem = tiermem_alloc(granule, TIERMEM_PMEM), value = 1;
	int pipes[2], status, id = tiermem_on_pressure(on_pressure, &calls, 50);

	for (int round = 0; round < 5; round++) {
		memset(dram, 1, MB);
		memset(pmem, 2, MB);
		memset(sem + 256, 3, granule - 256);
		if (!round)
			RULE(!sem_init((sem_t *)sem, 1, 0) && !tiermem_pin(pmem, MB) &&
			     !tiermem_pin(dram, MB));
		RULE(!pipe(pipes));
		pid_t child = fork();
		if (!child)
			in_child(dram, pmem, sem, pipes[0]);
		memset(dram, 11, MB);
		memset(pmem, 12, MB);
		memset(sem + 256, 13, granule - 256);
		RULE(write(pipes[1], &value, 1) == 1 && waitpid(child, &status, 0) == child && !status);
		RULE(is_all(dram, 11, MB) && is_all(pmem, 12, MB) && is_all(sem + 256, 13, granule - 256));
		RULE(where(pmem, MB).pmem == MB && stats().pinned >= 2 * MB);
		close(pipes[0]);
		close(pipes[1]);
	}
	RULE(!sem_post((sem_t *)sem) && !sem_wait((sem_t *)sem) && !tiermem_off_pressure(id));
	RULE(!tiermem_unpin(pmem, MB) && !tiermem_unpin(dram, MB) && !tiermem_free(pmem, MB));
}

static atomic_bool stop;
static unsigned char *common;
#define COMMON (2 * MB)
#define BLOCKS 12

static void quiet(const struct tiermem_pressure *p, void *data)
{
	*(_Atomic long *)data += 1;
	where(common, COMMON);
}

// Everything at once. Blocks and their shadows are the thread's own, `common` is advised and pinned by all and never written.
static void *everything(void *arg)
{
	uint64_t seed = (uint64_t)(uintptr_t)arg * 0x9e3779b97f4a7c15u + 1;
	struct {
		unsigned char *p;
		size_t size;
		unsigned char value;
		int pins, ours;
	} b[BLOCKS] = {{0}};
	_Atomic long heard = 0;
	long steps = 0;
	int id = 0;

	while (!stop || steps < 200) {
		seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
		unsigned k = (unsigned)(seed >> 8) % BLOCKS, r = (unsigned)(seed >> 20);
		size_t at = (seed >> 30) % COMMON;
		steps++;
		if (b[k].p)
			RULE(is_all(b[k].p, b[k].value, b[k].size));
		RULE(common[at] == (unsigned char)(at >> 7));
		switch (seed % 16) {
		case 0:
		case 1:
			if (b[k].p) {
				for (; !b[k].ours && b[k].pins; b[k].pins--)
					RULE(!tiermem_unpin(b[k].p, b[k].size));
				if (b[k].ours)
					RULE(!tiermem_free(b[k].p, b[k].size));
				else
					free(b[k].p);
			}
			b[k].size = 1 + r % (3 * granule);
			b[k].ours = r >> 19 & 1;
			b[k].pins = 0;
			b[k].p = b[k].ours ? tiermem_alloc(b[k].size, (int)(seed >> 40) % 3)
					   : malloc(b[k].size);
			RULE(b[k].p && (!b[k].ours || is_all(b[k].p, 0, b[k].size)));
			memset(b[k].p, b[k].value = (unsigned char)seed, b[k].size);
			break;
		case 2:
		case 3:
		case 4:
			if (b[k].p)
				RULE(tiermem_advise(b[k].p, b[k].size, (int)(r % 3)) >= 0);
			break;
		case 5:
			RULE(tiermem_advise(common + at, COMMON - at, (int)(r % 3)) >= 0);
			break;
		case 6:
			if (b[k].p && b[k].pins < 3 && ++b[k].pins)
				RULE(!tiermem_pin(b[k].p, b[k].size));
			break;
		case 7:
			if (b[k].p && b[k].pins && b[k].pins--)
				RULE(!tiermem_unpin(b[k].p, b[k].size));
			break;
		case 8:
			RULE(!tiermem_pin(common, COMMON) && !tiermem_unpin(common, COMMON));
			break;
		case 9:
			RULE(where(common + at, COMMON - at).unmanaged == 0);
			break;
		case 10:
			RULE(stats().managed && stats().dram <= stats().quota);
			break;
		case 11:
			if (id)
				RULE(!tiermem_off_pressure(id));
			id = id ? 0 : tiermem_on_pressure(quiet, &heard, 10);
			RULE(id >= 0);
			break;
		case 12:
			RULE(tiermem_alloc(0, 0) == NULL && strstr(tiermem_error(), "0 bytes"));
			break;
		default:
			if (b[k].p)
				memset(b[k].p, ++b[k].value, b[k].size);
		}
	}
	if (id)
		RULE(!tiermem_off_pressure(id));
	for (int k = 0; k < BLOCKS; k++) {
		for (; b[k].pins; b[k].pins--)
			RULE(!tiermem_unpin(b[k].p, b[k].size));
		if (b[k].p && b[k].ours)
			RULE(is_all(b[k].p, b[k].value, b[k].size) && !tiermem_free(b[k].p, b[k].size));
		else
			free(b[k].p);
	}
	return (void *)steps;
}

static void threads(int seconds, int n)
{
	pthread_t thread[16];
	void *steps;

	common = tiermem_alloc(COMMON, TIERMEM_ANY);
	for (size_t i = 0; i < COMMON; i++)
		common[i] = (unsigned char)(i >> 7);
	for (int i = 0; i < n; i++)
		RULE(!pthread_create(&thread[i], NULL, everything, (void *)(intptr_t)(i + 1)));
	for (double end = now() + seconds; now() < end; usleep(100000)) {
		if (n & 1) { // one more that forks
			pid_t child = fork();
			int status;
			if (!child)
				_exit(tiermem_managed() ||
				      tiermem_advise(common, COMMON, TIERMEM_COLD) != 0 ||
				      common[COMMON - 1] != (unsigned char)((COMMON - 1) >> 7));
			RULE(waitpid(child, &status, 0) == child && !status);
		}
	}
	stop = 1;
	for (int i = 0; i < n; i++)
		RULE(!pthread_join(thread[i], &steps) && (long)steps >= 200);
	for (size_t i = 0; i < COMMON; i++)
		RULE(common[i] == (unsigned char)(i >> 7));
	RULE(!tiermem_free(common, COMMON) && stats().pinned == 0);
}

int main(int argc, char **argv)
{
#ifndef LINKED
	void *library = dlopen(getenv("TIERMEM_LIB") ? getenv("TIERMEM_LIB") : "libtiermem.so.0", RTLD_NOW);
	if (!library) {
		puts(dlerror());
		return 1;
	}
	FUNCTIONS(LOAD)
#endif
	const char *mode = argc > 1 ? argv[1] : "";
	granule = (size_t)stats().granule;
	if (!strcmp(mode, "anywhere"))
		anywhere();
	else if (!strcmp(mode, "unmanaged"))
		unmanaged();
	else if (!strcmp(mode, "place"))
		place();
	else if (!strcmp(mode, "advise"))
		advise();
	else if (!strcmp(mode, "cannot"))
		cannot();
	else if (!strcmp(mode, "pins"))
		pins();
	else if (!strcmp(mode, "futex"))
		futex_pin();
	else if (!strcmp(mode, "pressure"))
		pressure();
	else if (!strcmp(mode, "lowered"))
		lowered();
	else if (!strcmp(mode, "forks"))
		forks();
	else if (!strcmp(mode, "threads"))
		threads(atoi(argv[2]), atoi(argv[3]));
	else
		return 2;
#ifndef LINKED
	RULE(!dlclose(library));
#endif
	puts("ok");
	return 0;
}
