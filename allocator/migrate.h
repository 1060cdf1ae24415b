// Moving granules between the tiers under a running program.
#ifndef TIERMEM_MIGRATE_H
#define TIERMEM_MIGRATE_H

#include "allocator/core.h"
#include "allocator/tier_pmem.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Whether this kernel lets us: moving between NUMA nodes needs no userfaultfd.
static inline bool tm_migrates(void)
{
	return tm.uffd_works || tm_pmem_anonymous();
}

// Prepares the staging areas. False: no address space.
bool tm_migrate_init(void);
// With a new userfaultfd, in a forked child.
void tm_migrate_register(void);
// Longest run that one call moves, in granules.
size_t tm_migrate_run(void);

// Whoever migrates or hints holds the engine; fork takes it to stop them. Order: engine, then tm_lock.
void tm_engine_take(void);
void tm_engine_give(void);
void tm_engine_reset(void);
// Somebody waits for it: who holds it again and again should pause.
bool tm_engine_wanted(void);

// Move a run of at most n granules from g that are all movable and on the other tier, as far as quota and frames
// allow. Engine held, tm_lock not. Returns how many moved.
size_t tm_demote(size_t g, size_t n);
size_t tm_promote(size_t g, size_t n);

// Pages of granule g that were moved to `from` by mremap (its mapping is registered with tm.uffd) go back: by mremap, or by copying
// should the kernel refuse that for good. The engine or tm_lock held.
void tm_put_back(size_t g, char *from);

#endif
