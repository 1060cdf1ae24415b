#include "sim/sample.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "sim/memory.h"
#include "sim/sched.h"
#include "sim/unit.h"
#include "sim/vcpu.h"

uint32_t sample_countdown;

static uint32_t period;
static void (*consumer)(const struct tmsim_sample *, void *);
static void *consumer_data;
static FILE *file;

void sample_set_period(uint32_t n)
{
	period = sample_countdown = n;
}

__attribute__((visibility("default"))) int
tmsim_sample_start(uint32_t n, void (*consume)(const struct tmsim_sample *, void *), void *data)
{
	if (n > UINT32_C(1) << 31 || (n && !consume))
		return -EINVAL;
	consumer = n ? consume : NULL;
	consumer_data = data;
	sample_set_period(n);
	return 0;
}

int sample_file(const char *path)
{
	file = fopen(path, "we");
	if (!file)
		return -1;
	fputs("time_ns,vcpu,block,offset,tier,store,latency_ns\n", file);
	return 0;
}

void sample_take(unsigned int vcpu, uint32_t line, unsigned int tier, bool store, uint64_t now_ps,
		 uint64_t stall_ps)
{
	struct tmsim_sample s = {.time_ns = now_ps / PS_PER_NS,
				 .latency_ns = (uint32_t)(stall_ps / PS_PER_NS),
				 .vcpu = (uint16_t)vcpu,
				 .store = store,
				 .tier = (uint8_t)tier};
	const char *block;
	uint64_t offset;

	sample_countdown = period;
	s.host = memory_host(line, &block, &offset);
	if (consumer)
		consumer(&s, consumer_data);
	if ((unit_take(machine.vcpu[vcpu]->miss_vaddr) || consumer) && sched_self)
		sched_self->time_ps += (uint64_t)(machine.profile.underneath_sample_ns * 1000);
	if (file)
		fprintf(file, "%" PRIu64 ",%u,%s,%" PRIu64 ",%s,%d,%" PRIu32 "\n", s.time_ns, vcpu, block,
			offset, tier == TIER_PMEM ? "pmem" : "dram", store, s.latency_ns);
}

bool sample_close(void)
{
	bool ok = !file || (!ferror(file) & !fclose(file));

	file = NULL;
	return ok;
}
