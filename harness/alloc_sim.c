/*
 * tmbench alloc --only simulated: the same allocations in strict simulated time, where half a percent can be resolved. Three VMs for
 * each load, with Debian's jemalloc, with tiermem, and with a quota; all memory is DRAM, and nothing but the allocator differs.
 */
#include "harness/alloc.h"
#include "harness/probe.h"
#include "harness/speed.h"
#include "harness/table.h"

#include <stdlib.h>

#define RUN(options) "tiermem run --conf= " options " --pmem memfd:512M -- "
#define TMALLOC(trace, threads)                                                                              \
	"tmalloc --trace /tm/" trace ".csv --threads " threads                                               \
	" --operations $requests --mark alloc >/tm/out 2>&1 || { cat /tm/out; fail tmalloc; }\n"
#define LOAD(title, launcher, trace, threads, n)                                                             \
	{                                                                                                    \
		.name = title "-" trace, .root = "build/guest/root.img", .requests = n, .ram_mib = 1024,     \
		.phase = "alloc", .parts = overlay_alloc, .setup = "",                                       \
		.work = launcher TMALLOC(trace, threads)                                                     \
	}
#define LOADS(trace, threads, n)                                                                             \
	{                                                                                                    \
		LOAD("jemalloc", "LD_PRELOAD=libjemalloc.so.2 ", trace, threads, n),                         \
			LOAD("tiermem", RUN("--dram unlimited"), trace, threads, n),                         \
			LOAD("tiermem-quota", RUN("--pool-dram 4G"), trace, threads, n)                      \
	}

/* With a budget for several processes each granule is counted from the start: memory comes by pages of 4 KiB, not by huge ones. */
enum { JEMALLOC, TIERMEM, QUOTA, KINDS };

static const struct {
	const char *trace;
	int vcpus;
	struct speed_load load[KINDS];
} rows[] = {
	{"redis", 1, LOADS("redis", "1", 1000000)},
	{"redis", 8, LOADS("redis", "8", 400000)},
	{"python", 1, LOADS("python", "1", 2000000)},
	{"mariadb", 4, LOADS("mariadb", "4", 600000)},
};

/* NULL: the trace is not used. */
static const struct speed_run *run_of(const struct speed *s, size_t row, int kind)
{
	const struct speed_load *load = &rows[row].load[kind];

	for (int i = 0; i < s->n_cells; i++)
		if (s->cells[i].load == load)
			return s->cells[i].runs;
	return NULL;
}

/* Throughput against jemalloc's. */
static double ratio(const struct speed *s, size_t row, int kind)
{
	return run_of(s, row, JEMALLOC)->simulated / run_of(s, row, kind)->simulated;
}

static void print_human(const struct speed *s)
{
	static const char *const heads[] = {"trace",	  "threads",  "jemalloc ms", "tiermem ms",
					    "throughput", "quota ms", "throughput"};
	struct table t = {.columns = COUNT(heads)};

	for (size_t i = 0; i < COUNT(heads); i++)
		table_cell(&t, BOLD, "%s", heads[i]);
	for (size_t i = 0; i < COUNT(rows); i++) {
		if (!run_of(s, i, JEMALLOC))
			continue;
		table_cell(&t, PLAIN, "%s", rows[i].trace);
		table_cell(&t, PLAIN, "%d", rows[i].vcpus);
		table_cell(&t, PLAIN, "%.3f", run_of(s, i, JEMALLOC)->simulated * 1e3);
		for (int k = TIERMEM; k < KINDS; k++) {
			table_cell(&t, PLAIN, "%.3f", run_of(s, i, k)->simulated * 1e3);
			table_cell(&t, ratio(s, i, k) >= ALLOC_BOUND ? GOOD : BAD, "%.4f", ratio(s, i, k));
		}
	}
	printf("\nStrict simulated time, profile %s, everything in DRAM, against the same jemalloc without "
	       "tiermem (wanted: throughput at least %.2f).\ntiermem: --dram unlimited; quota: --pool-dram 4G, "
	       "which is never reached, but keeps huge pages away (a --dram does so from its half on)\n\n",
	       s->profile, ALLOC_BOUND);
	table_print(&t);
}

static json_t *as_json(const struct speed *s)
{
	json_t *cells = json_array();

	for (size_t i = 0; i < COUNT(rows); i++)
		if (run_of(s, i, JEMALLOC))
			json_array_append_new(cells, json_pack("{s:s, s:i, s:f, s:f, s:f}", "trace", rows[i].trace,
						       "threads", rows[i].vcpus, "jemalloc_seconds",
						       run_of(s, i, JEMALLOC)->simulated, "throughput",
						       ratio(s, i, TIERMEM), "throughput_quota",
						       ratio(s, i, QUOTA)));
	return cells;
}

int alloc_simulated(const struct alloc_settings *settings, const char *out, const char *profile, bool progress, json_t *doc,
		    int *missed)
{
	static struct speed s = {.repeat = 1, .timeout = 900, .clock = "hpet"};
	char version[128];
	int checked = 0;

	s.out = out;
	s.requests = settings->operations;
	s.qemu = getenv("TMBENCH_QEMU") ? getenv("TMBENCH_QEMU") : "qemu-system-x86_64";
	root_path(s.profile, profile);
	root_path(s.plugin, "build/lib/libtmsim.so");
	if (overlay_check(overlay_alloc) ||
	    qemu_version(s.qemu, "with $TMBENCH_QEMU", version, sizeof(version)) ||
	    qemu_takes_plugins(s.qemu))
		return EXIT_FAIL;
	for (size_t i = 0; i < COUNT(rows); i++) {
		for (int k = 0; k < KINDS && alloc_uses(settings, rows[i].trace); k++) {
			struct speed_cell *c = &s.cells[s.n_cells++];
			int code;

			*c = (struct speed_cell){
				.load = &rows[i].load[k], .vcpus = rows[i].vcpus, .mode = SPEED_STRICT};
			code = speed_vm(&s, c);
			if (code)
				return code;
			if (progress)
				fprintf(stderr, "tmbench: %s: %.6f simulated s\n", c->load->name,
					c->runs[0].simulated);
		}
	}
	for (size_t i = 0; i < COUNT(rows); i++) {
		for (int k = TIERMEM; k < KINDS && run_of(&s, i, k); k++) {
			checked++;
			*missed += !(ratio(&s, i, k) >= ALLOC_BOUND);
		}
	}
	if (doc) {
		json_object_set_new(doc, "simulated", as_json(&s));
	} else {
		print_human(&s);
		printf("\n%d of %d bounds hold\n", checked - *missed, checked);
	}
	return EXIT_OK;
}
