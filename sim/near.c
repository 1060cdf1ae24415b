#include "sim/near.h"

#include <stdlib.h>
#include <string.h>

int near_init(struct near *n, double size_mib)
{
	n->lines = (uint32_t)(size_mib * (1 << 20) / 64);
	n->tag = NULL;
	if (!n->lines)
		return 0;
	n->tag = malloc((size_t)n->lines * sizeof(*n->tag));
	if (!n->tag)
		return -1;
	memset(n->tag, 0xff, (size_t)n->lines * sizeof(*n->tag));
	return 0;
}

bool near_access(struct near *n, uint32_t line, bool store, uint32_t *victim)
{
	uint32_t *tag = &n->tag[line % n->lines], was = *tag;

	*victim = NEAR_NONE;
	if (was != NEAR_NONE && was >> 1 == line) {
		*tag = was | store;
		return true;
	}
	if (was != NEAR_NONE && (was & 1))
		*victim = was >> 1;
	*tag = line << 1 | store;
	return false;
}
