/*
 * A vCPU's L1 data cache: 8 ways, by virtual line, least recently used out first. In front of it stands a direct-mapped filter
 * with a line of it per slot, which answers most accesses with one comparison (plugin.c). A line in the filter counts as
 * recently used: it is not the one that goes out. The filter has half as many lines as a 32 KiB L1, so that no more than half of
 * a set is in it, and the rest is in true order.
 */
#ifndef TMSIM_L1_H
#define TMSIM_L1_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { L1_WAYS = 8, L1_MAX_SETS = 2048, L1_FILTER_LINES = 256 };

#define L1_NONE UINT64_MAX

struct l1 {
	/* Both: virtual line << 1 | dirty; L1_NONE: empty. What is in the filter is in a set, with the same dirty bit. */
	uint64_t filter[L1_FILTER_LINES];
	uint64_t way[L1_MAX_SETS][L1_WAYS]; /* last used first, but for what is in the filter */
	uint64_t set_mask;
};

/* Empty, of kib KiB: 0.5 to 1024, rounded down to a power of two. */
static inline void l1_init(struct l1 *c, double kib)
{
	uint64_t sets = 1;

	while (sets * 2 * L1_WAYS * 64 <= (uint64_t)(kib * 1024) && sets * 2 <= L1_MAX_SETS)
		sets *= 2;
	memset(c, 0xff, sizeof(*c));
	c->set_mask = sets - 1;
}

static inline uint64_t *l1_slot(struct l1 *c, uint64_t line)
{
	return &c->filter[line % L1_FILTER_LINES];
}

/* A line that is not in the filter: whether it is in the L1. Then it is in the filter afterwards, clean or dirty as it was. */
static inline bool l1_find(struct l1 *c, uint64_t line)
{
	uint64_t *way = c->way[line & c->set_mask];

	for (unsigned int i = 0; i < L1_WAYS; i++) {
		uint64_t entry = way[i];

		if (entry >> 1 != line)
			continue;
		for (; i; i--)
			way[i] = way[i - 1];
		way[0] = entry;
		*l1_slot(c, line) = entry;
		return true;
	}
	return false;
}

/* A line that is not in the L1 comes in, and into the filter. */
static inline void l1_fill(struct l1 *c, uint64_t line, bool dirty)
{
	uint64_t *way = c->way[line & c->set_mask];
	unsigned int i = L1_WAYS - 1;

	while (i && way[i] != L1_NONE && *l1_slot(c, way[i] >> 1) == way[i])
		i--;
	if (!i && way[0] != L1_NONE && *l1_slot(c, way[0] >> 1) == way[0]) {
		i = L1_WAYS - 1; /* all of them are */
		*l1_slot(c, way[i] >> 1) = L1_NONE;
	}
	for (; i; i--)
		way[i] = way[i - 1];
	way[0] = *l1_slot(c, line) = line << 1 | dirty;
}

/* A line that is in the filter becomes dirty or clean. */
static inline void l1_set_dirty(struct l1 *c, uint64_t line, bool dirty)
{
	uint64_t *way = c->way[line & c->set_mask];

	for (unsigned int i = 0; i < L1_WAYS; i++)
		if (way[i] >> 1 == line)
			way[i] = line << 1 | dirty;
	if (*l1_slot(c, line) >> 1 == line)
		*l1_slot(c, line) = line << 1 | dirty;
}

/* A line goes out, if it is in the L1. */
static inline void l1_drop(struct l1 *c, uint64_t line)
{
	uint64_t *way = c->way[line & c->set_mask];

	for (unsigned int i = 0; i < L1_WAYS; i++)
		if (way[i] >> 1 == line)
			way[i] = L1_NONE;
	if (*l1_slot(c, line) >> 1 == line)
		*l1_slot(c, line) = L1_NONE;
}

#endif
