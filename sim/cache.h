/*
 * A set-associative cache of 64-byte lines with least-recently-used replacement. Lines are named by number
 * (physical address / 64, below 2^31); nothing is stored but tags and dirty bits.
 */
#ifndef TMSIM_CACHE_H
#define TMSIM_CACHE_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define CACHE_WAYS 16 /* a set fills one host cache line */
#define CACHE_NONE UINT32_MAX

struct cache {
	uint32_t (*set)[CACHE_WAYS]; /* most recently used first; line << 1 | dirty */
	uint32_t sets;		     /* any number, not only powers of two */
	uint32_t ways;		     /* 1..CACHE_WAYS */
};

/* Makes an empty cache of size_bytes; 0, or -1 when there is no memory. */
int cache_init(struct cache *c, uint64_t size_bytes, unsigned int ways);

/* The set that a line belongs to. */
static inline uint32_t *cache_set(const struct cache *c, uint32_t line)
{
	return c->set[(uint32_t)(((uint64_t)(line * 2654435761u) * c->sets) >> 32)];
}

/* Looks a line up, moves it to the front, marks it dirty on a store. False: it is not there. */
static inline bool cache_hit(const struct cache *c, uint32_t line, bool store)
{
	uint32_t *set = cache_set(c, line);

	for (uint32_t i = 0; i < c->ways; i++) {
		uint32_t e = set[i];

		if (e >> 1 != line || e == CACHE_NONE)
			continue;
		if (i)
			memmove(set + 1, set, i * sizeof(*set));
		set[0] = e | store;
		return true;
	}
	return false;
}

/* Forgets a line, whatever its state. */
static inline void cache_drop(const struct cache *c, uint32_t line)
{
	uint32_t *set = cache_set(c, line);

	for (uint32_t i = 0; i < c->ways; i++)
		if (set[i] >> 1 == line && set[i] != CACHE_NONE)
			set[i] = CACHE_NONE;
}

/* Makes a line clean where it is; returns whether it was dirty. */
static inline bool cache_clean(const struct cache *c, uint32_t line)
{
	uint32_t *set = cache_set(c, line);

	for (uint32_t i = 0; i < c->ways; i++) {
		if (set[i] == (line << 1 | 1)) {
			set[i] = line << 1;
			return true;
		}
	}
	return false;
}

/* Puts a line in that is not there. Returns what fell out (line << 1 | dirty), CACHE_NONE when nothing did. */
static inline uint32_t cache_fill(const struct cache *c, uint32_t line, bool dirty)
{
	uint32_t *set = cache_set(c, line);
	uint32_t out = set[c->ways - 1];

	memmove(set + 1, set, (c->ways - 1) * sizeof(*set));
	set[0] = line << 1 | dirty;
	return out;
}

#endif
