/* tmbench alloc (make bench-alloc): what tiermem's malloc costs beside others when nothing is slow: all memory in DRAM, native. */
#include "harness/alloc.h"
#include "harness/commands.h"
#include "harness/options.h"
#include "harness/proc.h"
#include "harness/trial.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OPERATIONS_DEFAULT 2000000

static const char *const labels[] = {"load", "threads", "allocator", NULL};

enum { OPERATIONS, CPU_NS, RSS };
static const struct trial_figure figures[] = {
	[OPERATIONS] = {"operations_s", "operations/s", "%.0f"},
	[CPU_NS] = {"cpu_ns", "CPU ns each", "%.1f"},
	[RSS] = {"rss_mib", "RSS MiB", "%.1f"},
};

/* The first one is what the others are compared with: Debian's jemalloc, the one that tiermem has inside. */
static const struct {
	const char *name, *preload, *package;
	bool tiermem;
} allocators[] = {
	{"jemalloc", "libjemalloc.so.2", "apt install libjemalloc2", false},
	{"tiermem", NULL, NULL, true},
	{"glibc", NULL, NULL, false},
	{"mimalloc", "libmimalloc.so", "apt install libmimalloc-dev", false},
};
static bool use[COUNT(allocators)];
static int used; /* how many */

/* Whether an allocator is installed; says so when it is not: its rows are left out. */
static bool installed(size_t allocator)
{
	char library[64], out[256];
	char *argv[] = {"env", library, "true", NULL};

	if (!allocators[allocator].preload)
		return true;
	snprintf(library, sizeof(library), "LD_PRELOAD=%s", allocators[allocator].preload);
	if (!proc_capture(argv, out, sizeof(out)) && !out[0])
		return true;
	complain("%s is skipped: %s is not installed (%s)", allocators[allocator].name,
		 allocators[allocator].preload, allocators[allocator].package);
	return false;
}

/* How the program of a cell is started. */
static void launcher(struct trial_cell *c, size_t allocator)
{
	char path[PATH_LEN];

	root_path(path, "build/bin/tiermem");
	if (allocators[allocator].tiermem)
		trial_args(c, "%s run --conf= --dram 4G --pmem memfd:1G --", path);
	else if (allocators[allocator].preload)
		trial_args(c, "env LD_PRELOAD=%s", allocators[allocator].preload);
}

static struct trial_cell *new_cell(struct trial *t, const char *load, const char *threads, size_t allocator)
{
	struct trial_cell *c = &t->cell[t->n_cells++];

	c->label[0] = load;
	c->label[1] = threads;
	c->label[2] = allocators[allocator].name;
	return c;
}

static void add_trace(struct trial *t, const struct alloc_settings *s, const char *trace, const char *threads)
{
	char tmalloc[PATH_LEN], path[PATH_LEN], name[PATH_LEN];

	snprintf(name, sizeof(name), "workloads/tmalloc/traces/%s.csv", trace);
	root_path(path, name);
	root_path(tmalloc, "build/bin/tmalloc");
	for (size_t a = 0; a < COUNT(allocators); a++) {
		if (!use[a] || !alloc_uses(s, trace))
			continue;
		struct trial_cell *c = new_cell(t, trace, threads, a);

		launcher(c, a);
		trial_args(c, "%s --trace %s --threads %s --operations %lld", tmalloc, path, threads,
			   (long long)(s->operations ? s->operations : OPERATIONS_DEFAULT));
	}
}

/* The server's own allocator is jemalloc, too: as it is, and with others preloaded. */
static void add_redis(struct trial *t, const struct alloc_settings *s)
{
	char script[PATH_LEN], tmload[PATH_LEN];

	root_path(script, "workloads/tmalloc/redis.sh");
	root_path(tmload, "build/bin/tmload");
	for (size_t a = 0; a < COUNT(allocators); a++) {
		if (!use[a] || !alloc_uses(s, "redis-server"))
			continue;
		struct trial_cell *c = new_cell(t, "redis-server", "1", a);

		trial_args(c, "sh %s %s %lld", script, tmload, (long long)s->requests);
		if (strcmp(allocators[a].name, "jemalloc") != 0)
			launcher(c, a);
		trial_args(c, "redis-server");
	}
}

/* Medians against the first allocator's: pairs of the same round, so that what else the machine did is in both. */
static void ratios(const struct trial *t)
{
	printf("\nCPU time against jemalloc's, medians (least..most) of pairs:\n");
	for (int i = 0; i < t->n_cells; i++) {
		const struct trial_cell *c = &t->cell[i], *base = &t->cell[i - i % used];
		struct trial_cell ratio = {.n = c->n};
		struct trial_spread r;

		if (c == base)
			continue;
		for (int k = 0; k < c->n; k++)
			ratio.value[0][k] = c->value[CPU_NS][k] / base->value[CPU_NS][k];
		r = trial_spread(&ratio, 0);
		printf("  %-12s %s threads  %-9s %.3f (%.3f..%.3f)\n", c->label[0], c->label[1], c->label[2],
		       r.median, r.least, r.most);
	}
}

/* The native part: into DOC, or printed when that is NULL. 0 or an exit code. */
static int native(const struct alloc_settings *s, const char *out, int repeat, bool progress, json_t *doc)
{
	static struct trial t = {.labels = labels, .figures = figures, .n_figures = COUNT(figures)};
	int code;

	for (size_t a = 0; a < COUNT(allocators); a++)
		used += use[a] = installed(a);
	if (!use[0])
		return EXIT_FAIL; /* nothing to compare with */
	add_trace(&t, s, "redis", "1");
	add_trace(&t, s, "python", "1");
	add_trace(&t, s, "mariadb", "4");
	add_redis(&t, s);
	t.out = out;
	t.repeat = repeat;
	t.progress = progress;
	code = trial_run(&t);
	if (code)
		return code;
	if (doc) {
		json_object_set_new(doc, "native", trial_json(&t));
		return EXIT_OK;
	}
	printf("Everything in DRAM, medians (least..most) of %d runs in turn. Real time of this machine with "
	       "%d "
	       "processors: for ratios.\n\n",
	       repeat, proc_cpus());
	trial_print(&t);
	ratios(&t);
	return EXIT_OK;
}

int command_alloc(int argc, char **argv)
{
	struct alloc_settings s = {.trace = "all", .requests = 400000};
	const char *format = "human", *progress = "auto", *out = "results/alloc";
	char dir[PATH_LEN];
	const char *profile = "sim/profiles/optane-100.conf", *only = "both";
	int64_t repeat = 5;
	int missed = 0;
	bool enforce = false;
	json_t *doc;
	const struct option table[] = {
		{"only", OPT_CHOICE, &only, "native|simulated|both", "which part (both)", 0, 0},
		{"profile", OPT_TEXT, &profile, "FILE",
		 "of the simulated part (sim/profiles/optane-100.conf)", 0, 0},
		{"enforce", OPT_FLAG, &enforce, NULL, "exit status 3 when the simulated bound is missed", 0,
		 0},
		{"trace", OPT_CHOICE, &s.trace, "redis|python|mariadb|redis-server|all",
		 "the only load; redis-server is native only (all)", 0, 0},
		{"operations", OPT_INT, &s.operations, "N",
		 "of each thread of tmalloc (2000000; 600000 to 2000000 simulated)", 1000, 1000000000},
		{"requests", OPT_INT, &s.requests, "N", "to redis-server (400000)", 800, 1000000000},
		{"repeat", OPT_INT, &repeat, "N", "runs of each, in turn (5)", 1, TRIAL_REPEATS},
		{"out", OPT_TEXT, &out, "DIR", "where runs.csv and logs go (results/alloc)", 0, 0},
		{"progress", OPT_CHOICE, &progress, "auto|always|never", "a line on stderr for each run", 0,
		 0},
		{"format", OPT_CHOICE, &format, "human|json", "format of the report", 0, 0},
		{0},
	};
	int code = options_parse(table, "tmbench alloc [OPTION]...", argc, argv, NULL);

	if (code)
		return code;
	root_path(dir, out);
	doc = strcmp(format, "json") != 0 ? NULL : json_pack("{s:i}", "schema", 1);
	if (strcmp(only, "simulated") != 0)
		code = native(&s, dir, (int)repeat, options_progress(progress), doc);
	if (!code && strcmp(only, "native") != 0)
		code = alloc_simulated(&s, dir, profile, options_progress(progress), doc, &missed);
	if (doc && !code) {
		json_dumpf(doc, stdout, JSON_INDENT(1));
		printf("\n");
	}
	json_decref(doc);
	return code ? code : enforce && missed ? EXIT_MISSED : EXIT_OK;
}
