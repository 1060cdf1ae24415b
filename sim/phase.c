#include "sim/phase.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "sim/io.h"
#include "sim/memory.h"
#include "sim/tmmark.h"
#include "sim/vcpu.h"

struct tier_counters {
	uint64_t reads, writes, queued_ps;
	double media_read, media_write; /* bytes */
};

static FILE *file;
static char next_name[64], name[64];
static size_t next_length;
static bool open_phase;
static unsigned int phases;
static uint64_t begin_ps;
static struct vcpu_counters at_begin[SCHED_MAX_VCPUS];
static struct tier_counters tiers_at_begin[TIER_COUNT];
static struct disk disk_at_begin;
static struct timespec host_start;

static const char *const tier_names[TIER_COUNT] = {"dram", "pmem"};

/* A name as the inside of a JSON string: marks may carry any byte. */
static void put_name(const char *s)
{
	for (; *s; s++)
		fputc(*s < 32 || *s == '"' || *s == '\\' || *s == 127 ? '?' : *s, file);
}

static void check_written(void)
{
	if (fflush(file) == 0)
		return;
	fprintf(stderr, "tmsim: cannot write the statistics file (disk full?)\n");
	_exit(1);
}

int phase_open(const char *path, bool host_time)
{
	const char *key;
	double value;

	if (host_time)
		syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &host_start);
	if (!path)
		return 0;
	file = fopen(path, "we");
	if (!file)
		return -1;
	fprintf(file, "{\"event\":\"start\",\"profile\":\"");
	put_name(machine.profile.name);
	fprintf(file, "\",\"settings\":{");
	for (size_t i = 0; (key = profile_key(&machine.profile, i, &value)); i++)
		fprintf(file, "%s\"%s\":%.10g", i ? "," : "", key, value);
	fprintf(file, "}}\n");
	check_written();
	return 0;
}

static struct tier_counters count_tier(const struct tier *t)
{
	return (struct tier_counters){t->reads, t->writes, t->queued_ps, tier_media_read(t),
				      tier_media_write(t)};
}

static void begin(uint64_t now_ps)
{
	memcpy(name, next_name, sizeof(name));
	name[next_length] = 0;
	next_length = 0;
	open_phase = true;
	begin_ps = now_ps;
	disk_at_begin = *io_disk();
	for (unsigned int i = 0; i < SCHED_MAX_VCPUS; i++)
		if (machine.vcpu[i])
			vcpu_snapshot(machine.vcpu[i], now_ps, &at_begin[i]);
	for (int t = 0; t < TIER_COUNT; t++)
		tiers_at_begin[t] = count_tier(&machine.tier[t]);
}

static void put_vcpu(unsigned int i, bool first, uint64_t now_ps)
{
	struct vcpu_counters now, *was = &at_begin[i];
	uint64_t idle;

	vcpu_snapshot(machine.vcpu[i], now_ps, &now);
	idle = now.idle_ps - was->idle_ps;
	fprintf(file,
		"%s{\"id\":%u,\"instructions\":%" PRIu64 ",\"busy_ns\":%" PRIu64 ",\"idle_ns\":%" PRIu64
		",\"stall_ns\":%" PRIu64 ",\"l1_misses\":%" PRIu64 ",\"l2_misses\":%" PRIu64
		",\"llc_misses_dram\":%" PRIu64 ",\"llc_misses_pmem\":%" PRIu64 "}",
		first ? "" : ",", i, now.instructions - was->instructions,
		(now.time_ps - was->time_ps - idle) / PS_PER_NS, idle / PS_PER_NS,
		(now.stall_ps - was->stall_ps) / PS_PER_NS, now.l1_misses - was->l1_misses,
		now.l2_misses - was->l2_misses, now.llc_misses[TIER_DRAM] - was->llc_misses[TIER_DRAM],
		now.llc_misses[TIER_PMEM] - was->llc_misses[TIER_PMEM]);
}

static void put_disk(void)
{
	static const char *const ops[DISK_OPS] = {"read", "write", "flush"};
	const struct disk *now = io_disk();

	fprintf(file, "],\"disk\":{");
	for (int op = 0; op < DISK_OPS; op++)
		fprintf(file, "\"%s_requests\":%" PRIu64 ",\"%s_bytes\":%" PRIu64 ",", ops[op],
			now->requests[op] - disk_at_begin.requests[op], ops[op],
			now->bytes[op] - disk_at_begin.bytes[op]);
	fprintf(file, "\"queued_ns\":%" PRIu64 "}", (now->queued_ps - disk_at_begin.queued_ps) / PS_PER_NS);
}

static void end(uint64_t now_ps)
{
	bool first = true;

	if (!open_phase)
		return;
	open_phase = false;
	if (!file)
		return;
	fprintf(file, "{\"event\":\"phase\",\"name\":\"");
	put_name(name);
	fprintf(file, "\",\"index\":%u,\"begin_ns\":%" PRIu64 ",\"end_ns\":%" PRIu64 ",\"vcpus\":[", phases++,
		begin_ps / PS_PER_NS, now_ps / PS_PER_NS);
	for (unsigned int i = 0; i < SCHED_MAX_VCPUS; i++) {
		if (!machine.vcpu[i])
			continue;
		put_vcpu(i, first, now_ps);
		first = false;
	}
	fprintf(file, "],\"tiers\":[");
	for (int t = 0; t < TIER_COUNT; t++) {
		struct tier_counters now = count_tier(&machine.tier[t]), was = tiers_at_begin[t];
		uint64_t reads = now.reads - was.reads, writes = now.writes - was.writes;
		double media_write = now.media_write - was.media_write;

		fprintf(file,
			"%s{\"name\":\"%s\",\"reads\":%" PRIu64 ",\"writes\":%" PRIu64
			",\"read_bytes\":%" PRIu64 ",\"write_bytes\":%" PRIu64
			",\"media_read_bytes\":%.0f,\"media_write_bytes\":%.0f,\"write_amplification\":%.4f"
			",\"queued_ns\":%" PRIu64 "}",
			t ? "," : "", tier_names[t], reads, writes, reads * 64, writes * 64,
			now.media_read - was.media_read, media_write,
			writes ? media_write / (double)(writes * 64) : 0.0,
			(now.queued_ps - was.queued_ps) / PS_PER_NS);
	}
	put_disk();
	fprintf(file, "}\n");
	check_written();
}

const char *phase_name(void)
{
	return open_phase ? name : "";
}

void phase_mark(unsigned int index, unsigned int op, unsigned int arg)
{
	uint64_t now_ps = machine.vcpu[index]->actor->time_ps;
	const char *missing;

	machine_lock();
	switch (op) {
	case TMMARK_NAME:
		if (next_length < sizeof(next_name) - 1)
			next_name[next_length++] = (char)arg;
		break;
	case TMMARK_BEGIN:
		missing = memory_missing_pmem();
		if (missing) {
			fprintf(stderr, "tmsim: pmem=%s: the machine has no memory backend of that id\n",
				missing);
			_exit(1);
		}
		end(now_ps);
		begin(now_ps);
		break;
	case TMMARK_END:
		end(now_ps);
		break;
	case TMMARK_MODEL:
		machine_model(arg);
		break;
	default: /* a mark of a newer tmmark.h */
		break;
	}
	machine_unlock();
}

void phase_close(void)
{
	struct timespec host;
	uint64_t instructions = 0, sim_ps = 0;

	if (!file)
		return;
	for (unsigned int i = 0; i < SCHED_MAX_VCPUS; i++) {
		if (!machine.vcpu[i])
			continue;
		instructions += machine.vcpu[i]->actor->instructions;
		if (machine.vcpu[i]->actor->time_ps > sim_ps)
			sim_ps = machine.vcpu[i]->actor->time_ps;
	}
	fprintf(file, "{\"event\":\"exit\",\"sim_ns\":%" PRIu64 ",\"instructions\":%" PRIu64,
		sim_ps / PS_PER_NS, instructions);
	if (host_start.tv_sec) {
		syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &host);
		fprintf(file, ",\"host_s\":%.3f",
			(double)(host.tv_sec - host_start.tv_sec) +
				(double)(host.tv_nsec - host_start.tv_nsec) / 1e9);
	}
	fprintf(file, "}\n");
	check_written();
	fclose(file);
	file = NULL;
}
