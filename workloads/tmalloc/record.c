/*
 * libtmrecord.so: which sizes a program asks malloc for and how long each block lives, as a trace for tmalloc.
 *   LD_PRELOAD=build/lib/libtmrecord.so TMRECORD=redis.csv redis-server ...
 * The file is written when the program exits: lines `size,lifetime,count`, sizes rounded up to one of eight per power of two,
 * lifetimes in allocations of the process, rounded down to a power of two (2^20: that and longer, and blocks never freed).
 * Counts malloc, calloc, realloc (the old block ends, a new one begins) and free. Aligned blocks are passed through.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { SIZES = 8 * 40, LIVES = 21, SLOTS = 1 << 24 };

/* Live blocks by address; address 0: free slot. */
struct block {
	uintptr_t address;
	uint32_t born;
	uint16_t size;
};

static void *(*real_malloc)(size_t);
static void *(*real_calloc)(size_t, size_t);
static void *(*real_realloc)(void *, size_t);
static void (*real_free)(void *);
static struct block *blocks;
static uint64_t count[SIZES][LIVES];
static uint64_t allocations, live;
static pid_t recorded;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
/* What dlsym() itself allocates before the real functions are known. */
static _Alignas(16) char early[65536];
static size_t early_used;

/* Sizes 1..16 are class 0; above that, eight classes per power of two. */
static unsigned class_of(size_t size)
{
	unsigned shift, c;

	if (size <= 16)
		return 0;
	size--;
	shift = 63 - (unsigned)__builtin_clzll(size);
	c = (shift - 4) * 8 + (unsigned)((size >> (shift - 3)) & 7) + 1;
	return c < SIZES ? c : SIZES - 1;
}

/* The largest size of a class. */
static uint64_t class_top(unsigned c)
{
	unsigned shift = (c + 7) / 8 + 3;

	return c ? (uint64_t)(((c - 1) & 7) + 9) << (shift - 3) : 16;
}

static size_t slot_of(uintptr_t address)
{
	return (size_t)((address >> 4) * 0x9e3779b97f4a7c15u >> 40);
}

static void born(void *p, size_t size)
{
	if (!p || !blocks || getpid() != recorded)
		return;
	pthread_mutex_lock(&lock);
	allocations++;
	if (live < SLOTS / 2) {
		size_t i = slot_of((uintptr_t)p);

		while (blocks[i].address)
			i = (i + 1) & (SLOTS - 1);
		blocks[i] = (struct block){(uintptr_t)p, (uint32_t)allocations, (uint16_t)class_of(size)};
		live++;
	}
	pthread_mutex_unlock(&lock);
}

static void ended(const struct block *b, uint32_t now)
{
	uint32_t life = now - b->born;
	unsigned k = life ? 31 - (unsigned)__builtin_clz(life) : 0;

	count[b->size][k < LIVES ? k : LIVES - 1]++;
}

static void died(void *p)
{
	size_t i, k;

	if (!p || !blocks || getpid() != recorded)
		return;
	pthread_mutex_lock(&lock);
	for (i = slot_of((uintptr_t)p); blocks[i].address && blocks[i].address != (uintptr_t)p;)
		i = (i + 1) & (SLOTS - 1);
	if (blocks[i].address) {
		ended(&blocks[i], (uint32_t)allocations);
		live--;
		/* Close the gap: those behind it move up unless they are at home there. */
		for (k = (i + 1) & (SLOTS - 1); blocks[k].address; k = (k + 1) & (SLOTS - 1)) {
			size_t home = slot_of(blocks[k].address);

			if (((k - home) & (SLOTS - 1)) >= ((k - i) & (SLOTS - 1))) {
				blocks[i] = blocks[k];
				i = k;
			}
		}
		blocks[i].address = 0;
	}
	pthread_mutex_unlock(&lock);
}

__attribute__((constructor)) static void begin(void)
{
	real_malloc = (void *(*)(size_t))dlsym(RTLD_NEXT, "malloc");
	real_calloc = (void *(*)(size_t, size_t))dlsym(RTLD_NEXT, "calloc");
	real_realloc = (void *(*)(void *, size_t))dlsym(RTLD_NEXT, "realloc");
	real_free = (void (*)(void *))dlsym(RTLD_NEXT, "free");
	if (!getenv("TMRECORD"))
		return;
	recorded = getpid();
	blocks = mmap(NULL, SLOTS * sizeof(*blocks), PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (blocks == MAP_FAILED)
		blocks = NULL;
}

__attribute__((destructor)) static void end(void)
{
	FILE *f = blocks && getpid() == recorded ? fopen(getenv("TMRECORD"), "we") : NULL;

	recorded = 0; /* nothing more is counted */
	if (!f)
		return;
	for (size_t i = 0; i < SLOTS; i++)
		if (blocks[i].address)
			count[blocks[i].size][LIVES - 1]++;
	fprintf(f, "size,lifetime,count\n");
	for (unsigned s = 0; s < SIZES; s++)
		for (unsigned k = 0; k < LIVES; k++)
			if (count[s][k])
				fprintf(f, "%llu,%u,%llu\n", (unsigned long long)class_top(s), 1u << k,
					(unsigned long long)count[s][k]);
	fclose(f);
}

static void *early_block(size_t size)
{
	size_t at = __atomic_fetch_add(&early_used, (size + 15) & ~(size_t)15, __ATOMIC_RELAXED);

	return at + size <= sizeof(early) ? early + at : NULL;
}

static bool is_early(const void *p)
{
	return (const char *)p >= early && (const char *)p < early + sizeof(early);
}

void *malloc(size_t size)
{
	void *p;

	if (!real_malloc)
		begin();
	p = real_malloc ? real_malloc(size) : early_block(size);
	born(p, size);
	return p;
}

void *calloc(size_t n, size_t size)
{
	void *p;

	if (!real_calloc)
		return early_block(n * size); /* zeros; no call of its own: dlsym() may be the caller */
	p = real_calloc(n, size);
	born(p, n * size);
	return p;
}

void *realloc(void *old, size_t size)
{
	void *p;

	if (!real_realloc)
		begin();
	if (is_early(old)) {
		p = malloc(size);
		if (p)
			memcpy(p, old, size);
		return p;
	}
	died(old);
	p = real_realloc(old, size);
	born(p ? p : size ? old : NULL, size); /* failed: the old one lives on */
	return p;
}

void free(void *p)
{
	if (!p || is_early(p))
		return;
	died(p);
	real_free(p);
}
