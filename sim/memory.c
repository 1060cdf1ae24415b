/*
 * From a memory access to a line of guest RAM. QEMU 7.2 gives a plugin the host address of an access (in a struct that its
 * public calls turn into something that is neither host nor guest address), later ones give the guest's physical address. Either
 * way the RAM block is found by the host address; the blocks are listed through functions that Debian's QEMU exports.
 */
#include "sim/memory.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/granules.h"

/* QEMU 7.2, include/qemu/plugin-memory.h: what qemu_plugin_get_hwaddr returns. */
struct hwaddr_7_2 {
	bool is_io;
	bool is_store;
	void *hostaddr;
};

struct block {
	uintptr_t start, end;
	const char *name;
	uint32_t first_line;
	enum tier_id tier;		 /* of all of it, unless */
	const struct granules *granules; /* each granule has its own */
};

enum { MAX_BLOCKS = 64, MAX_PMEM = 8 };

bool memory_api_is_physical;

/* One listing of the blocks. It is never changed: another vCPU may be reading it. */
struct listing {
	unsigned int n;
	struct block block[MAX_BLOCKS];
};

static struct listing none, *listed = &none;
static struct {
	const char *id;
	bool found;
} pmem[MAX_PMEM];
static unsigned int n_pmem;

int memory_add_pmem(const char *backend_id)
{
	if (n_pmem == MAX_PMEM)
		return -1;
	pmem[n_pmem++].id = strdup(backend_id);
	return 0;
}

const char *memory_missing_pmem(void)
{
	for (unsigned int i = 0; i < n_pmem; i++)
		if (!pmem[i].found)
			return pmem[i].id;
	return NULL;
}

/* A memory backend's block is called by its id, or by its path in QEMU's object tree. */
static bool is_pmem(const char *name)
{
	const char *slash = strrchr(name, '/');

	for (unsigned int i = 0; i < n_pmem; i++) {
		if (!strcmp(slash ? slash + 1 : name, pmem[i].id)) {
			pmem[i].found = true;
			return true;
		}
	}
	return false;
}

static int add_block(void *rb, void *opaque)
{
	static void *(*host_addr)(void *);
	static uint64_t (*used_length)(void *);
	static const char *(*idstr)(void *);
	struct listing *l = opaque;
	struct block *b = &l->block[l->n];

	if (!host_addr) {
		*(void **)&host_addr = dlsym(RTLD_DEFAULT, "qemu_ram_get_host_addr");
		*(void **)&used_length = dlsym(RTLD_DEFAULT, "qemu_ram_get_used_length");
		*(void **)&idstr = dlsym(RTLD_DEFAULT, "qemu_ram_get_idstr");
	}
	if (l->n == MAX_BLOCKS || !host_addr || !used_length || !idstr)
		return 1;
	b->start = (uintptr_t)host_addr(rb);
	b->end = b->start + used_length(rb);
	b->name = idstr(rb);
	b->tier = is_pmem(b->name) ? TIER_PMEM : TIER_DRAM;
	b->granules = granules_find(b->start);
	l->n++;
	return 0;
}

static int larger_first(const void *a, const void *b)
{
	const struct block *x = a, *y = b;
	uintptr_t sx = x->end - x->start, sy = y->end - y->start;

	return sx < sy ? 1 : sx > sy ? -1 : strcmp(x->name, y->name);
}

/* Lists QEMU's RAM blocks again: some come late (ROMs, video), so a few times. */
static void list_blocks(void)
{
	static int (*foreach)(int (*)(void *, void *), void *);
	struct listing *l = calloc(1, sizeof(*l));
	uint32_t next_line = 1;

	if (!foreach)
		*(void **)&foreach = dlsym(RTLD_DEFAULT, "qemu_ram_foreach_block");
	if (!foreach || !l) {
		fprintf(stderr, "tmsim: %s\n",
			l ? "this QEMU does not export its RAM block list; use Debian's QEMU" : "no memory");
		exit(1);
	}
	foreach (add_block, l)
		;
	qsort(l->block, l->n, sizeof(*l->block), larger_first);
	for (unsigned int i = 0; i < l->n; i++) {
		/* 2 MiB boundaries, so that cache sets do not depend on the small blocks. */
		next_line = (next_line + 32767) & ~32767u;
		l->block[i].first_line = next_line;
		next_line += (uint32_t)((l->block[i].end - l->block[i].start + 63) / 64);
	}
	__atomic_store_n(&listed, l, __ATOMIC_RELEASE); /* the former one stays: somebody may be reading it */
}

static const struct block *find(uintptr_t host)
{
	const struct listing *l = __atomic_load_n(&listed, __ATOMIC_ACQUIRE);

	for (unsigned int i = 0; i < l->n; i++)
		if (host >= l->block[i].start && host < l->block[i].end)
			return &l->block[i];
	return NULL;
}

/* The same, also when the block has come since the last listing. */
static const struct block *find_or_list(uintptr_t host)
{
	static pthread_mutex_t listing = PTHREAD_MUTEX_INITIALIZER;
	static unsigned int relisted;
	const struct block *b = find(host);

	if (b)
		return b;
	pthread_mutex_lock(&listing);
	b = find(host);
	if (!b && relisted < 1000) {
		relisted++;
		list_blocks();
		b = find(host);
	}
	pthread_mutex_unlock(&listing);
	return b;
}

static enum tier_id tier_of(const struct block *b, uintptr_t host)
{
	return b->granules && host < b->granules->end ? granules_tier(b->granules, host) : b->tier;
}

void memory_changed(void)
{
	__atomic_store_n(&listed, &none, __ATOMIC_RELEASE);
}

uint32_t memory_line_of(const void *host)
{
	const struct block *b = find_or_list((uintptr_t)host);

	return b ? b->first_line + (uint32_t)(((uintptr_t)host - b->start) >> 6) : MEMORY_IO;
}

/*
 * Host addresses of guest-physical 4 KiB pages, direct-mapped by page number. RAM does not move once the guest has booted; the
 * first MiB, where ROM shadows do, is always asked for.
 */
enum { PAGE_CACHE = 16384, SHADOW_PAGES = 256 };
struct page {
	uint64_t page; /* plus 1; 0: empty */
	uintptr_t host;
};
static __thread struct page *page_cache; /* each vCPU's own */

/* The host address of a guest-physical RAM address, 0 when there is none. */
static uintptr_t host_of_physical(uint64_t physical)
{
	static void *(*map)(uint64_t, uint64_t *, bool);
	static void (*unmap)(void *, uint64_t, bool, uint64_t);
	uint64_t page = physical >> 12, length = 4096;
	unsigned int slot = page % PAGE_CACHE;
	void *host;

	if (!page_cache && !(page_cache = calloc(PAGE_CACHE, sizeof(*page_cache))))
		abort();
	if (page_cache[slot].page == page + 1 && page >= SHADOW_PAGES)
		return page_cache[slot].host + (physical & 4095);
	if (!map) {
		*(void **)&map = dlsym(RTLD_DEFAULT, "cpu_physical_memory_map");
		*(void **)&unmap = dlsym(RTLD_DEFAULT, "cpu_physical_memory_unmap");
		if (!map || !unmap) {
			fprintf(stderr, "tmsim: this QEMU does not export cpu_physical_memory_map; use Debian's QEMU\n");
			exit(1);
		}
	}
	host = map(page << 12, &length, false);
	if (!host)
		return 0;
	unmap(host, length, false, 0);
	page_cache[slot].page = page + 1;
	page_cache[slot].host = (uintptr_t)host;
	return (uintptr_t)host + (physical & 4095);
}

/* The host address of an access, 0 for device registers. */
static uintptr_t host_of_access(qemu_plugin_meminfo_t info, uint64_t vaddr)
{
	const struct qemu_plugin_hwaddr *hw = qemu_plugin_get_hwaddr(info, vaddr);
	const struct hwaddr_7_2 *hw_7_2 = (const struct hwaddr_7_2 *)(const void *)hw;

	if (!hw)
		return 0;
	if (!memory_api_is_physical)
		return hw_7_2->is_io ? 0 : (uintptr_t)hw_7_2->hostaddr;
	return qemu_plugin_hwaddr_is_io(hw) ? 0 : host_of_physical(qemu_plugin_hwaddr_phys_addr(hw));
}

uint32_t memory_line(qemu_plugin_meminfo_t info, uint64_t vaddr, enum tier_id *tier)
{
	const struct block *b;
	uintptr_t host = host_of_access(info, vaddr);

	if (!host)
		return MEMORY_IO;
	b = find_or_list(host);
	if (!b)
		return MEMORY_IO;
	*tier = tier_of(b, host);
	return b->first_line + (uint32_t)((host - b->start) >> 6);
}

static const struct block *block_of(uint32_t line)
{
	const struct listing *l = __atomic_load_n(&listed, __ATOMIC_ACQUIRE);

	for (unsigned int i = 0; i < l->n; i++)
		if (line - l->block[i].first_line < (l->block[i].end - l->block[i].start) >> 6)
			return &l->block[i];
	return NULL;
}

enum tier_id memory_tier(uint32_t line)
{
	const struct block *b = block_of(line);

	return b ? tier_of(b, b->start + (uintptr_t)(line - b->first_line) * 64) : TIER_DRAM;
}

void *memory_host(uint32_t line, const char **block, uint64_t *offset)
{
	const struct block *b = block_of(line);

	*block = b ? b->name : "";
	*offset = b ? (uint64_t)(line - b->first_line) * 64 : 0;
	return b ? (void *)(b->start + *offset) : NULL;
}
