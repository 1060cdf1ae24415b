/*
 * Memory hierarchy of one access: L1 (in plugin.c, inlined), private L2, shared LLC, tier. A dependent load stalls
 * for its latency. What a core can have in flight (streams of loads, stores that miss, non-temporal stores, clwb) is paced:
 * each kind has an interval per line, and an access stalls for what is left of it since the last one. That overlaps with
 * computing. Queueing at the device comes on top.
 * Not modelled: invalidation of lines in other vCPUs' private caches, instruction fetch, TLB misses.
 */
#include "sim/vcpu.h"

#include <stdlib.h>

#include "sim/granules.h"
#include "sim/memory.h"
#include "sim/sample.h"

struct machine machine = {.lock = PTHREAD_ADAPTIVE_MUTEX_INITIALIZER_NP};

int machine_init(void)
{
	const struct profile *p = &machine.profile;

	machine.l2_hit_ps = (uint64_t)(p->l2_hit_ns * 1000);
	machine.llc_hit_ps = (uint64_t)(p->llc_hit_ns * 1000);
	machine_model(false);
	for (int t = 0; t < TIER_COUNT; t++)
		tier_init(&machine.tier[t], &p->tier[t], p->quantum_ns);
	if (near_init(&machine.near, p->memory_mode_dram_mib))
		return -1;
	return cache_init(&machine.llc, (uint64_t)p->llc_kib * 1024, (unsigned int)p->llc_ways);
}

void machine_model(bool on)
{
	const struct profile *p = &machine.profile;
	double system_ns =
		p->system_ns_per_instruction > 0 ? p->system_ns_per_instruction : p->ns_per_instruction;

	machine.model_on = on;
	sched_wake_ps = on ? (uint64_t)(p->wake_ns * 1000 + 0.5) : 0;
	machine.instruction_ps =
		(uint64_t)((on ? p->ns_per_instruction : p->fast_ns_per_instruction) * 1000 + 0.5);
	machine.system_instruction_ps =
		(uint64_t)((on ? system_ns : p->fast_ns_per_instruction) * 1000 + 0.5);
}

struct vcpu *vcpu_get(unsigned int index)
{
	struct vcpu *v;

	if (index >= SCHED_MAX_VCPUS)
		return NULL;
	v = machine.vcpu[index];
	if (v)
		return v;
	v = calloc(1, sizeof(*v));
	if (!v || cache_init(&v->l2, (uint64_t)machine.profile.l2_kib * 1024,
			     (unsigned int)machine.profile.l2_ways))
		abort();
	l1_init(&v->l1, machine.profile.l1_kib);
	v->nt_line = CACHE_NONE;
	v->actor = sched_attach_vcpu(index);
	machine.vcpu[index] = v;
	return v;
}

/*
 * Whether this miss continues a stream: at most STREAM_GAP lines after or before one of the last misses. The lines in between
 * may have been in a cache, and prefetchers follow those too.
 */
static bool in_stream(struct vcpu *v, uint32_t line)
{
	for (unsigned int i = 0; i < STREAMS; i++) {
		if (line - v->stream_line[i] + STREAM_GAP <= 2 * STREAM_GAP) {
			v->stream_line[i] = line;
			return true;
		}
	}
	v->stream_line[v->next_stream++ % STREAMS] = line;
	return false;
}

/* Stall of an access that comes every interval_ps at most, the last of them done at *last_ps; wait_ps is on top. */
static uint64_t pace(uint64_t *last_ps, uint64_t now_ps, uint64_t interval_ps, uint64_t wait_ps)
{
	uint64_t due = *last_ps + interval_ps, stall = wait_ps;

	if (due > now_ps)
		stall += due - now_ps;
	*last_ps = now_ps + stall;
	return stall;
}

/* Writes a line to its tier; returns the wait. */
static uint64_t write_line(struct vcpu *v, enum tier_id tier, uint32_t line, uint64_t now_ps)
{
	unsigned int id = (unsigned int)v->actor->id;
	uint32_t victim;
	uint64_t wait;

	if (tier == TIER_DRAM || !machine.near.lines)
		return tier_write(&machine.tier[tier], id, line, now_ps);
	near_access(&machine.near, line, true, &victim);
	wait = tier_write(&machine.tier[TIER_DRAM], id, line, now_ps);
	if (victim != NEAR_NONE)
		wait += tier_write(&machine.tier[TIER_PMEM], id, victim, now_ps);
	return wait;
}

/* Reads a line from its tier; returns tier_read's stall or wait, and the interval of a stream. */
static uint64_t read_line(struct vcpu *v, enum tier_id tier, uint32_t line, uint64_t now_ps, bool stream,
			  uint64_t *interval_ps)
{
	unsigned int id = (unsigned int)v->actor->id;
	uint32_t victim;
	uint64_t wait;
	bool hit;

	if (tier == TIER_DRAM || !machine.near.lines) {
		*interval_ps = machine.tier[tier].stream_ps;
		return tier_read(&machine.tier[tier], id, line, now_ps, stream);
	}
	/* Memory Mode: tag and data are read together; a miss goes on to the PMEM and fills the DRAM. */
	hit = near_access(&machine.near, line, false, &victim);
	*interval_ps = machine.tier[hit ? TIER_DRAM : TIER_PMEM].stream_ps;
	wait = tier_read(&machine.tier[TIER_DRAM], id, line, now_ps, stream);
	if (hit)
		return wait;
	wait += tier_read(&machine.tier[TIER_PMEM], id, line, now_ps, stream);
	wait += tier_write(&machine.tier[TIER_DRAM], id, line, now_ps);
	if (victim != NEAR_NONE)
		wait += tier_write(&machine.tier[TIER_PMEM], id, victim, now_ps);
	return wait;
}

/* Puts a line into the LLC; what falls out dirty goes to its tier. Returns the wait for that. */
static uint64_t fill_llc(struct vcpu *v, uint32_t line, bool dirty, uint64_t now_ps)
{
	uint32_t out = cache_fill(&machine.llc, line, dirty);

	if (out == CACHE_NONE || !(out & 1))
		return 0;
	return write_line(v, memory_tier(out >> 1), out >> 1, now_ps);
}

/* A line that is in no cache: its tier, and the LLC. Returns the stall. */
static uint64_t fetch(struct vcpu *v, enum tier_id tier, uint32_t line, bool store, uint64_t now_ps)
{
	bool stream = (in_stream(v, line) && !v->fenced) || store;
	uint64_t interval, stall;

	v->n.llc_misses[tier]++;
	v->fenced = false;
	stall = read_line(v, tier, line, now_ps, stream, &interval);
	if (stream)
		stall = pace(&v->stream_ps, now_ps, interval, stall);
	sample_miss((unsigned int)v->actor->id, line, tier, store, now_ps, stall);
	return stall + fill_llc(v, line, false, now_ps);
}

/* Remembers a line that a store made dirty. */
static void remember(struct vcpu *v, uint32_t line, uint64_t vaddr)
{
	v->last_stored = (struct stored_line){line, vaddr >> 6};
	v->stored[v->stored_to++ % STORED_LINES] = v->last_stored;
	if (v->stored_to - v->stored_from > STORED_LINES)
		v->stored_from = v->stored_to - STORED_LINES;
}

/* The line is being moved to the other tier: the vCPU waits. Returns when it goes on. */
static uint64_t wait_for_move(struct vcpu *v, uint32_t line, uint64_t now_ps)
{
	uint64_t stall = granules_wait(line, now_ps);

	v->n.stall_ps += stall;
	return v->actor->time_ps = now_ps + stall;
}

void vcpu_miss(struct vcpu *v, uint32_t info, uint64_t vaddr, bool store, bool there)
{
	enum tier_id tier;
	uint32_t line = memory_line(info, vaddr, &tier), out;
	uint64_t now = v->actor->time_ps, stall;

	v->miss_vaddr = vaddr;
	/* The L1 first: the L2's set is on its way meanwhile. */
	if (line != MEMORY_IO)
		cache_prefetch(&v->l2, line);
	if (there)
		l1_set_dirty(&v->l1, vaddr >> 6, true);
	else
		l1_fill(&v->l1, vaddr >> 6, store);
	if (line == MEMORY_IO)
		return;
	now = wait_for_move(v, line, now);
	v->n.l1_misses++;
	if (store)
		remember(v, line, vaddr);
	if (cache_hit(&v->l2, line, store)) {
		stall = store ? 0 : machine.l2_hit_ps;
	} else {
		v->n.l2_misses++;
		cache_prefetch(&machine.llc, line);
		machine_lock();
		if (cache_hit(&machine.llc, line, false))
			stall = store ? 0 : machine.llc_hit_ps;
		else
			stall = fetch(v, tier, line, store, now);
		out = cache_fill(&v->l2, line, store);
		if (out != CACHE_NONE && (out & 1) && !cache_hit(&machine.llc, out >> 1, true))
			stall += fill_llc(v, out >> 1, true, now);
		machine_unlock();
	}
	v->n.stall_ps += stall;
	v->actor->time_ps += stall;
}

/* A line on its way to the tier: stalls for its pace, and is safe latency_ps later. */
static void write_through(struct vcpu *v, enum tier_id tier, uint32_t line, uint64_t *last_ps,
			  uint64_t interval_ps, uint64_t latency_ps)
{
	uint64_t now = v->actor->time_ps, stall;

	stall = pace(last_ps, now, interval_ps, write_line(v, tier, line, now));
	if (now + stall + latency_ps > v->safe_ps)
		v->safe_ps = now + stall + latency_ps;
	v->n.stall_ps += stall;
	v->actor->time_ps += stall;
}

void vcpu_nt_store(struct vcpu *v, uint32_t info, uint64_t vaddr)
{
	enum tier_id tier;
	uint32_t line = memory_line(info, vaddr, &tier);
	const struct tier *t;

	if (line == MEMORY_IO || line == v->nt_line)
		return;
	wait_for_move(v, line, v->actor->time_ps);
	v->nt_line = line;
	l1_drop(&v->l1, vaddr >> 6);
	cache_drop(&v->l2, line);
	t = &machine.tier[tier];
	machine_lock();
	cache_drop(&machine.llc, line);
	write_through(v, tier, line, &v->nt_ps, t->nt_ps, t->nt_fence_ps);
	machine_unlock();
}

void vcpu_store_fence(struct vcpu *v)
{
	uint64_t now = v->actor->time_ps;

	v->nt_line = CACHE_NONE;
	v->stored_from = v->stored_to;
	if (v->safe_ps <= now)
		return;
	v->n.stall_ps += v->safe_ps - now;
	v->actor->time_ps = v->safe_ps;
}

void vcpu_flush(struct vcpu *v, bool drop)
{
	struct stored_line s = v->last_stored;
	enum tier_id tier;
	bool dirty;

	if (v->stored_from != v->stored_to)
		s = v->stored[--v->stored_to % STORED_LINES];
	if (drop)
		l1_drop(&v->l1, s.vline);
	else
		l1_set_dirty(&v->l1, s.vline, false);
	dirty = cache_clean(&v->l2, s.line);
	machine_lock();
	dirty |= cache_clean(&machine.llc, s.line);
	if (drop) {
		cache_drop(&v->l2, s.line);
		cache_drop(&machine.llc, s.line);
	}
	if (dirty) {
		tier = memory_tier(s.line);
		write_through(v, tier, s.line, &v->clwb_ps, machine.tier[tier].clwb_ps,
			      machine.tier[tier].clwb_fence_ps);
	}
	machine_unlock();
}

void vcpu_snapshot(const struct vcpu *v, uint64_t now_ps, struct vcpu_counters *out)
{
	*out = v->n;
	out->instructions = v->actor->instructions;
	out->time_ps = v->actor->time_ps;
	out->idle_ps = v->actor->idle_ps;
	if (v->actor->halted && v->actor->state == ACTOR_WAITING && out->time_ps < now_ps) {
		out->idle_ps += now_ps - out->time_ps;
		out->time_ps = now_ps;
	}
}
