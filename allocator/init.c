// Start-up in two steps. The heap is set up inside the first malloc, long before constructors run: options, address
// space, the PMEM device, jemalloc's hooks. The constructor then does what may allocate: the device's alias mapping through
// libpmem2, userfaultfd and the threads (started here, so they keep the affinity the program was started with).
//
// Of those that inherit TIERMEM_PID only the process that `tiermem run` started is managed (exec keeps the pid); its children load
// the library and do nothing but pass calls on. Without TIERMEM_PID (/etc/ld.so.preload) the configuration file tells which programs
// are managed; whatever is wrong then, the program runs, untouched. Under AT_SECURE the library is inert.
#include "allocator/init.h"
#include "allocator/arena.h"
#include "allocator/cell.h"
#include "allocator/conf.h"
#include "allocator/control.h"
#include "allocator/core.h"
#include "allocator/direct_io.h"
#include "allocator/fork.h"
#include "allocator/guest.h"
#include "allocator/jem.h"
#include "allocator/migrate.h"
#include "allocator/page_code.h"
#include "allocator/pool.h"
#include "allocator/preload_io.h"
#include "allocator/slab.h"
#include "allocator/stats.h"
#include "allocator/tier_pmem.h"
#include "allocator/uffd.h"
#include "allocator/version.h"
#include "allocator/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

__attribute__((used)) static const char version[] = TIERMEM_MARK TIERMEM_VERSION;
static enum { START, RUNNING, DONE } heap_state;
static struct tm_conf *conf; // NULL: `tiermem run` has put all of it into the environment
static char values[8192];    // copies of option values: the environment may change under us

// The environment as the kernel has it, for calls before libc has set environ.
static char early_env[32768];

// A variable's value, or NULL.
static const char *env(const char *name)
{
	size_t n = strlen(name);

	for (char **e = environ; e && *e; e++) {
		if (!strncmp(*e, name, n) && (*e)[n] == '=')
			return *e + n + 1;
	}
	for (char *e = early_env; !environ && *e; e += strlen(e) + 1) {
		if (!strncmp(e, name, n) && e[n] == '=')
			return e + n + 1;
	}
	return NULL;
}

// Something is wrong: the end of a program that was to be managed, a warning to one that merely happens to be.
static bool give_up(const char *what, const char *why)
{
	if (!conf)
		tm_die("%s%s", what, why);
	tm_log("%s%s; this process is not managed", what, why);
	return false;
}

static bool read_options(void)
{
	char why[256], name[64];
	size_t used = 0;

	for (int i = 0; i < TM_OPTIONS; i++) {
		const struct tm_option *o = &tm_options[i];
		const char *value = env(o->env);
		if (!value) {
			tm.value[i] = conf && conf->value[i] ? conf->value[i] : o->initial;
			continue;
		}
		snprintf(name, sizeof(name), "%s: ", o->env);
		if (!tm_option_check(o, value, why, sizeof(why)))
			return give_up(name, why);
		size_t n = strlen(value) + 1;
		if (used + n > sizeof(values))
			return give_up(name, "options are too long");
		tm.value[i] = memcpy(values + used, value, n);
		used += n;
	}
	return true;
}

static uint64_t number(enum tm_option_id id)
{
	uint64_t n = 0;
	tm_parse_size(tm.value[id], &n);
	return n;
}

static bool drop_pmem(const char *why)
{
	tm_pmem_close(&tm_pmem);
	return give_up("", why);
}

// Whether guest RAM is managed instead of all of the program's memory.
static bool captures_guest(void)
{
	const char *what = tm.value[TM_OPT_CAPTURE_WHAT];

	return !strcmp(what, "guest-ram") || (!strcmp(what, "auto") && tm_guest_is_qemu());
}

static bool set_up(void)
{
	char why[512], text[32];

	tm.guest = captures_guest();
	if (tm_os_read_file("/proc/sys/vm/max_map_count", text, sizeof(text)) <= 0)
		strcpy(text, "65530");
	tm.vmas_max = strtoull(text, NULL, 10) / 2;
	if (tm.guest) // a VM needs few other mappings
		tm.vmas_max += tm.vmas_max * 7 / 8;
	tm.granule = number(TM_OPT_GRANULE);
	tm.shift = (unsigned)__builtin_ctzll(tm.granule);
	tm.quota_bytes = number(TM_OPT_DRAM);
	tm.pool_dram = number(TM_OPT_POOL_DRAM);
	tm.quota_bytes = tm.quota_bytes < tm.pool_dram ? tm.quota_bytes : tm.pool_dram;
	tm.quota = tm.quota_bytes == TM_UNLIMITED ? TM_UNLIMITED : tm.quota_bytes >> tm.shift;
	tm.early = !tm.guest && tm.quota != TM_UNLIMITED && tm.pool_dram == TM_UNLIMITED;
	if (!tm_granules_init(number(TM_OPT_RESERVE), !tm.guest))
		return give_up("", "cannot reserve address space; lift the limit (ulimit -v unlimited)");
	if (!tm_pmem_open(tm.value[TM_OPT_PMEM_PATH], tm.granule, &tm_pmem, why, sizeof(why)))
		return give_up("", why);
	for (unsigned i = 0; i < tm_pmem.devices; i++)
		tm_pmem.device[i].fd = tm_os_high_fd(tm_pmem.device[i].fd);
	if (!tm_pool_join(&tm_pmem, tm.granule, why, sizeof(why)))
		return drop_pmem(why);
	// memfd needs no libpmem2 and no malloc: the alias is there from the start.
	if (tm_pmem.kind == TM_MEMFD && !tm_pmem_alias(why, sizeof(why)))
		return drop_pmem(why);
	tm_fork_init();
	tm.heap = !tm.guest;
	if (tm.guest) {
		tm.grown_up = true; // no DRAM need be kept for small allocations
		tm_malloc_zones(0, 0, 0, 0, 0);
		return true;
	}
	tm_arenas_configure();
	if (!tm_arenas_init())
		tm_die("jemalloc did not accept its settings (MALLOC_CONF=%s)",
		       env("MALLOC_CONF") ? env("MALLOC_CONF") : "");
	tm_pages_init(tm.base, (TM_BULK + 1) * tm.zone_bytes);
	tm_cell_init();
	if (tm_slab_init())
		tm_pages_slabs(number(TM_OPT_SMALL_MAX), number(TM_OPT_BUFFER_MIN));
	tm_malloc_zones(number(TM_OPT_SMALL_MAX), number(TM_OPT_BUFFER_MIN), number(TM_OPT_LARGE_MIN),
			tm.base + TM_BUFFER * tm.zone_bytes, 2 * tm.zone_bytes);
	return true;
}

// True if the configuration file wants this program managed; leaves it in conf then.
static bool listed(void)
{
	const char *path = env(tm_options[TM_OPT_CONF].env), *name = (const char *)getauxval(AT_EXECFN);
	char real[PATH_MAX], why[512];

	path = path ? path : tm_options[TM_OPT_CONF].initial;
	ssize_t n = readlink("/proc/self/exe", real, sizeof(real) - 1);
	real[n > 0 ? n : 0] = 0;
	if (!*path || !(conf = tm_os_reserve(sizeof(*conf))))
		return false;
	enum tm_conf_status status = tm_conf_read(path, name ? name : real, real, conf, why, sizeof(why));
	if (status == TM_CONF_BAD || (status == TM_CONF_ABSENT && env(tm_options[TM_OPT_CONF].env)))
		give_up("", why);
	if (status == TM_CONF_FINE && conf->managed)
		return true;
	tm_os_munmap(conf, sizeof(*conf));
	return false;
}

bool tm_is_listed(void)
{
	return conf;
}

bool tm_init_heap(void)
{
	if (__builtin_expect(heap_state == DONE, 1))
		return true;
	if (heap_state == RUNNING)
		return false;
	heap_state = RUNNING;
	int saved = errno;
	if (!environ) {
		int fd = open("/proc/self/environ", O_RDONLY | O_CLOEXEC);
		ssize_t n, total = 0;
		while (fd >= 0 &&
		       (n = read(fd, early_env + total, sizeof(early_env) - 2 - (size_t)total)) > 0)
			total += n;
		if (fd >= 0)
			close(fd);
	}
	const char *pid = env("TIERMEM_PID");
	tm.pid = getpid();
	tm.managed =
		!getauxval(AT_SECURE) && (pid ? atoi(pid) == tm.pid : listed()) && read_options() && set_up();
	if (!tm.managed) {
		tm.guest = false;
		if (tm.base) // it gave up half-way
			tm_os_munmap((void *)tm.base, tm.bytes);
		tm_malloc_zones(0, 0, 0, 0, 0);
	}
	errno = saved;
	heap_state = DONE;
	return true;
}

static __attribute__((constructor)) void start(void)
{
	char why[256];

	tm_init_heap();
	tm_io_look_up();
	tm_fd_look_up();
	tm_futex_look_up();
	tm_guest_look_up();
	if (!tm.managed)
		return;
	if (tm.heap)
		tm_arenas_private(true);
	if (!tm_pmem_aliased() && !tm_pmem_alias(why, sizeof(why)))
		tm_die("%s", why);
	if (!tm_uffd_init()) {
		const char *what = tm.guest	  ? "guest RAM cannot be managed"
				   : tm_migrates() ? "no capture of mmap, no tracking of heat"
						   : "no migration, no capture of mmap";
		int error = tm.uffd < 0 ? -tm.uffd : tm.uffd_remap < 0 ? -tm.uffd_remap : ENOMEM;
		void (*say)(const char *, ...) = tm.guest ? tm_die : tm_log;
		if (error == EPERM)
			say("userfaultfd is denied: %s; run as root or: sysctl vm.unprivileged_userfaultfd=1", what);
		else
			say("userfaultfd does not work (%s): %s", strerror(error), what);
	}
	if (!tm_migrate_init())
		tm_die("no address space for migration");
	tm_io_init();
	tm_control_init();
	if (tm.guest) // threads start with the first guest RAM: QEMU may fork before (-daemonize)
		return;
	if (!tm_worker_start() && !conf)
		tm_die("cannot start threads: %s", strerror(errno));
	if (!tm.engine_on)
		tm_log("cannot start threads: %s; memory stays where it is placed", strerror(errno));
	tm_arenas_private(false);
}

static __attribute__((destructor)) void stop(void)
{
	if (!tm.managed || tm.child || getpid() != tm.pid)
		return;
	tm_control_close();
	tm_stats_write_file();
}
