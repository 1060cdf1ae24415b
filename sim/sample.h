/*
 * The emulated sampling unit: what PEBS or IBS would deliver on real hardware. Every Nth LLC miss goes to whoever is in QEMU's
 * process and asked for it, to the program in the guest that did (unit.h), and to a file.
 */
#ifndef TMSIM_SAMPLE_H
#define TMSIM_SAMPLE_H

#include <stdbool.h>
#include <stdint.h>

struct tmsim_sample {
	uint64_t time_ns;    /* simulated */
	void *host;	     /* of the line, in QEMU's address space; guest RAM */
	uint32_t latency_ns; /* what the vCPU stalled; 0: the store buffer hid it */
	uint16_t vcpu;
	bool store;
	uint8_t tier; /* 0 DRAM, 1 PMEM */
};

/*
 * The consumer, called on the vCPU's thread in simulated time: it must not wait for another vCPU or for QEMU's locks.
 * period: one sample for that many misses (all vCPUs together), 1..2^31; 0 ends sampling. data comes back as it was given.
 * 0, or -EINVAL. For a library that is preloaded beside libtmsim.so: dlsym(RTLD_DEFAULT, "tmsim_sample_start").
 */
int tmsim_sample_start(uint32_t period, void (*consume)(const struct tmsim_sample *sample, void *data),
		       void *data);

/* Writes every sample to path as CSV: time_ns,vcpu,block,offset,tier,store,latency_ns. 0, or -1 with errno. */
int sample_file(const char *path);

/* One sample for that many misses; what `sample_period` counts down from. */
void sample_set_period(uint32_t period);

/* Closes the file; false when it could not all be written. */
bool sample_close(void);

extern uint32_t sample_countdown; /* misses until the next sample; 0: sampling is off */

void sample_take(unsigned int vcpu, uint32_t line, unsigned int tier, bool store, uint64_t now_ps,
		 uint64_t stall_ps);

/* An LLC miss of vcpu at now_ps that stalls it for stall_ps. */
static inline void sample_miss(unsigned int vcpu, uint32_t line, unsigned int tier, bool store,
			       uint64_t now_ps, uint64_t stall_ps)
{
	if (__builtin_expect(sample_countdown != 0, 0) && --sample_countdown == 0)
		sample_take(vcpu, line, tier, store, now_ps, stall_ps);
}

#endif
