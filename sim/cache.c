#include "sim/cache.h"

#include <stdlib.h>

int cache_init(struct cache *c, uint64_t size_bytes, unsigned int ways)
{
	void *p;

	c->ways = ways < CACHE_WAYS ? ways : CACHE_WAYS;
	c->sets = (uint32_t)(size_bytes / 64 / c->ways);
	if (posix_memalign(&p, 64, (size_t)c->sets * sizeof(*c->set)))
		return -1;
	memset(p, 0xff, (size_t)c->sets * sizeof(*c->set));
	c->set = p;
	return 0;
}
