/*
 * Memory hierarchy of one access: L1 filter (in plugin.c, inlined), private L2, shared LLC, tier. Loads stall; a
 * store stalls only for its share of the core's miss bandwidth, because the store buffer hides its latency.
 * Not modelled: invalidation of lines in other vCPUs' private caches, instruction fetch, TLB misses.
 */
#include "sim/vcpu.h"

#include <stdlib.h>

#include "sim/memory.h"

struct machine machine;

int machine_init(void)
{
	const struct profile *p = &machine.profile;

	machine.l2_hit_ps = (uint64_t)(p->l2_hit_ns * 1000);
	machine.llc_hit_ps = (uint64_t)(p->llc_hit_ns * 1000);
	machine.l1_mask = 1;
	while (machine.l1_mask * 2 * 64 <= (uint64_t)p->l1_kib * 1024 && machine.l1_mask * 2 <= L1_MAX_LINES)
		machine.l1_mask *= 2;
	machine.l1_mask -= 1;
	machine_model(false);
	for (int t = 0; t < TIER_COUNT; t++)
		tier_init(&machine.tier[t], &p->tier[t]);
	return cache_init(&machine.llc, (uint64_t)p->llc_kib * 1024, (unsigned int)p->llc_ways);
}

void machine_model(bool on)
{
	const struct profile *p = &machine.profile;

	machine.model_on = on;
	machine.instruction_ps =
		(uint64_t)((on ? p->ns_per_instruction : p->fast_ns_per_instruction) * 1000 + 0.5);
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
	memset(v->l1, 0xff, sizeof(v->l1));
	v->actor = sched_attach_vcpu(index);
	machine.vcpu[index] = v;
	return v;
}

/* Whether this miss continues a stream: the next or the previous line of one of the last misses. */
static bool in_stream(struct vcpu *v, uint32_t line)
{
	for (unsigned int i = 0; i < STREAMS; i++) {
		if (line - v->stream_line[i] + 1 <= 2) {
			v->stream_line[i] = line;
			return true;
		}
	}
	v->stream_line[v->next_stream++ % STREAMS] = line;
	return false;
}

/* Puts a line into the LLC; what falls out dirty goes to its tier. */
static void fill_llc(uint32_t line, bool dirty, uint64_t now_ps)
{
	uint32_t out = cache_fill(&machine.llc, line, dirty);

	if (out != CACHE_NONE && (out & 1))
		tier_write(&machine.tier[memory_tier(out >> 1)], now_ps);
}

void vcpu_miss(struct vcpu *v, uint32_t info, uint64_t vaddr, bool store)
{
	enum tier_id tier;
	uint32_t line = memory_line(info, vaddr, &tier), out;
	uint64_t now = v->actor->time_ps, stall;
	bool stream;

	if (line == MEMORY_IO)
		return;
	v->n.l1_misses++;
	if (cache_hit(&v->l2, line, store)) {
		stall = store ? 0 : machine.l2_hit_ps;
	} else {
		v->n.l2_misses++;
		if (cache_hit(&machine.llc, line, false)) {
			stall = store ? 0 : machine.llc_hit_ps;
		} else {
			v->n.llc_misses[tier]++;
			stream = in_stream(v, line) && !v->fenced;
			v->fenced = false;
			stall = tier_read(&machine.tier[tier], line, now, stream || store);
			fill_llc(line, false, now);
		}
		out = cache_fill(&v->l2, line, store);
		if (out != CACHE_NONE && (out & 1) && !cache_hit(&machine.llc, out >> 1, true))
			fill_llc(out >> 1, true, now);
	}
	v->n.stall_ps += stall;
	v->actor->time_ps += stall;
}

void vcpu_nt_store(struct vcpu *v, uint32_t info, uint64_t vaddr)
{
	enum tier_id tier;
	uint32_t line = memory_line(info, vaddr, &tier);
	uint64_t stall;

	if (line == MEMORY_IO || line == v->nt_line)
		return;
	v->nt_line = line;
	if (v->l1[vaddr >> 6 & machine.l1_mask] >> 1 == vaddr >> 6)
		v->l1[vaddr >> 6 & machine.l1_mask] = UINT64_MAX;
	cache_drop(&v->l2, line);
	cache_drop(&machine.llc, line);
	stall = tier_write_nt(&machine.tier[tier], v->actor->time_ps);
	v->n.stall_ps += stall;
	v->actor->time_ps += stall;
}

void vcpu_snapshot(const struct vcpu *v, uint64_t now_ps, struct vcpu_counters *out)
{
	*out = v->n;
	out->time_ps = v->actor->time_ps;
	out->idle_ps = v->actor->idle_ps;
	if (v->actor->halted && v->actor->state == ACTOR_WAITING && out->time_ps < now_ps) {
		out->idle_ps += now_ps - out->time_ps;
		out->time_ps = now_ps;
	}
}
