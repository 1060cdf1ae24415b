/*
 * tmbench alloc --simulated: the same allocations in strict simulated time, where half a percent can be resolved. Two VMs for
 * each load, with Debian's jemalloc and with tiermem; all memory is DRAM, and nothing but the allocator differs.
 */
#include "harness/alloc.h"
#include "harness/probe.h"
#include "harness/speed.h"
#include "harness/table.h"

#include <stdlib.h>

#define RUN "tiermem run --conf= --dram 4G --pmem memfd:512M -- "
#define TMALLOC(trace, threads)                                                                              \
	"tmalloc --trace /tm/" trace ".csv --threads " threads                                        \
	" --operations $requests --mark alloc >/tm/out 2>&1 || { cat /tm/out; fail tmalloc; }\n"
#define LOAD(trace, threads, n)                                                                              \
	{{.name = "jemalloc-" trace,                                                                         \
	  .root = "build/guest/root.img",                                                                    \
	  .requests = n,                                                                                     \
	  .ram_mib = 1024,                                                                                   \
	  .phase = "alloc",                                                                                  \
	  .parts = overlay_alloc,                                                                            \
	  .setup = "",                                                                                       \
	  .work = "LD_PRELOAD=libjemalloc.so.2 " TMALLOC(trace, threads)},                                   \
	 {.name = "tiermem-" trace,                                                                          \
	  .root = "build/guest/root.img",                                                                    \
	  .requests = n,                                                                                     \
	  .ram_mib = 1024,                                                                                   \
	  .phase = "alloc",                                                                                  \
	  .parts = overlay_alloc,                                                                            \
	  .setup = "",                                                                                       \
	  .work = RUN TMALLOC(trace, threads)}}

static const struct {
	const char *trace;
	int vcpus;
	struct speed_load load[2]; /* jemalloc, tiermem */
} pairs[] = {
	{"redis", 1, LOAD("redis", "1", 1000000)},
	{"python", 1, LOAD("python", "1", 2000000)},
	{"mariadb", 4, LOAD("mariadb", "4", 200000)},
};

/* Throughput with tiermem against jemalloc's. */
static double ratio(const struct speed *s, size_t pair)
{
	return s->cells[2 * pair].runs[0].simulated / s->cells[2 * pair + 1].runs[0].simulated;
}

static void print_human(const struct speed *s)
{
	struct table t = {.columns = 6};
	static const char *const heads[] = {"trace", "threads", "jemalloc ms", "tiermem ms", "instructions",
					    "throughput"};

	for (size_t i = 0; i < COUNT(heads); i++)
		table_cell(&t, BOLD, "%s", heads[i]);
	for (size_t i = 0; i < COUNT(pairs); i++) {
		const struct speed_run *a = s->cells[2 * i].runs, *b = s->cells[2 * i + 1].runs;

		table_cell(&t, PLAIN, "%s", pairs[i].trace);
		table_cell(&t, PLAIN, "%d", pairs[i].vcpus);
		table_cell(&t, PLAIN, "%.3f", a->simulated * 1e3);
		table_cell(&t, PLAIN, "%.3f", b->simulated * 1e3);
		table_cell(&t, PLAIN, "%.4f", b->instructions / a->instructions);
		table_cell(&t, ratio(s, i) >= ALLOC_BOUND ? GOOD : BAD, "%.4f", ratio(s, i));
	}
	printf("\nStrict simulated time, profile %s, everything in DRAM, against the same jemalloc without "
	       "tiermem (wanted: throughput at least %.2f):\n\n",
	       s->profile, ALLOC_BOUND);
	table_print(&t);
}

static json_t *as_json(const struct speed *s)
{
	json_t *cells = json_array();

	for (size_t i = 0; i < COUNT(pairs); i++)
		json_array_append_new(
			cells, json_pack("{s:s, s:i, s:f, s:f, s:f}", "trace", pairs[i].trace, "threads",
					 pairs[i].vcpus, "jemalloc_seconds",
					 s->cells[2 * i].runs[0].simulated, "tiermem_seconds",
					 s->cells[2 * i + 1].runs[0].simulated, "throughput", ratio(s, i)));
	return cells;
}

int alloc_simulated(const char *out, const char *profile, bool progress, json_t *doc, int *missed)
{
	static struct speed s = {.repeat = 1, .timeout = 900, .requests = 0};
	char version[128];

	s.out = out;
	s.qemu = getenv("TMBENCH_QEMU") ? getenv("TMBENCH_QEMU") : "qemu-system-x86_64";
	root_path(s.profile, profile);
	root_path(s.plugin, "build/lib/libtmsim.so");
	if (overlay_check(overlay_alloc) || qemu_version(s.qemu, "with $TMBENCH_QEMU", version, sizeof(version)) ||
	    qemu_takes_plugins(s.qemu))
		return EXIT_FAIL;
	for (size_t i = 0; i < COUNT(pairs); i++) {
		for (int k = 0; k < 2; k++) {
			struct speed_cell *c = &s.cells[s.n_cells++];
			int code;

			*c = (struct speed_cell){
				.load = &pairs[i].load[k], .vcpus = pairs[i].vcpus, .mode = SPEED_STRICT};
			code = speed_vm(&s, c);
			if (code)
				return code;
			if (progress)
				fprintf(stderr, "tmbench: %s: %.6f simulated s\n", c->load->name,
					c->runs[0].simulated);
		}
	}
	for (size_t i = 0; i < COUNT(pairs); i++)
		*missed += !(ratio(&s, i) >= ALLOC_BOUND);
	if (doc)
		json_object_set_new(doc, "simulated", as_json(&s));
	else
		print_human(&s);
	return EXIT_OK;
}
