/*
 * Guest RAM whose tier changes while the guest runs: tables that an allocator in QEMU's process publishes (underneath.h), and what
 * is being moved.
 */
#ifndef TMSIM_GRANULES_H
#define TMSIM_GRANULES_H

#include <stdint.h>

#include "sim/profile.h"

struct granules {
	uintptr_t start, end;
	unsigned int shift;
	uint8_t pmem; /* the state that means it */
	const uint8_t *state;
	size_t stride;
};

/* The table that covers a host address, NULL: none. */
const struct granules *granules_find(uintptr_t host);

/* The tier of a host address that t covers. */
static inline enum tier_id granules_tier(const struct granules *t, uintptr_t host)
{
	return t->state[((host - t->start) >> t->shift) * t->stride] == t->pmem ? TIER_PMEM : TIER_DRAM;
}

/* What is being moved: lines from first on, until the simulated time until_ps. */
extern struct granules_moving {
	uint32_t first, lines;
	uint64_t until_ps, fault_ps;
} granules_moving;

/* How long an access at now_ps to a line waits because that is being moved, ps. */
static inline uint64_t granules_wait(uint32_t line, uint64_t now_ps)
{
	const struct granules_moving *m = &granules_moving;

	if (__builtin_expect(line - m->first >= m->lines, 1) || now_ps >= m->until_ps)
		return 0;
	return m->until_ps - now_ps + m->fault_ps;
}

#endif
