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

/* Asks the host for a line's set, which is seldom in its L1. */
static inline void cache_prefetch(const struct cache *c, uint32_t line)
{
	__builtin_prefetch(cache_set(c, line), 1);
}

/* Which slots hold a line, a bit each; those beyond `ways` never do. Vectorised: a branch for each would often be mispredicted. */
static inline uint32_t cache_find(const uint32_t *set, uint32_t line)
{
	typedef uint32_t four __attribute__((vector_size(16)));
	typedef int16_t eight __attribute__((vector_size(16)));
	typedef char sixteen __attribute__((vector_size(16)));
	const four *v = (const four *)(const void *)set, want = (four){0} + (line << 1 | 1);
	eight low, high;

	if (__builtin_expect(want[0] == CACHE_NONE, 0))
		return 0;
	low = __builtin_ia32_packssdw128((v[0] | 1) == want, (v[1] | 1) == want);
	high = __builtin_ia32_packssdw128((v[2] | 1) == want, (v[3] | 1) == want);
	return (uint32_t)__builtin_ia32_pmovmskb128((sixteen)__builtin_ia32_packsswb128(low, high));
}

/* Looks a line up, moves it to the front, marks it dirty on a store. False: it is not there. */
static inline bool cache_hit(const struct cache *c, uint32_t line, bool store)
{
	uint32_t *set = cache_set(c, line), found = cache_find(set, line), e;

	if (!found)
		return false;
	found = (uint32_t)__builtin_ctz(found);
	e = set[found];
	for (; found; found--)
		set[found] = set[found - 1];
	set[0] = e | store;
	return true;
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
	uint32_t out = set[c->ways - 1], former[CACHE_WAYS - 1];

	if (__builtin_expect(c->ways == CACHE_WAYS, 1)) {
		memcpy(former, set, sizeof(former));
		memcpy(set + 1, former, sizeof(former));
	} else {
		memmove(set + 1, set, (c->ways - 1) * sizeof(*set));
	}
	set[0] = line << 1 | dirty;
	return out;
}

#endif
