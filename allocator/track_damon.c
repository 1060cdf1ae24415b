// The tracker for NUMA tiers on kernels that have it: DAMON, the kernel's own sampling of the accessed bits of pages.
//
// A kdamond watches the parts of the zones that are in use, by regions, some hundred of them: at each sampling it looks at one page of each, and each
// second or more it tells by a tracepoint at how many of these a region's page had been used. Regions that differ are split, neighbours that are alike merged. All
// granules of a region count alike. The tracepoint's records come through a perf event on the kdamond; sysfs (kdamonds/0) sets it up. The system has that
// once, so one process at a time is watched. It ends with the process.
//
// It sees pages that the kernel could reclaim: not those of a DAX mapping. What is used again before each sampling looks alike, however often.
//
// Cost: the kdamond's CPU time, which the kernel counts, and what reading takes. By what a sampling has cost it samples as often as a hundredth of a CPU
// allows, counted from the start: what was spent beyond that is saved before it samples as often again. Where the rarest is too dear, with half of the regions.
#include "allocator/core.h"
#include "allocator/migrate.h"
#include "allocator/perf_ring.h"
#include "allocator/policy.h"
#include "allocator/tier_pmem.h"
#include "allocator/track.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/perf_event.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ADMIN	    "/sys/kernel/mm/damon/admin/kdamonds/"
#define EVENT	    "/sys/kernel/tracing/events/damon/damon_aggregated/"
#define CONTEXT	    "0/contexts/0/"
#define SAMPLE_US   50000 // at first
#define SAMPLE_MIN  5000
#define SAMPLE_MAX  400000
#define AGGREGATE   20	    // samplings at least,
#define AGGR_US	    1000000 // and so long
#define REGIONS_MIN 100 // none is larger than that part of what is watched
#define REGIONS_MAX 500
#define GROWTH	    4	// times as many regions at the next look
#define RING	    ((size_t)512 << 10) // bytes: records of 8,000 regions
#define TICK_NS	    UINT64_C(5000000000) // its cost, and what is in use, are looked at so often: to tell the kdamond takes up to a sampling
#define FIRST_NS    UINT64_C(2000000000) // its cost for the first time
#define SHARE	    100			  // of a CPU: one part of so many

static struct tm_perf_ring ring;
static int event = -1;
static struct {
	unsigned start, end, accesses; // where a record has them, bytes
} field;
static unsigned sample_us, regions, kdamond;
static uintptr_t watched[TM_ZONES]; // the ends of what is watched
static uint64_t seen, records, read_ns, start_ns, looked_ns, looked_cpu, next_ns;

// Writes a setting. False: errno says why.
__attribute__((format(printf, 2, 3))) static bool set(const char *name, const char *format, ...)
{
	char path[256], text[64];
	va_list args;

	va_start(args, format);
	int n = vsnprintf(text, sizeof(text), format, args), fd;
	va_end(args);
	snprintf(path, sizeof(path), ADMIN "%s", name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	bool ok = fd >= 0 && write(fd, text, (size_t)n) == n;
	int error = errno;
	if (fd >= 0)
		close(fd);
	errno = error;
	return ok;
}

static bool get(const char *path, char *text, size_t size)
{
	ssize_t n = tm_os_read_file(path, text, size);

	return n > 0 && (text[strcspn(text, "\n")] = 0, true);
}

static unsigned aggregation_us(void)
{
	return sample_us * AGGREGATE < AGGR_US ? AGGR_US : sample_us * AGGREGATE;
}

static bool set_pace(void)
{
	unsigned aggr_us = aggregation_us();

	return set(CONTEXT "monitoring_attrs/intervals/sample_us", "%u", sample_us) &&
	       set(CONTEXT "monitoring_attrs/intervals/aggr_us", "%u", aggr_us) &&
	       set(CONTEXT "monitoring_attrs/intervals/update_us", "%u", aggr_us) &&
	       set(CONTEXT "monitoring_attrs/nr_regions/min", "%u", REGIONS_MIN) && set(CONTEXT "monitoring_attrs/nr_regions/max", "%u", regions);
}

// What of the zones is in use, a region each.
static bool set_regions(void)
{
	unsigned n = 0, i = 0;
	bool ok = true;

	for (int z = 0; z < TM_ZONES; z++) {
		watched[z] = (uintptr_t)tm_address(tm_zone_end(z));
		n += watched[z] > (uintptr_t)tm_address(tm_zone_first(z));
	}
	ok = n && set(CONTEXT "targets/0/regions/nr_regions", "%u", n);
	for (int z = 0; ok && z < TM_ZONES; z++) {
		uintptr_t first = (uintptr_t)tm_address(tm_zone_first(z));
		char start[64], end[64];
		if (watched[z] <= first)
			continue;
		snprintf(start, sizeof(start), CONTEXT "targets/0/regions/%u/start", i);
		snprintf(end, sizeof(end), CONTEXT "targets/0/regions/%u/end", i++);
		ok = set(start, "%lu", first) && set(end, "%lu", watched[z]);
	}
	return ok;
}

static bool grown(void)
{
	for (int z = 0; z < TM_ZONES; z++)
		if (watched[z] != (uintptr_t)tm_address(tm_zone_end(z)))
			return true;
	return false;
}

// A kdamond that watches this process.
static bool set_up(void)
{
	char text[32];

	if (!get(ADMIN "nr_kdamonds", text, sizeof(text)) || (!atoi(text) && !set("nr_kdamonds", "1")))
		return false;
	errno = EBUSY;
	if (!get(ADMIN "0/state", text, sizeof(text)) || strcmp(text, "off") != 0)
		return false;
	sample_us = SAMPLE_US;
	regions = REGIONS_MAX;
	return set("0/contexts/nr_contexts", "1") && set(CONTEXT "operations", "fvaddr") && set_pace() && set(CONTEXT "schemes/nr_schemes", "0") &&
	       set(CONTEXT "targets/nr_targets", "1") && set(CONTEXT "targets/0/pid_target", "%d", (int)getpid()) && set_regions() && set("0/state", "on") &&
	       get(ADMIN "0/pid", text, sizeof(text)) && (kdamond = (unsigned)atoi(text));
}

// Where the tracepoint's records have a field, by its description ("field:unsigned long start;	offset:24;").
static bool find_field(const char *format, const char *name, unsigned *offset)
{
	const char *at = strstr(format, name);

	at = at ? strstr(at, "offset:") : NULL;
	*offset = at ? (unsigned)atoi(at + strlen("offset:")) : 0;
	return at;
}

static bool find_event(struct perf_event_attr *attr)
{
	char text[2048];

	if (!get(EVENT "id", text, sizeof(text)))
		return false;
	*attr = (struct perf_event_attr){.type = PERF_TYPE_TRACEPOINT, .size = sizeof(*attr), .config = (uint64_t)atoi(text), .sample_period = 1,
					 .sample_type = PERF_SAMPLE_RAW};
	return tm_os_read_file(EVENT "format", text, sizeof(text)) > 0 && find_field(text, " start;", &field.start) &&
	       find_field(text, " end;", &field.end) && find_field(text, " nr_accesses;", &field.accesses);
}

static void stop(void)
{
	tm_perf_ring_close(&ring);
	if (event >= 0)
		tm_os_close(event);
	event = -1;
}

static bool open_event(const struct perf_event_attr *attr)
{
	event = tm_os_high_fd((int)tm_os_syscall(SYS_perf_event_open, (long)attr, kdamond, -1, -1, PERF_FLAG_FD_CLOEXEC, 0));
	return event >= 0 && tm_perf_ring_open(&ring, event, RING);
}

static bool kdamond_ns(uint64_t *ns)
{
	char path[64], text[128];

	snprintf(path, sizeof(path), "/proc/%u/schedstat", kdamond);
	return kdamond && get(path, text, sizeof(text)) && sscanf(text, "%" SCNu64, ns) == 1;
}

static uint64_t cpu_used(void)
{
	uint64_t ns = 0;

	kdamond_ns(&ns);
	return read_ns + ns;
}

static bool start(char *why, size_t size)
{
	struct perf_event_attr attr;
	uint64_t ns;

	if (tm.adopted)
		snprintf(why, size, "it watches one process, the one that was started");
	else if (tm_pmem.kind != TM_NUMA)
		snprintf(why, size, "DAMON does not see DAX mappings; it needs --pmem numa:N");
	else if (access(ADMIN "nr_kdamonds", F_OK))
		snprintf(why, size, "the kernel has no DAMON (CONFIG_DAMON_SYSFS; Debian has it from 13 on)");
	else if (access(ADMIN "nr_kdamonds", W_OK))
		snprintf(why, size, "DAMON is for root");
	else if (!find_event(&attr))
		snprintf(why, size, "its tracepoint is not to be found; mount -t tracefs tracefs /sys/kernel/tracing");
	else if (!set_up())
		snprintf(why, size, errno == EBUSY ? "another kdamond is in use: the system has one" : "DAMON cannot be set up: %s", strerror(errno));
	else if (!kdamond_ns(&ns))
		snprintf(why, size, "the kernel does not tell what a kdamond costs (CONFIG_SCHED_INFO)");
	else if (open_event(&attr))
		return true;
	else
		snprintf(why, size, "its tracepoint is refused: %s", strerror(errno));
	stop();
	if (kdamond)
		set("0/state", "off");
	kdamond = 0;
	return false;
}

// How long between two samplings, and how many regions, so that until the next look it costs no more than its share, all that it has cost included.
// Where there are fewer regions than may be, there will soon be more. Whether that is another pace.
static bool change_pace(uint64_t now)
{
	uint64_t cpu = cpu_used();
	double passed = (double)(now - looked_ns), cost = (double)(cpu - looked_cpu) * TICK_NS / passed, most = (double)TICK_NS / SHARE;
	double may = (double)(now - start_ns + TICK_NS) / SHARE - (double)cpu;
	double told = passed / (aggregation_us() * 1e3), growth = regions * told / (double)records; // no records: infinite
	growth = growth > GROWTH ? GROWTH : growth > 1 ? growth : 1;
	double want = may > 0 ? sample_us * cost * growth / (may < most ? may : most) : INFINITY;
	// Twice as often at most: kernels whose scheduler has no finer clock than a tick do not count what takes less.
	double least = sample_us / 2 > SAMPLE_MIN ? sample_us / 2 : SAMPLE_MIN;
	unsigned us = (unsigned)(want > SAMPLE_MAX ? SAMPLE_MAX : want < least ? least : want);
	bool dear = sample_us == SAMPLE_MAX && cost > most;

	looked_ns = now;
	looked_cpu = cpu;
	records = 0;
	if (dear && regions >= 2 * REGIONS_MIN)
		regions /= 2;
	else if (us > sample_us || us < sample_us - sample_us / 4)
		sample_us = us;
	else
		return false;
	return true;
}

static uint64_t tick(uint64_t now)
{
	bool paced = false;

	if (now < next_ns)
		return next_ns - now;
	if (start_ns)
		paced = change_pace(now);
	else
		start_ns = looked_ns = now;
	next_ns = now + (now == start_ns ? FIRST_NS : TICK_NS);
	// What cannot be changed just now, as it was: then the next time.
	if ((paced || grown()) && (!set_pace() || !set_regions() || !set("0/state", "commit")))
		memset(watched, 0, sizeof(watched));
	return next_ns - now;
}

static void (*taker)(size_t g, uint32_t n);

static void take_record(const void *record, size_t size)
{
	const char *raw = (const char *)record + sizeof(uint32_t); // after its size
	uint64_t first, end;
	uint32_t accesses;

	if (size < sizeof(uint32_t) + field.accesses + sizeof(accesses))
		return;
	records++;
	memcpy(&first, raw + field.start, sizeof(first));
	memcpy(&end, raw + field.end, sizeof(end));
	memcpy(&accesses, raw + field.accesses, sizeof(accesses));
	if (!accesses || first >= end || !tm_ours(first) || !tm_ours(end - 1))
		return;
	seen += accesses;
	// Those that begin in it: so each counts in one region.
	for (size_t g = tm_index(first + tm.granule - 1); g <= tm_index(end - 1); g++)
		if (tm.table[g].state == TM_DRAM || tm.table[g].state == TM_PMEM)
			taker(g, accesses);
}

static void collect(void (*take)(size_t g, uint32_t n))
{
	uint64_t before = tm_os_thread_cpu_ns();

	taker = take;
	tm_perf_ring_read(&ring, take_record);
	read_ns += tm_os_thread_cpu_ns() - before;
}

// What it may cost decides how often it samples.
static unsigned spread(unsigned factor)
{
	return 1;
}

static uint64_t samples(void)
{
	return seen;
}

static void forked(void)
{
	stop();
	kdamond = 0;
	seen = records = read_ns = start_ns = looked_ns = looked_cpu = next_ns = 0;
}

const struct tm_tracker tm_tracker_damon = {.name = "damon",
					    .source = "damon",
					    .counts = true,
					    .on_request = true,
					    .start = start,
					    .tick = tick,
					    .collect = collect,
					    .spread = spread,
					    .cpu_ns = cpu_used,
					    .samples = samples,
					    .forked = forked};
