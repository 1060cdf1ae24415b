/*
 * A simulated CPU: its local clock (in its actor), private caches, stream detector and counters.
 */
#ifndef TMSIM_VCPU_H
#define TMSIM_VCPU_H

#include <stdbool.h>
#include <stdint.h>

#include "sim/cache.h"
#include "sim/sched.h"
#include "sim/tier.h"

enum { STREAMS = 16, L1_MAX_LINES = 16384 };

struct vcpu_counters {
	uint64_t instructions, stall_ps;
	uint64_t l1_misses, l2_misses;
	uint64_t llc_misses[TIER_COUNT]; /* reads and stores */
	uint64_t time_ps, idle_ps;	 /* filled in when a snapshot is taken */
};

struct vcpu {
	struct actor *actor;
	struct vcpu_counters n;
	uint32_t nt_line;	       /* line in the write-combining buffer */
	bool fenced;		       /* a fence since the last miss: the next one depends on it */
	uint32_t stream_line[STREAMS]; /* last line missed in a 4 KiB page */
	unsigned int next_stream;
	struct cache l2;
	uint64_t l1[L1_MAX_LINES]; /* direct-mapped by virtual line: line << 1 | dirty */
};

/* Configuration shared by all vCPUs; set once, at start. */
struct machine {
	struct profile profile;
	uint64_t instruction_ps, l2_hit_ps, llc_hit_ps;
	uint64_t l1_mask;
	bool model_on; /* off: fast-forward, memory costs nothing */
	struct cache llc;
	struct tier tier[TIER_COUNT];
	struct vcpu *vcpu[SCHED_MAX_VCPUS];
};

extern struct machine machine;

/* Takes the profile in machine.profile into use; 0, or -1 when there is no memory. */
int machine_init(void);

/* Timing on, or fast-forward. It starts off: the guest turns it on when it has booted. */
void machine_model(bool on);

/* The vCPU that is running this thread, made at its first call. */
struct vcpu *vcpu_get(unsigned int index);

/* A memory access that the L1 filter did not answer. */
void vcpu_miss(struct vcpu *v, uint32_t info, uint64_t vaddr, bool store);

/* A non-temporal store: past the caches, combined to whole lines. */
void vcpu_nt_store(struct vcpu *v, uint32_t info, uint64_t vaddr);

/* The counters as they are at now_ps (a halted vCPU has been idle until then). */
void vcpu_snapshot(const struct vcpu *v, uint64_t now_ps, struct vcpu_counters *out);

#endif
