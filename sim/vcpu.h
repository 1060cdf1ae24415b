/*
 * A simulated CPU: its local clock (in its actor), private caches, stream detector and counters.
 */
#ifndef TMSIM_VCPU_H
#define TMSIM_VCPU_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "sim/cache.h"
#include "sim/l1.h"
#include "sim/near.h"
#include "sim/sched.h"
#include "sim/tier.h"

enum { STREAMS = 16, STREAM_GAP = 4, STORED_LINES = 64 };

struct vcpu_counters {
	uint64_t stall_ps, l1_misses, l2_misses;
	uint64_t llc_misses[TIER_COUNT];	 /* reads and stores */
	uint64_t instructions, time_ps, idle_ps; /* filled in when a snapshot is taken */
};

/* A line that a store made dirty: where a clwb that follows may point. */
struct stored_line {
	uint32_t line;
	uint64_t vline; /* virtual address / 64 */
};

struct vcpu {
	struct actor *actor;
	struct vcpu_counters n;
	uint32_t nt_line; /* line in the write-combining buffer */
	/* When the last line of each kind was done, ps: a stream takes its interval from then on, not from the access. */
	uint64_t stream_ps, nt_ps, clwb_ps;
	uint64_t
		safe_ps; /* when all lines written past the caches or flushed are safe from a power failure */
	struct stored_line stored[STORED_LINES]; /* since the last store fence: a stack in a ring */
	unsigned int stored_from, stored_to;
	struct stored_line last_stored;
	bool fenced;		       /* a fence since the last miss: the next one depends on it */
	uint32_t stream_line[STREAMS]; /* last line missed in a 4 KiB page */
	unsigned int next_stream;
	uint64_t miss_vaddr; /* of the access that is being answered */
	struct cache l2;
	struct l1 l1;
};

/* What all vCPUs share. The upper part is set at start and read all the time. */
struct machine {
	struct profile profile;
	uint64_t instruction_ps, system_instruction_ps, l2_hit_ps, llc_hit_ps;
	bool model_on; /* off: fast-forward, memory costs nothing */
	bool parallel; /* vCPUs run side by side: machine_lock() is needed */
	struct vcpu *vcpu[SCHED_MAX_VCPUS];

	/* machine_lock() guards the rest, and the statistics' phases. */
	_Alignas(64) pthread_mutex_t lock;
	struct cache llc;
	struct tier tier[TIER_COUNT];
	struct near near; /* Memory Mode's DRAM in front of the PMEM tier */
};

extern struct machine machine;

/* Nothing where one vCPU runs at a time. Not recursive. */
static inline void machine_lock(void)
{
	if (machine.parallel)
		pthread_mutex_lock(&machine.lock);
}

static inline void machine_unlock(void)
{
	if (machine.parallel)
		pthread_mutex_unlock(&machine.lock);
}

/* Takes the profile in machine.profile into use; 0, or -1 when there is no memory. */
int machine_init(void);

/* Timing on, or fast-forward. It starts off: the guest turns it on when it has booted. */
void machine_model(bool on);

/* The vCPU that is running this thread, made at its first call. */
struct vcpu *vcpu_get(unsigned int index);

/* A memory access that the L1 did not answer; there: a store to a line that is in its filter, clean. */
void vcpu_miss(struct vcpu *v, uint32_t info, uint64_t vaddr, bool store, bool there);

/* A non-temporal store: past the caches, combined to whole lines. */
void vcpu_nt_store(struct vcpu *v, uint32_t info, uint64_t vaddr);

/* sfence, mfence: waits for non-temporal stores and flushed lines. */
void vcpu_store_fence(struct vcpu *v);

/*
 * clwb (drop: clflush, clflushopt). TCG shows no address for these; it is taken to be that of the newest line stored to
 * since the last store fence that was not flushed yet, or of the last line stored to.
 */
void vcpu_flush(struct vcpu *v, bool drop);

/* The counters as they are at now_ps (a halted vCPU has been idle until then). */
void vcpu_snapshot(const struct vcpu *v, uint64_t now_ps, struct vcpu_counters *out);

#endif
