// The tracker on real hardware: the PMU samples loads that missed the caches, with their addresses (PEBS, IBS), through perf events.
//
// One event for each CPU and thread that is there at the start; threads that come later inherit it (inherit_thread), children do not. All events of a
// CPU write to one ring, which the worker reads. The kernel keeps each event at RATE samples a second, by itself; it does not change the rate of
// inherited events afterwards, so fewer samples are had by switching all events off for part of the time, which it does for them too.
//
// Cost: what reading takes, measured, and SAMPLE_NS for each sample (the interrupt), an estimate. It has an allowance, a hundredth of a CPU's
// time; when that is used up the events are off until there is some again.
#include "allocator/core.h"
#include "allocator/migrate.h"
#include "allocator/perf_event.h"
#include "allocator/perf_ring.h"
#include "allocator/policy.h"
#include "allocator/track.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CPUS	  1024
#define EVENTS	  192 // at most, of all CPUs and threads
#define RING	  ((size_t)64 << 10)
#define RATE	  1000 // samples a second for each CPU
#define SAMPLE_NS 3000
#define SLICE_NS  UINT64_C(50000000)
#define SHARE	  100	     // of a CPU: one part of so many
#define ALLOWANCE_NS 10000000 // that much may be left over for later

static struct perf_event_attr attr;
static int fds[EVENTS], n_fds;
static struct tm_perf_ring rings[CPUS];
static int first_fd[CPUS]; // whose ring it is, by CPU
static int cpus;	   // from 0 on, some of them may be offline
static int refused;	   // errno of the last event that could not be had; EMFILE stays

static bool running;
static unsigned spread = 1;
static uint64_t changed_ns, last_ns, cpu_ns, all_samples;
static double allowance = ALLOWANCE_NS; // ns of CPU time that it may take now

// Opens the event for a thread on a CPU. False: errno says why.
static bool open_event(int tid, int cpu)
{
	if (n_fds == EVENTS) {
		errno = EMFILE;
		return false;
	}
	int fd = (int)tm_os_syscall(SYS_perf_event_open, (long)&attr, tid, cpu, -1, PERF_FLAG_FD_CLOEXEC, 0);
	if (fd < 0)
		return false;
	if (rings[cpu].page ? ioctl(fd, PERF_EVENT_IOC_SET_OUTPUT, first_fd[cpu]) != 0 : !tm_perf_ring_open(&rings[cpu], fd, RING)) {
		int error = errno;
		close(fd);
		errno = error;
		return false;
	}
	fd = tm_os_high_fd(fd);
	if (!n_fds || !first_fd[cpu])
		first_fd[cpu] = fd;
	fds[n_fds++] = fd;
	return true;
}

// A thread, on all CPUs that are online.
static void open_thread(const char *name, int tid)
{
	for (int cpu = 0; cpu < cpus; cpu++) {
		if (!open_event(tid, cpu) && refused != EMFILE)
			refused = errno;
	}
}

static void close_all(void)
{
	for (int cpu = 0; cpu < CPUS; cpu++) {
		tm_perf_ring_close(&rings[cpu]);
		first_fd[cpu] = 0;
	}
	for (int i = 0; i < n_fds; i++)
		tm_os_close(fds[i]);
	n_fds = 0;
	running = false;
}

// Tries an event. (CPUs that are offline refuse it.)
static bool try(const struct perf_event_attr *event)
{
	attr = *event;
	attr.size = sizeof(attr);
	attr.sample_type |= PERF_SAMPLE_ADDR;
	attr.inherit = attr.inherit_thread = 1;
	if (!attr.sample_period) {
		attr.freq = 1;
		attr.sample_freq = RATE;
	}
	refused = 0;
	tm_os_each_entry("/proc/self/task", open_thread);
	if (refused == EMFILE)
		close_all();
	return n_fds;
}

static void count_cpu(const char *name, int number)
{
	if (!strncmp(name, "cpu", 3) && name[3] >= '0' && name[3] <= '9' && number < CPUS && number >= cpus)
		cpus = number + 1;
}

static bool start(char *why, size_t size)
{
	struct perf_event_attr events[TM_PERF_EVENTS] = {{.type = PERF_TYPE_SOFTWARE, .config = PERF_COUNT_SW_PAGE_FAULTS, .sample_period = 1, .exclude_kernel = 1}};
	int n = !strcmp(tm.value[TM_OPT_TEST_PERF], "page-faults") ? 1 : tm_perf_events(events, "", why, size);
	bool ok = false;

	if (!tm_migrates()) {
		snprintf(why, size, "nothing can migrate: userfaultfd is denied; run as root or: sysctl vm.unprivileged_userfaultfd=1");
		return false;
	}
	cpus = 0;
	tm_os_each_entry("/sys/devices/system/cpu", count_cpu);
	for (int i = 0; i < n && !ok; i++)
		ok = try(&events[i]);
	if (!ok && n)
		tm_perf_refusal(refused, why, size);
	running = ok;
	last_ns = changed_ns = tm_os_now_ns();
	return ok;
}

// Whether a sample is of a load that went to memory, by what the PMU says of it; one that says nothing is.
static bool missed(uint64_t source)
{
	const uint64_t caches = PERF_MEM_LVL_L1 | PERF_MEM_LVL_LFB | PERF_MEM_LVL_L2 | PERF_MEM_LVL_L3;
	union perf_mem_data_src s = {.val = source};

	return !(attr.sample_type & PERF_SAMPLE_DATA_SRC) || !(s.mem_lvl & PERF_MEM_LVL_HIT) || !(s.mem_lvl & caches);
}

static void (*taker)(size_t g, uint32_t n);

static void take_sample(const void *sample, size_t size)
{
	struct {
		uint64_t address, source;
	} s = {0};

	memcpy(&s, sample, size < sizeof(s) ? size : sizeof(s));
	size_t g = tm_index(s.address);
	all_samples++;
	if (taker && tm_ours(s.address) && missed(s.source) && (tm.table[g].state == TM_DRAM || tm.table[g].state == TM_PMEM))
		taker(g, 1);
}

static void collect(void (*take)(size_t g, uint32_t n))
{
	uint64_t before = tm_os_thread_cpu_ns(), seen = all_samples, cost;

	taker = take;
	for (int cpu = 0; cpu < cpus; cpu++) {
		if (rings[cpu].page)
			tm_perf_ring_read(&rings[cpu], take_sample);
	}
	cost = tm_os_thread_cpu_ns() - before + (all_samples - seen) * SAMPLE_NS;
	cpu_ns += cost;
	allowance -= (double)cost;
}

static void run(bool on, uint64_t now)
{
	if (on == running)
		return;
	for (int i = 0; i < n_fds; i++)
		ioctl(fds[i], on ? PERF_EVENT_IOC_ENABLE : PERF_EVENT_IOC_DISABLE, 0);
	running = on;
	changed_ns = now;
}

// On for a slice, off for as many as make the part that is due; off for as long as it takes until the cost is a hundredth again.
static uint64_t tick(uint64_t now)
{
	uint64_t due = running ? SLICE_NS : SLICE_NS * (spread - 1);

	allowance += (double)(now - last_ns) / SHARE;
	if (allowance > ALLOWANCE_NS)
		allowance = ALLOWANCE_NS;
	last_ns = now;
	if (allowance <= 0) {
		run(false, now);
		return (uint64_t)(-allowance * SHARE) + SLICE_NS;
	}
	if (spread > 1 && now - changed_ns < due)
		return due - (now - changed_ns);
	run(spread == 1 || !running, now);
	return SLICE_NS;
}

static unsigned set_spread(unsigned factor)
{
	return spread = factor;
}

static uint64_t cpu_used(void)
{
	return cpu_ns;
}

static uint64_t samples(void)
{
	return all_samples;
}

// The parent's events are the parent's; what the child has of them goes.
static void forked(void)
{
	close_all();
	spread = 1;
	cpu_ns = all_samples = 0;
}

const struct tm_tracker tm_tracker_perf = {.name = "perf",
					   .source = "perf",
					   .counts = true,
					   .start = start,
					   .tick = tick,
					   .collect = collect,
					   .spread = set_spread,
					   .cpu_ns = cpu_used,
					   .samples = samples,
					   .forked = forked};
