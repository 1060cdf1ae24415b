/*
 * An allocator underneath the guest moves a granule in one step of the host, while it has the token; in simulated time that takes
 * what its copy takes. So the copy is timed afterwards: line by line, read from one tier and written past the caches to the other, by an
 * agent of its own beside the vCPUs; who touches the granule meanwhile waits for the end, and then for a page fault.
 *
 * What caches hold of a granule that moves stays valid: lines are named by guest-physical address. (Really they would be lost with the
 * old page, and the new one's would be in the cache of the CPU that copied.)
 */
#include "sim/granules.h"

#include <errno.h>
#include <string.h>

#include "sim/memory.h"
#include "sim/sched.h"
#include "sim/underneath.h"
#include "sim/vcpu.h"

#define EXPORT __attribute__((visibility("default")))

enum { MAX_TABLES = 64, SHIFT_MIN = 12, SHIFT_MAX = 30 };

struct granules_moving granules_moving;

static struct granules tables[MAX_TABLES];
static unsigned int n_tables;

const struct granules *granules_find(uintptr_t host)
{
	for (unsigned int i = 0; i < n_tables; i++)
		if (host >= tables[i].start && host < tables[i].end)
			return &tables[i];
	return NULL;
}

EXPORT int tmsim_tier_table(const void *base, size_t bytes, unsigned int shift, const uint8_t *state,
			    size_t stride, uint8_t pmem)
{
	struct granules *t;

	if (!sched_self)
		return -ENOSYS;
	if (!bytes || shift < SHIFT_MIN || shift > SHIFT_MAX || !state)
		return -EINVAL;
	if (n_tables == MAX_TABLES)
		return -ENOSPC;
	t = &tables[n_tables];
	*t = (struct granules){(uintptr_t)base, (uintptr_t)base + bytes, shift, pmem, state, stride};
	n_tables++;
	memory_changed();
	return 0;
}

EXPORT void *tmsim_actor_new(void)
{
	return sched_new_worker();
}

EXPORT void tmsim_actor_enter(void *actor)
{
	sched_enter(actor);
}

EXPORT void tmsim_actor_leave(void *actor)
{
	sched_leave(actor);
}

/* The number by which the copying agent's load is accounted: one that no vCPU has, unless there are SCHED_MAX_VCPUS. */
static unsigned int agent(void)
{
	unsigned int n = 0;

	while (n < SCHED_MAX_VCPUS - 1 && machine.vcpu[n])
		n++;
	return n;
}

/* When lines that are read from one tier and written to the other are complete: both are paced as one core's streams, and overlap. */
static uint64_t copy(enum tier_id from, enum tier_id to, uint32_t line, uint32_t lines, uint64_t now_ps)
{
	struct tier *source = &machine.tier[from], *target = &machine.tier[to];
	uint64_t interval = source->stream_ps > target->nt_ps ? source->stream_ps : target->nt_ps;
	unsigned int id = agent();

	for (uint32_t i = 0; i < lines; i++) {
		uint64_t wait = tier_read(source, id, line + i, now_ps, true);

		wait += tier_write(target, id, line + i, now_ps);
		now_ps += interval + wait;
	}
	return now_ps;
}

EXPORT void tmsim_moved(const void *host, size_t bytes, bool to_dram)
{
	const struct profile *p = &machine.profile;
	enum tier_id to = to_dram ? TIER_DRAM : TIER_PMEM, from = to_dram ? TIER_PMEM : TIER_DRAM;
	struct granules_moving *m = &granules_moving;
	struct actor *a = sched_self;
	uint32_t line;

	if (!a || !machine.model_on)
		return;
	line = memory_line_of(host);
	if (line == MEMORY_IO)
		return;
	machine_lock();
	m->until_ps = copy(from, to, line, (uint32_t)(bytes >> 6), a->time_ps + (uint64_t)(p->underneath_move_ns * 1000));
	m->fault_ps = (uint64_t)(p->underneath_fault_ns * 1000);
	m->first = line;
	__atomic_store_n(&m->lines, (uint32_t)(bytes >> 6), __ATOMIC_RELEASE);
	machine_unlock();
	sched_sleep_until(a, m->until_ps);
	m->lines = 0;
}

EXPORT void tmsim_fault(int tid, size_t bytes, bool pmem)
{
	const struct tier *t = &machine.tier[pmem ? TIER_PMEM : TIER_DRAM];

	if (machine.model_on)
		sched_charge(tid, (uint64_t)(machine.profile.underneath_fault_ns * 1000) +
					  (bytes >> 6) * t->nt_ps);
}
