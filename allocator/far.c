#include "allocator/far.h"
#include "allocator/core.h"
#include "allocator/mirror.h"

#include <string.h>

#define BLOCKS (TM_FAR_BYTES / TM_FAR_BLOCK_BYTES)

static uint32_t used[BLOCKS]; // ascending
static _Atomic size_t count;

static size_t first(void)
{
	return (TM_ZONES * tm.zone_bytes) >> tm.shift;
}

size_t tm_far_block(void)
{
	return TM_FAR_BLOCK_BYTES >> tm.shift;
}

bool tm_far_has(size_t g)
{
	return g >= first();
}

size_t tm_far_used(void)
{
	return count;
}

size_t tm_far_first(size_t k)
{
	return first() + used[k] * tm_far_block();
}

// Where a block is in the list, or would be.
static size_t place_of(size_t block)
{
	size_t low = 0, high = count;

	while (low < high) {
		size_t middle = (low + high) / 2;
		if (used[middle] < block)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

void tm_far_use(size_t g, size_t n)
{
	if (!tm_far_has(g) || !n)
		return;
	size_t block = (g - first()) / tm_far_block(), last = (g + n - 1 - first()) / tm_far_block();
	for (size_t at = place_of(block); block <= last; block++, at++) {
		if (at < count && used[at] == block)
			continue;
		memmove(used + at + 1, used + at, (count - at) * sizeof(*used));
		used[at] = (uint32_t)block;
		count++;
		tm_mirror_dump((uintptr_t)tm_address(first() + block * tm_far_block()), TM_FAR_BLOCK_BYTES);
	}
}

void tm_far_unuse(size_t g, size_t n)
{
	if (!tm_far_has(g))
		return;
	size_t from = place_of((g - first() + tm_far_block() - 1) / tm_far_block());
	size_t to = place_of((g + n - first()) / tm_far_block());
	if (from >= to)
		return;
	size_t after = count - to;
	count = from + after; // first, for who reads meanwhile
	memmove(used + from, used + to, after * sizeof(*used));
}

size_t tm_far_skip(size_t g)
{
	if (!tm_far_has(g))
		return g;
	size_t block = (g - first()) / tm_far_block(), at = place_of(block);
	if (at == count)
		return SIZE_MAX;
	return used[at] == block ? g : tm_far_first(at);
}
