/* The profile of this machine: sim/profiles/dram-only.conf with what was measured put in, each key with where it is from. */
#include "harness/host.h"
#include "harness/table.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define TEMPLATE "sim/profiles/dram-only.conf"

/* The instruction's price until tmloop's instructions are counted. */
static const double DRAFT_NS = 0.3;

struct key {
	const char *name;
	double value;
	char source[160];
};

struct keys {
	struct key v[32];
	int n;
};

static void add(struct keys *k, const char *name, double value, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

static void add(struct keys *k, const char *name, double value, const char *fmt, ...)
{
	struct key *key = &k->v[k->n++];
	va_list ap;

	*key = (struct key){.name = name, .value = value};
	va_start(ap, fmt);
	vsnprintf(key->source, sizeof(key->source), fmt, ap);
	va_end(ap);
}

/* A key that is one of tmprobe's figures, no less than `least`. */
static void add_figure(struct keys *k, const struct host_calibration *c, const char *name, const char *figure,
		       double least, const char *what)
{
	const struct host_figure *f = host_get(c, figure);
	double median, spread;

	if (!f)
		return;
	spread = host_spread(f->v, f->n, &median);
	add(k, name, fmax(median, least), "[M] tmprobe, %s: median of %d, spread %.0f %%", what, f->n,
	    spread * 100);
}

/* The caches that tmprobe's curve shows. 0 or -1. */
static int fit(const struct host_calibration *c, struct host_caches *out)
{
	double bytes[32], ns[32];
	int n = 0;

	for (double b = 4096; b <= 64 << 20; b *= 2) {
		char name[40];

		snprintf(name, sizeof(name), "chase-%.0f", b);
		if (!host_get(c, name))
			continue;
		bytes[n] = b;
		ns[n++] = fmax(host_median(c, name), 0);
	}
	*out = (struct host_caches){.l1_kib = host_median(c, "l1_kib"), .l2_kib = host_median(c, "l2_kib")};
	return host_fit(bytes, ns, n, host_median(c, "l2_ways"), host_median(c, "llc_ways"), out);
}

/* What the calibration says. 0, or -1 after saying what is missing. */
static int make_keys(const struct host_calibration *c, struct keys *k)
{
	struct host_caches caches;
	double ns = host_instruction_ns(c, "program"), system_ns = host_instruction_ns(c, "system");

	if (fit(c, &caches)) {
		complain("the calibration has no latency curve (chase-4096 and so on, l2_ways, llc_ways) "
			 "that caches explain");
		return -1;
	}
	add(k, "ns_per_instruction", ns > 0 ? ns : DRAFT_NS, "%s",
	    ns > 0 ? "[M] tmloop: mean of the programs' kernels, without their cache misses"
		   : "[D] a draft, for counting instructions");
	if (system_ns > 0)
		add(k, "system_ns_per_instruction", system_ns,
		    "[M] tmloop: mean of the system's kernels, likewise");
	if (host_wake_ns(c, system_ns) > 0)
		add(k, "wake_ns", host_wake_ns(c, system_ns),
		    "[M] tmloop, wake: a quarter of an exchange between two CPUs, beyond its instructions and stalls");
	add(k, "l1_kib", caches.l1_kib, "%s",
	    host_median(c, "l1_kib") > 0 ? "[C] as the CPU says" : "[M] as l2_hit_ns");
	add(k, "l2_kib", caches.l2_kib, "%s",
	    host_median(c, "l2_kib") > 0 ? "[C] as the CPU says" : "[M] as l2_hit_ns");
	add(k, "l2_ways", host_median(c, "l2_ways"), "[C] as the CPU says");
	add(k, "l2_hit_ns", caches.l2_ns,
	    "[M] tmprobe, chase: what fits the curve best (%.0f %% error); with TLB misses of 4 KiB pages",
	    caches.error * 100);
	add(k, "llc_kib", caches.llc_kib, "[M] as l2_hit_ns: what other users of the machine leave of it");
	add(k, "llc_ways", host_median(c, "llc_ways"), "[C] as the CPU says");
	add(k, "llc_hit_ns", caches.llc_ns, "[M] as l2_hit_ns");
	add(k, "dram_random_ns", caches.dram_ns, "[M] as l2_hit_ns");
	add(k, "dram_sequential_ns", caches.dram_ns,
	    "[D] as random: the prefetcher, which cannot be turned off, hides what a row buffer saves");
	add_figure(k, c, "dram_nt_ns", "latency-ntstore", 0, "ntstore and a fence");
	add_figure(k, c, "dram_clwb_ns", "latency-clwb", 0, "store, clwb and a fence");
	add_figure(k, c, "dram_core_read_gbps", "bandwidth-read", 0.01, "one thread reads");
	add_figure(k, c, "dram_core_write_gbps", "bandwidth-ntstore", 0.01, "one thread, ntstore");
	add_figure(k, c, "dram_core_clwb_gbps", "bandwidth-clwb", 0.01, "one thread, store and clwb");
	return 0;
}

/* The key of a template's name; the second tier has the figures of the first. */
static const struct key *find(const struct keys *k, const char *name)
{
	char as_dram[80];

	snprintf(as_dram, sizeof(as_dram), "%s%s", strncmp(name, "pmem_", 5) ? "" : "dram_",
		 name + (strncmp(name, "pmem_", 5) ? 0 : 5));
	for (int i = 0; i < k->n; i++)
		if (!strcmp(k->v[i].name, as_dram))
			return &k->v[i];
	return NULL;
}

static void write_keys(struct text *t, char *template, const struct keys *k)
{
	char *save = NULL, name[64], value[64];
	bool defaults = false;

	text_add(t, "; This machine, by tmbench host. [M] measured by tmprobe and tmloop, natively; [C] what "
		    "the CPU says of itself;\n"
		    "; [D] a default of " TEMPLATE ", which has its source. No figure is of a workload.\n\n"
		    "[profile]\nname = this-host\n");
	for (char *line = strtok_r(template, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		const struct key *key;

		if (line[0] == '[' && strcmp(line, "[profile]") != 0)
			text_add(t, "\n%s\n", line);
		defaults = defaults && line[0] != '[';
		if (line[0] == '[' || line[0] == ';' || sscanf(line, "%63s = %63s", name, value) != 2 ||
		    !strcmp(name, "name"))
			continue;
		key = find(k, name);
		if (!key)
			text_add(t, "%s%s = %s\n", defaults ? "" : "; [D]\n", name, value);
		else
			text_add(t, "; %s\n%s = %.5g\n", key->source, name, key->value);
		defaults = !key;
		/* No other profile has these. */
		for (int i = 0; i < 2 && !strcmp(name, "ns_per_instruction"); i++) {
			key = find(k, (const char *const[]){"system_ns_per_instruction", "wake_ns"}[i]);
			if (key)
				text_add(t, "; %s\n%s = %.5g\n", key->source, key->name, key->value);
		}
	}
}

static void print_keys(const struct keys *k, const struct host_calibration *c)
{
	static const char *heads[] = {"tmloop's kernel",   "code of",	   "ns",
				      "spread %",	   "instructions", "stall ns",
				      "ns per instruction"};
	struct table t = {.columns = 3};
	const char *of;

	for (int i = 0; i < 3; i++)
		table_cell(&t, BOLD, "%s", (const char *const[]){"key", "value", "from"}[i]);
	for (int i = 0; i < k->n; i++) {
		table_cell(&t, PLAIN, "%s", k->v[i].name);
		table_cell(&t, PLAIN, "%.4g", k->v[i].value);
		table_cell(&t, PLAIN, "%s", k->v[i].source);
	}
	table_print(&t);
	printf("\n");
	t = (struct table){.columns = COUNT(heads)};
	for (size_t i = 0; i < COUNT(heads); i++)
		table_cell(&t, BOLD, "%s", heads[i]);
	for (int i = 0; host_kernel(i, &of); i++) {
		const struct host_figure *f;
		char name[64];
		double v[3] = {0}, spread = 0;

		for (int j = 0; j < 3; j++) {
			snprintf(name, sizeof(name), "%s-%s",
				 (const char *const[]){"loop", "instructions", "stall"}[j],
				 host_kernel(i, &of));
			f = host_get(c, name);
			if (f && !j)
				spread = host_spread(f->v, f->n, NULL);
			v[j] = host_median(c, name);
		}
		if (v[0] <= 0 || v[1] <= 0)
			continue;
		table_cell(&t, PLAIN, "%s", host_kernel(i, &of));
		table_cell(&t, PLAIN, "%s", of);
		table_cell(&t, PLAIN, "%.5g", v[0]);
		table_cell(&t, PLAIN, "%.0f", spread * 100);
		table_cell(&t, PLAIN, "%.5g", v[1]);
		table_cell(&t, PLAIN, "%.3g", v[2]);
		table_cell(&t, PLAIN, "%.3f", (v[0] - v[2]) / v[1]);
	}
	if (t.n > t.columns) {
		table_print(&t);
		printf("\n");
	}
	t = (struct table){.columns = 3};
	for (int i = 0; i < 3; i++)
		table_cell(&t, BOLD, "%s",
			   (const char *const[]){"chase, KiB", "native ns", "simulated ns"}[i]);
	for (double b = 4096; b <= 64 << 20; b *= 2) {
		char name[2][40];

		snprintf(name[0], sizeof(name[0]), "chase-%.0f", b);
		snprintf(name[1], sizeof(name[1]), "simulated-%.0f", b);
		if (!host_get(c, name[0]))
			continue;
		table_cell(&t, PLAIN, "%.0f", b / 1024);
		table_cell(&t, PLAIN, "%.1f", host_median(c, name[0]));
		if (host_get(c, name[1]))
			table_cell(&t, PLAIN, "%.1f", host_median(c, name[1]));
		else
			table_cell(&t, PLAIN, "-");
	}
	table_print(&t);
}

int host_profile_write(const struct host *h, bool print)
{
	struct keys keys = {0};
	struct text t = {0};
	char path[PATH_LEN], *template;
	int err;

	if (make_keys(&h->cal, &keys))
		return -1;
	root_path(path, TEMPLATE);
	template = read_file(path, NULL);
	if (!template) {
		complain("cannot read %s: %s", path, strerror(errno));
		return -1;
	}
	write_keys(&t, template, &keys);
	free(template);
	err = write_file(h->profile, t.s, t.len, 0644);
	text_free(&t);
	if (err) {
		complain("cannot write %s: %s", h->profile, strerror(-err));
		return -1;
	}
	if (print)
		print_keys(&keys, &h->cal);
	return 0;
}
