/* tmbench migrate (make bench-migrate): how fast tiermem moves memory, and how long the program waits meanwhile. */
#include "harness/commands.h"
#include "harness/options.h"
#include "harness/proc.h"
#include "harness/trial.h"

#include <string.h>
#include <unistd.h>

static const char *const labels[] = {"granule", "batch", "order", "program", NULL};

static const struct trial_figure figures[] = {
	{"demote.gb_s", "demote GB/s", "%.2f"},
	{"demote.granule_us", "us/granule", "%.3g"},
	{"demote.access.p50_us", "access p50 us", "%.2f"},
	{"demote.access.p99_us", "p99", "%.3g"},
	{"demote.access.max_us", "max", "%.0f"},
	{"promote.gb_s", "promote GB/s", "%.2f"},
	{"promote.granule_us", "us/granule", "%.3g"},
	{"promote.access.p50_us", "access p50 us", "%.2f"},
	{"promote.access.p99_us", "p99", "%.3g"},
	{"promote.access.max_us", "max", "%.0f"},
	{"still.p50_us", "still p50 us", "%.2f"},
	{"still.p99_us", "p99", "%.3g"},
	{"still.max_us", "max", "%.0f"},
	{"mappings", "mappings", "%.0f"},
};

/* How batches follow each other: what neighbours and merged mappings are worth. */
static const struct {
	const char *batch, *order; /* batch NULL: a granule */
} ways[] = {{"2M", "linear"}, {NULL, "linear"}, {NULL, "random"}};

/* What the program does meanwhile: touches the memory now and then, or all the time by all processors but one. */
static const struct {
	const char *name;
	unsigned pause_us;
} programs[] = {{"idle", 50}, {"load", 0}};

struct settings {
	const char *pmem, *size;
	int64_t seconds, threads;
};

static void add(struct trial *t, const struct settings *s, const char *granule, size_t way, size_t program)
{
	struct trial_cell *c = &t->cell[t->n_cells++];
	const char *batch = ways[way].batch ? ways[way].batch : granule;
	char tiermem[PATH_LEN], tmmove[PATH_LEN];

	root_path(tiermem, "build/bin/tiermem");
	root_path(tmmove, "build/bin/tmmove");
	c->label[0] = granule;
	c->label[1] = batch;
	c->label[2] = ways[way].order;
	c->label[3] = programs[program].name;
	trial_args(c, "%s run --conf= --policy static --dram unlimited --pmem %s --granule %s --", tiermem,
		   s->pmem, granule);
	trial_args(c, "%s --size %s --batch %s --order %s --seconds %lld --threads %lld --pause %u", tmmove,
		   s->size, batch, ways[way].order, (long long)s->seconds,
		   (long long)(programs[program].pause_us ? 1 : s->threads), programs[program].pause_us);
}

int command_migrate(int argc, char **argv)
{
	static const char *const granules[] = {"4K", "64K", "2M"};
	static struct trial t = {.labels = labels, .figures = figures, .n_figures = COUNT(figures)};
	struct settings s = {.pmem = "memfd:1G", .size = "128M", .seconds = 2};
	const char *format = "human", *progress = "auto", *out = "results/migrate";
	char dir[PATH_LEN];
	int64_t repeat = 3;
	const struct option table[] = {
		{"pmem", OPT_TEXT, &s.pmem, "PATH|memfd:SIZE", "as of `tiermem run` (memfd:1G: no device)", 0,
		 0},
		{"size", OPT_TEXT, &s.size, "BYTES", "memory that moves, a multiple of 2M (128M)", 0, 0},
		{"seconds", OPT_INT, &s.seconds, "S", "of each run (2)", 1, 3600},
		{"threads", OPT_INT, &s.threads, "N", "of the load (processors - 1)", 1, 64},
		{"repeat", OPT_INT, &repeat, "N", "runs of each (3)", 1, TRIAL_REPEATS},
		{"out", OPT_TEXT, &out, "DIR", "where runs.csv and logs go (results/migrate)", 0, 0},
		{"progress", OPT_CHOICE, &progress, "auto|always|never", "a line on stderr for each run", 0,
		 0},
		{"format", OPT_CHOICE, &format, "human|json", "format of the report", 0, 0},
		{0},
	};
	int code = options_parse(table, "tmbench migrate [OPTION]...", argc, argv, NULL);

	if (code)
		return code;
	if (!s.threads)
		s.threads = proc_cpus() > 1 ? proc_cpus() - 1 : 1;
	if (s.threads > 64)
		s.threads = 64;
	for (size_t g = 0; g < COUNT(granules); g++)
		for (size_t w = 0; w < COUNT(ways); w++)
			for (size_t p = 0; p < COUNT(programs); p++)
				if (strcmp(granules[g], "2M") != 0 ||
				    !ways[w].batch) /* a batch is one granule */
					add(&t, &s, granules[g], w, p);
	root_path(dir, out);
	t.out = dir;
	t.repeat = (int)repeat;
	t.progress = options_progress(progress);
	code = trial_run(&t);
	if (code)
		return code;
	if (!strcmp(format, "json")) {
		json_t *doc = json_pack("{s:i, s:o}", "schema", 1, "cells", trial_json(&t));

		json_dumpf(doc, stdout, JSON_INDENT(1));
		printf("\n");
		json_decref(doc);
		return EXIT_OK;
	}
	printf("Moving %s on %s, medians (least..most) of %lld runs. Real time of this machine with %d "
	       "processors: for ratios.\nidle: a thread touches what moves every 50 us or more; load: "
	       "%lld without a pause; still: while nothing moves\n\n",
	       s.size, s.pmem, (long long)repeat, proc_cpus(), (long long)s.threads);
	trial_print(&t);
	return EXIT_OK;
}
