/*
 * Which file and column of the published data belongs to which figure of tmprobe. In 04-bandwidth_thcount_optane.csv the
 * headers of the two write columns are swapped (see the other two files of that figure): column 2 is ntstore.
 */
#include "harness/validate.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define THREADS(id, title, file, column, vm, memory, op, plot)                                               \
	{                                                                                                    \
		id, title, file, column, vm, memory, "bandwidth", op, BY_THREADS, true, plot, 0, 0, {0},     \
			{0}, {0}, {{0}}, 0, 0, 0                                                             \
	}
#define MIX(id, title, column, vm, threads)                                                                  \
	{                                                                                                    \
		id, title, "17-numa.csv", column, vm, "pmem", "mix", "read+ntstore", BY_WRITES, false,       \
			"numa", threads, 0, {0}, {0}, {0}, {{0}}, 0, 0, 0                                    \
	}
#define LATENCY(id, title, column, memory)                                                                   \
	{                                                                                                    \
		id, title, "02-best_case_latency.csv", column, "six", memory, "latency", NULL, BY_NAME,      \
			true, "latency", 0, 0, {0}, {0}, {0}, {{0}}, 0, 0, 0                                 \
	}

struct curve curves[] = {
	LATENCY("latency-dram", "DRAM, idle latency", 1, "dram"),
	LATENCY("latency-optane", "Optane, idle latency", 3, "pmem"),
	THREADS("dram-read", "DRAM, read", "04-bandwidth_thcount_dram.csv", 1, "six", "dram", "read", "dram"),
	THREADS("dram-ntstore", "DRAM, ntstore", "04-bandwidth_thcount_dram.csv", 2, "six", "dram", "ntstore",
		"dram"),
	THREADS("dram-clwb", "DRAM, store + clwb", "04-bandwidth_thcount_dram.csv", 3, "six", "dram", "clwb",
		"dram"),
	THREADS("optane-read", "6 DIMMs, read", "04-bandwidth_thcount_optane.csv", 1, "six", "pmem", "read",
		"optane"),
	THREADS("optane-ntstore", "6 DIMMs, ntstore", "04-bandwidth_thcount_optane.csv", 2, "six", "pmem",
		"ntstore", "optane"),
	THREADS("optane-clwb", "6 DIMMs, store + clwb", "04-bandwidth_thcount_optane.csv", 3, "six", "pmem",
		"clwb", "optane"),
	THREADS("one-read", "1 DIMM, read", "04-bandwidth_thcount_optane_ni.csv", 1, "one", "pmem", "read",
		"one"),
	THREADS("one-ntstore", "1 DIMM, ntstore", "04-bandwidth_thcount_optane_ni.csv", 2, "one", "pmem",
		"ntstore", "one"),
	THREADS("one-clwb", "1 DIMM, store + clwb", "04-bandwidth_thcount_optane_ni.csv", 3, "one", "pmem",
		"clwb", "one"),
	{"amplification",
	 "write amplification by region",
	 "09-infer_xpbuffer.csv",
	 1,
	 "one",
	 "pmem",
	 "amplification",
	 "ntstore",
	 BY_BYTES,
	 true,
	 "amplification",
	 0,
	 0,
	 {0},
	 {0},
	 {0},
	 {{0}},
	 0,
	 0,
	 0},
	MIX("numa-local-1", "local, 1 thread", 1, "six", 1),
	MIX("numa-remote-1", "remote, 1 thread", 2, "remote", 1),
	MIX("numa-local-4", "local, 4 threads", 3, "six", 4),
	MIX("numa-remote-4", "remote, 4 threads", 4, "remote", 4),
};

const int n_curves = COUNT(curves);

/* tmprobe's name for a row of 02-best_case_latency.csv. */
static const char *const latency_rows[][2] = {
	{"Read\\Sequential", "read-sequential"},
	{"Read\\Random", "read-random"},
	{"Write\\(ntstore)", "ntstore"},
	{"Write\\(clwb)", "clwb"},
};

/* Share of writes in percent of a row of 17-numa.csv. */
static const struct {
	const char *name;
	double writes;
} mix_rows[] = {{"R:W (4:1)", 20}, {"R:W (3:1)", 25}, {"R:W (2:1)", 100 / 3.0},
		{"R:W (1:1)", 50}, {"R", 0},	      {"W", 100}};

/* Splits a line at its commas; returns the field, or NULL. */
static char *field(char *line, int column)
{
	while (line && column--) {
		line = strchr(line, ',');
		line = line ? line + 1 : NULL;
	}
	return line;
}

/* Reads where a row lies on the curve: x, or its name. 0, or -1 when the row is not of the curve. */
static int place(struct curve *c, const char *row)
{
	size_t i, len = strcspn(row, ",");

	if (c->by == BY_THREADS || c->by == BY_BYTES) {
		c->x[c->n] = atof(row);
		return c->by == BY_BYTES && c->x[c->n] < 1024 ? -1 : 0; /* from 1 KiB on */
	}
	for (i = 0; c->by == BY_NAME && i < COUNT(latency_rows); i++) {
		if (strlen(latency_rows[i][0]) == len && !strncmp(latency_rows[i][0], row, len)) {
			snprintf(c->label[c->n], sizeof(c->label[0]), "%s", latency_rows[i][1]);
			c->x[c->n] = (double)i;
			return 0;
		}
	}
	for (i = 0; c->by == BY_WRITES && i < COUNT(mix_rows); i++) {
		if (strlen(mix_rows[i].name) == len && !strncmp(mix_rows[i].name, row, len)) {
			c->x[c->n] = mix_rows[i].writes;
			return 0;
		}
	}
	return -1;
}

/* The measured points of a curve. */
static int read_measured(struct curve *c, const struct validation *v)
{
	char path[2 * PATH_LEN], *data, *save = NULL, *line;

	snprintf(path, sizeof(path), "%s/%s", v->data, c->file);
	data = read_file(path, NULL);
	if (!data) {
		complain("cannot read %s: %s", path, strerror(errno));
		return -1;
	}
	strtok_r(data, "\r\n", &save);
	while ((line = strtok_r(NULL, "\r\n", &save))) {
		const char *value = field(line, c->column);

		if (value && c->n < VALIDATE_POINTS && !place(c, line))
			c->measured[c->n++] = atof(value);
	}
	free(data);
	return 0;
}

const struct finding *finding_get(const struct findings *f, const char *vm, const char *memory,
				  const char *test, const char *op, int threads, double bytes, double writes)
{
	for (size_t i = 0; i < f->n; i++) {
		const struct finding *g = &f->v[i];

		if (!strcmp(g->vm, vm) && !strcmp(g->memory, memory) && !strcmp(g->test, test) &&
		    !strcmp(g->op, op) && (threads < 0 || g->threads == threads) &&
		    (bytes < 0 || g->bytes == bytes) && (writes < 0 || fabs(g->writes - writes) < 0.1))
			return g;
	}
	return NULL;
}

/* What was simulated for point i of a curve; NULL when it was not. */
static const struct finding *simulated(const struct curve *c, const struct findings *f, int i)
{
	switch (c->by) {
	case BY_THREADS:
		return finding_get(f, c->vm, c->memory, c->test, c->op, (int)c->x[i], -1, -1);
	case BY_BYTES:
		return finding_get(f, c->vm, c->memory, c->test, c->op, -1, c->x[i], -1);
	case BY_WRITES:
		return finding_get(f, c->vm, c->memory, c->test, c->op, c->threads, -1, c->x[i]);
	default:
		return finding_get(f, c->vm, c->memory, c->test, c->label[i], -1, -1, -1);
	}
}

/* Keeps the points that were simulated too (fewer vCPUs: fewer threads), and takes the errors. */
static void compare(struct curve *c, const struct findings *f)
{
	int kept = 0;

	c->mean = c->worst = 0;
	for (int i = 0; i < c->n; i++) {
		const struct finding *g = simulated(c, f, i);
		double error;

		if (!g)
			continue;
		c->x[kept] = c->x[i];
		c->measured[kept] = c->measured[i];
		memmove(c->label[kept], c->label[i], sizeof(c->label[0]));
		c->simulated[kept] = c->by == BY_BYTES ? g->amplification : g->value;
		error = fabs(c->simulated[kept] / c->measured[kept] - 1);
		c->mean += error;
		if (error > c->worst) {
			c->worst = error;
			c->worst_at = kept;
		}
		kept++;
	}
	c->n = kept;
	c->mean /= kept ? kept : 1;
}

int curves_compare(const struct validation *v, const struct findings *f)
{
	for (int i = 0; i < n_curves && v->have_data; i++) {
		if (read_measured(&curves[i], v))
			return -1;
		compare(&curves[i], f);
		if (!curves[i].n) {
			complain("nothing was simulated that belongs to %s, column %d", curves[i].file,
				 curves[i].column);
			return -1;
		}
	}
	return 0;
}

bool curve_holds(const struct curve *c)
{
	return c->mean <= BOUND_MEAN && c->worst <= BOUND_WORST;
}

/* A profile's key as the first VM had it; 0 when there is none. */
static double finding_setting(const struct findings *f, const char *key)
{
	for (size_t i = 0; i < f->n_settings; i++)
		if (!strcmp(f->settings[i].key, key))
			return f->settings[i].value;
	return 0;
}

/* A figure of a tier: "dram" and "nt_ns" is dram_nt_ns. */
static double tier_setting(const struct findings *f, const char *tier, const char *key)
{
	char name[64];

	snprintf(name, sizeof(name), "%s_%s", tier, key);
	return finding_setting(f, name);
}

/* What the profile says of one core or of one access, with the remote link that the tier may be behind. */
static double expected(const struct findings *f, const char *tier, const char *key)
{
	double value = tier_setting(f, tier, key), remote = tier_setting(f, tier, "remote_ns");
	double random = tier_setting(f, tier, "random_ns");

	return strstr(key, "_gbps") ? value * random / (random + remote) : value + remote;
}

/* One DIMM's most, of what `limit` and the remote link let through and the threads ask for. */
static bool add_highest(const struct findings *f, const char *what, const char *op, const char *core,
			const char *limit, const char *remote, struct own_figure *out)
{
	double most = 0, want = tier_setting(f, "pmem", limit), link = tier_setting(f, "pmem", remote);
	int threads = 0;

	for (size_t i = 0; i < f->n; i++) {
		const struct finding *g = &f->v[i];

		if (strcmp(g->vm, "one") || strcmp(g->test, "bandwidth") || strcmp(g->op, op))
			continue;
		most = g->value > most ? g->value : most;
		threads = g->threads > threads ? g->threads : threads;
	}
	want = link > 0 && link < want ? link : want;
	if (threads * expected(f, "pmem", core) < want)
		want = threads * expected(f, "pmem", core);
	*out = (struct own_figure){what, want, most, 0.05};
	return threads > 0;
}

int own_figures(const struct findings *f, struct own_figure *out)
{
	static const struct {
		const char *what, *tier, *key, *test, *op;
	} rows[] = {
		{"random read latency, DRAM, ns", "dram", "random_ns", "latency", "read-random"},
		{"sequential read latency, DRAM, ns", "dram", "sequential_ns", "latency", "read-sequential"},
		{"ntstore latency, DRAM, ns", "dram", "nt_ns", "latency", "ntstore"},
		{"store + clwb latency, DRAM, ns", "dram", "clwb_ns", "latency", "clwb"},
		{"random read latency, PMEM, ns", "pmem", "random_ns", "latency", "read-random"},
		{"sequential read latency, PMEM, ns", "pmem", "sequential_ns", "latency", "read-sequential"},
		{"ntstore latency, PMEM, ns", "pmem", "nt_ns", "latency", "ntstore"},
		{"store + clwb latency, PMEM, ns", "pmem", "clwb_ns", "latency", "clwb"},
		{"one thread reads, DRAM, GB/s", "dram", "core_read_gbps", "bandwidth", "read"},
		{"one thread, ntstore, DRAM, GB/s", "dram", "core_write_gbps", "bandwidth", "ntstore"},
		{"one thread, store + clwb, DRAM, GB/s", "dram", "core_clwb_gbps", "bandwidth", "clwb"},
		{"one thread reads, PMEM, GB/s", "pmem", "core_read_gbps", "bandwidth", "read"},
		{"one thread, ntstore, PMEM, GB/s", "pmem", "core_write_gbps", "bandwidth", "ntstore"},
		{"one thread, store + clwb, PMEM, GB/s", "pmem", "core_clwb_gbps", "bandwidth", "clwb"},
	};
	const double overhead = tier_setting(f, "pmem", "media_overhead");
	const double halves = tier_setting(f, "pmem", "whole_lines") > 0 ? 2 : 1;
	const struct finding *g;
	int n = 0;

	for (size_t i = 0; i < COUNT(rows); i++) {
		g = finding_get(f, "six", rows[i].tier, rows[i].test, rows[i].op, 1, -1, -1);
		if (g)
			out[n++] = (struct own_figure){rows[i].what, expected(f, rows[i].tier, rows[i].key),
						       g->value, 0.05};
	}
	n += add_highest(f, "most that one DIMM reads, GB/s", "read", "core_read_gbps", "link_read_gbps",
			 "remote_read_gbps", &out[n]);
	n += add_highest(f, "most that one DIMM writes, ntstore, GB/s", "ntstore", "core_write_gbps",
			 "media_write_gbps", "remote_write_gbps", &out[n]);
	g = finding_get(f, "one", "pmem", "amplification", "ntstore", -1, 8192, -1);
	if (g)
		out[n++] = (struct own_figure){"amplification within the buffer", overhead, g->amplification,
					       0.02};
	g = finding_get(f, "one", "pmem", "amplification", "ntstore", -1, 1 << 20, -1);
	if (g)
		out[n++] = (struct own_figure){"amplification far beyond it, halves of lines",
					       halves * overhead, g->amplification, 0.02};
	return n;
}
