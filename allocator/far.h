// The far area: address space behind the zones, for reservations too large for the zone of captured mappings (MariaDB reserves 8 TiB for its buffer
// pool). Nobody could look at every granule of it, so it is divided into blocks, and only those blocks that something has been made usable in
// (used ones) are walked: tm_zone_span() and its relatives (core.h) know them.
//
// Changed with tm_lock held. Walkers that do not hold it may see a block twice or miss a new one, as they may miss a new granule.
#ifndef TIERMEM_FAR_H
#define TIERMEM_FAR_H

#include <stdbool.h>
#include <stddef.h>

#define TM_FAR_BYTES	   ((size_t)16 << 40)
#define TM_FAR_BLOCK_BYTES ((size_t)256 << 20)

// Whether granule g lies in the area.
bool tm_far_has(size_t g);
// Granules of a block.
size_t tm_far_block(void);
// How many used blocks there are, and the first granule of the k-th of them, by address.
size_t tm_far_used(void);
size_t tm_far_first(size_t k);
// The blocks with these n granules are used from now on. Granules elsewhere are none of its business.
void tm_far_use(size_t g, size_t n);
// The blocks that lie in these n granules as a whole are not used any more.
void tm_far_unuse(size_t g, size_t n);
// g, or the first granule of the next used block behind it (SIZE_MAX: none) if its block is not used.
size_t tm_far_skip(size_t g);

#endif
