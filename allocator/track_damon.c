// The tracker for NUMA nodes where somebody asks for it: DAMON, the kernel's own access monitor, through sysfs (root; Debian has it from kernel 6.12 on).
//
// DAMON looks at a page of each of at most REGIONS regions every SAMPLE, says after some of them how often it found one used, and splits and merges
// regions by that. It sees pages that the kernel can reclaim: none of a DAX mapping (measured on devdax: never used), and of memfds too little.
//
// There is one set of files for all the machine, so whoever uses it holds a lock on its directory; what somebody else runs there is left alone. It ends
// with the process it looks at. Asking for results waits until DAMON's next second is over: a thread does that, and puts them where the worker finds
// them. Cost: that thread's and DAMON's, both known; when they are more than a hundredth of a CPU together, all intervals become longer, and shorter when they are
// a quarter of that.
#include "allocator/arena.h"
#include "allocator/core.h"
#include "allocator/policy.h"
#include "allocator/tier_pmem.h"
#include "allocator/track.h"
#include "allocator/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define ALL	 "/sys/kernel/mm/damon/admin/kdamonds"
#define ONE	 ALL "/0"
#define CONTEXT	 ONE "/contexts/0"
#define SCHEME	 CONTEXT "/schemes/0"
#define REGIONS	 100
#define SPANS	 64 // pieces of address space that are watched
#define SAMPLE	 100000 // us
#define SECOND	 1000000
#define SLOWEST	 16 // times that
#define SLOW_NOW 4  // at first
#define LOOKS	 4
#define SHARE	 100 // of a CPU: one part of so many
#define TICK_NS	 UINT64_C(500000000)

struct range {
	uintptr_t from, to;
	unsigned uses;
};

static int lock_fd = -1;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct range seen[REGIONS * 2], next[REGIONS * 2]; // the newest results, under the mutex; those that are being read
static unsigned n_seen, n_next;
static struct range spans[SPANS];
static unsigned n_spans;
static _Atomic uint64_t cpu_ns, all_samples;
static bool thread;
static unsigned slow; // times the intervals

// Writes a file; false: errno says why.
static bool put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	size_t n = strlen(text);
	bool ok = fd >= 0 && write(fd, text, n) == (ssize_t)n;
	int error = errno;

	if (fd >= 0)
		close(fd);
	errno = error;
	return ok;
}

static bool put_number(const char *path, unsigned long long n)
{
	char text[32];

	snprintf(text, sizeof(text), "%llu", n);
	return put(path, text);
}

static unsigned long long number(const char *path)
{
	char text[64];

	return tm_os_read_file(path, text, sizeof(text)) > 0 ? strtoull(text, NULL, 10) : 0;
}

static bool anybody_runs;

// One that looks at a process that is no more is about to end: that does not count.
static void look_at(const char *name, int i)
{
	char path[128], target[128], text[16];

	snprintf(path, sizeof(path), ALL "/%.32s/state", name);
	snprintf(target, sizeof(target), ALL "/%.32s/contexts/0/targets/0/pid_target", name);
	ssize_t n = tm_os_read_file(path, text, sizeof(text)); // 0: somebody is waiting for it
	if (n < 0 || !strncmp(text, "off", 3))
		return;
	if (!number(target) || !kill((pid_t)number(target), 0) || errno != ESRCH || !put(path, "off"))
		anybody_runs = true;
}

// What is to be watched. True: it is not what it was.
static bool find_spans(void)
{
	struct range now[SPANS];
	unsigned n = 0;
	size_t g, end;

	tm_lock();
	for (int z = 0; z < TM_ZONES; z++) {
		for (size_t k = 0; n < SPANS && tm_zone_span((enum tm_zone)z, k, &g, &end); k++) {
			if (g < end)
				now[n++] = (struct range){.from = (uintptr_t)tm_address(g), .to = (uintptr_t)tm_address(end)};
		}
	}
	tm_unlock();
	if (!n) // nothing yet, and there must be something
		now[n++] = (struct range){.from = tm.base, .to = tm.base + tm.granule};
	if (n == n_spans && !memcmp(now, spans, n * sizeof(*now)))
		return false;
	n_spans = n;
	memcpy(spans, now, n * sizeof(*now));
	return true;
}

static bool write_spans(void)
{
	char path[128];
	bool ok = put_number(CONTEXT "/targets/0/regions/nr_regions", n_spans);

	for (unsigned i = 0; i < n_spans && ok; i++) {
		snprintf(path, sizeof(path), CONTEXT "/targets/0/regions/%u/start", i);
		ok = put_number(path, spans[i].from);
		snprintf(path, sizeof(path), CONTEXT "/targets/0/regions/%u/end", i);
		ok = ok && put_number(path, spans[i].to);
	}
	return ok;
}

// How long a result takes: some looks at each region, and a SECOND at least.
static unsigned round_us(void)
{
	return SAMPLE * slow * LOOKS > SECOND ? SAMPLE * slow * LOOKS : SECOND;
}

static bool write_intervals(void)
{
	return put_number(CONTEXT "/monitoring_attrs/intervals/aggr_us", round_us()) &&
	       put_number(CONTEXT "/monitoring_attrs/intervals/sample_us", SAMPLE * (uint64_t)slow);
}

static bool set_up(void)
{
	static const struct {
		const char *path, *text;
	} files[] = {{ALL "/nr_kdamonds", "1"},
		     {ONE "/contexts/nr_contexts", "1"},
		     {CONTEXT "/operations", "fvaddr"},
		     {CONTEXT "/monitoring_attrs/intervals/update_us", "60000000"},
		     {CONTEXT "/targets/nr_targets", "1"},
		     {CONTEXT "/schemes/nr_schemes", "1"},
		     {SCHEME "/action", "stat"},
		     {SCHEME "/access_pattern/sz/max", "18446744073709551615"},
		     {SCHEME "/access_pattern/nr_accesses/max", "4294967295"},
		     {SCHEME "/access_pattern/age/max", "4294967295"}};
	bool ok = true;

	for (unsigned i = 0; i < sizeof(files) / sizeof(files[0]) && ok; i++)
		ok = put(files[i].path, files[i].text);
	// The larger first: the least must never be beyond the most.
	slow = SLOW_NOW;
	ok = ok && write_intervals() && put_number(CONTEXT "/monitoring_attrs/nr_regions/max", REGIONS) && put_number(CONTEXT "/monitoring_attrs/nr_regions/min", REGIONS / 4) &&
	     put_number(CONTEXT "/targets/0/pid_target", (unsigned long long)getpid());
	find_spans();
	return ok && write_spans() && put(ONE "/state", "on");
}

static bool start(char *why, size_t size)
{
	*why = 0;
	if (!tm_pmem_anonymous())
		snprintf(why, size, "DAMON sees no DAX mappings; it is for NUMA nodes (--pmem numa:NODE)");
	else if (access(ALL, F_OK))
		snprintf(why, size, "this kernel has no DAMON (CONFIG_DAMON_SYSFS; Debian's from 6.12 on)");
	else if (access(ALL "/nr_kdamonds", W_OK))
		snprintf(why, size, "DAMON is for root");
	if (*why)
		return false;
	lock_fd = tm_os_high_fd(open(ALL, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	anybody_runs = false;
	tm_os_each_entry(ALL, look_at);
	if (lock_fd < 0 || flock(lock_fd, LOCK_EX | LOCK_NB) || anybody_runs)
		snprintf(why, size, "DAMON is in use by another process");
	else if (!set_up())
		snprintf(why, size, "DAMON does not start (%s)", strerror(errno));
	if (*why && lock_fd >= 0)
		tm_os_close(lock_fd);
	lock_fd = *why ? -1 : lock_fd;
	return !*why;
}

static void read_region(const char *name, int i)
{
	char path[160];
	struct range *r = &next[n_next];

	if (n_next == REGIONS * 2 || *name < '0' || *name > '9')
		return;
	snprintf(path, sizeof(path), SCHEME "/tried_regions/%.32s/nr_accesses", name);
	r->uses = (unsigned)number(path);
	if (!r->uses)
		return;
	snprintf(path, sizeof(path), SCHEME "/tried_regions/%.32s/start", name);
	r->from = number(path);
	snprintf(path, sizeof(path), SCHEME "/tried_regions/%.32s/end", name);
	r->to = number(path);
	n_next++;
}

// User and system time of DAMON's thread.
static uint64_t kernel_cpu_ns(void)
{
	unsigned long long user = 0, kernel = 0;
	char path[64], text[512], *at;

	snprintf(path, sizeof(path), "/proc/%llu/stat", number(ONE "/pid"));
	if (tm_os_read_file(path, text, sizeof(text)) > 0 && (at = strrchr(text, ')')))
		sscanf(at + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", &user, &kernel);
	return (user + kernel) * (1000000000u / (unsigned)sysconf(_SC_CLK_TCK));
}

static void *look(void *unused)
{
	uint64_t then = tm_os_now_ns();

	tm_arena_bound = true; // no arenas for this thread
	for (;;) {
		usleep(round_us());
		uint64_t now = tm_os_now_ns(), cost = tm_os_thread_cpu_ns() + kernel_cpu_ns();
		bool slower = slow < SLOWEST && cost - cpu_ns > (now - then) / SHARE, faster = slow > 1 && cost - cpu_ns < (now - then) / SHARE / 4;
		slow = slower ? slow * 2 : faster ? slow / 2 : slow;
		cpu_ns = cost;
		then = now;
		if ((find_spans() && write_spans()) | ((slower || faster) && write_intervals()))
			put(ONE "/state", "commit");
		if (!put(ONE "/state", "update_schemes_tried_regions"))
			continue;
		n_next = 0;
		tm_os_each_entry(SCHEME "/tried_regions", read_region);
		pthread_mutex_lock(&mutex);
		memcpy(seen, next, n_next * sizeof(*next));
		n_seen = n_next;
		pthread_mutex_unlock(&mutex);
	}
	return NULL;
}

// The thread begins here, for the worker's signals are blocked.
static uint64_t tick(uint64_t now)
{
	if (!thread)
		thread = tm_worker_thread(look, "tiermem-damon");
	return TICK_NS;
}

static void collect(void (*take)(size_t g, uint32_t n))
{
	pthread_mutex_lock(&mutex);
	for (unsigned i = 0; i < n_seen; i++) {
		for (size_t g = tm_index(seen[i].from); tm_ours(seen[i].from) && g < tm_index(seen[i].to); g++) {
			if (tm.table[g].state != TM_DRAM && tm.table[g].state != TM_PMEM)
				continue;
			all_samples += seen[i].uses;
			take(g, seen[i].uses);
		}
	}
	n_seen = 0;
	pthread_mutex_unlock(&mutex);
}

// It costs the same whether there are few samples or many.
static unsigned set_spread(unsigned factor)
{
	return 1;
}

static uint64_t cpu_used(void)
{
	return cpu_ns;
}

static uint64_t samples(void)
{
	return all_samples;
}

static void forked(void)
{
	pthread_mutex_t fresh = PTHREAD_MUTEX_INITIALIZER;

	mutex = fresh;
	tm_os_close(lock_fd);
	lock_fd = -1;
	n_spans = n_seen = 0;
	cpu_ns = all_samples = 0;
	thread = false;
}

const struct tm_tracker tm_tracker_damon = {.name = "damon",
					    .source = "damon",
					    .counts = true,
					    .start = start,
					    .tick = tick,
					    .collect = collect,
					    .spread = set_spread,
					    .cpu_ns = cpu_used,
					    .samples = samples,
					    .forked = forked};
