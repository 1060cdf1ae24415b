// tiermem stats: asks a running process for its statistics and shows them.
#include "allocator/cli/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BAR 40

// One line of the histogram: #, granules in DRAM, and +, in PMEM.
static void show_bar(const char *name, const json_t *o, long long most)
{
	long long dram = cli_count(o, "dram"), pmem = cli_count(o, "pmem");
	int a = (int)(dram * BAR / most), b = (int)((dram + pmem) * BAR / most) - a;

	printf("  %-9s %9lld %9lld  %.*s%.*s\n", name, dram, pmem, a,
	       "########################################", b, "++++++++++++++++++++++++++++++++++++++++");
}

static void show_heat(const json_t *heat)
{
	static const char *const names[] = {"1/8, less", "1/4", "1/2", "average", "2", "4", "8, more"};
	const json_t *known = json_object_get(heat, "known"), *unknown = json_object_get(heat, "unknown");
	long long most = cli_count(unknown, "dram") + cli_count(unknown, "pmem");
	size_t n = json_array_size(known), i;

	if (!n)
		return;
	for (i = 0; i < n; i++) {
		const json_t *o = json_array_get(known, i);
		long long sum = cli_count(o, "dram") + cli_count(o, "pmem");
		most = sum > most ? sum : most;
	}
	most = most ? most : 1;
	printf("  %-9s %9s %9s  granules of values and mappings (# dram, + pmem)\n", "heat", "dram", "pmem");
	for (i = n; i-- > 0;)
		show_bar(i < sizeof(names) / sizeof(names[0]) ? names[i] : "?", json_array_get(known, i),
			 most);
	show_bar("unknown", unknown, most);
}

static void show_capture(const json_t *captured)
{
	double in = cli_mib(captured, "heap_bytes") + cli_mib(captured, "mmap_bytes"), out = cli_mib(captured, "missed_bytes");

	if (json_object_get(captured, "missed_bytes"))
		printf("captured: %.1f MiB, %.1f %%; not: %.1f MiB, and %.1f of stacks, %.1f of .bss\n", in,
		       in + out > 0 ? 100 * in / (in + out) : 0, out, cli_mib(captured, "stack_bytes"),
		       cli_mib(captured, "bss_bytes"));
}

// What all processes on the same PMEM hold together.
static void show_pool(const json_t *pool)
{
	const json_t *limit = json_object_get(pool, "dram_limit_bytes");

	if (cli_count(pool, "processes") < 2 && json_is_null(limit))
		return;
	printf("pool: %lld processes with %.1f MiB of DRAM", cli_count(pool, "processes"), cli_mib(pool, "dram_bytes"));
	if (!json_is_null(limit))
		printf(" of %.1f", json_number_value(limit) / 1048576);
	printf(" together, %.1f MiB of PMEM free\n", cli_mib(pool, "pmem_free_bytes"));
}

// The source of heat, what it costs, and why it is not another.
static void show_tracking(const json_t *tracking)
{
	const char *name;
	json_t *why;

	printf("tracking: %s, %lld samples of heat, %.1f ms of CPU\n", json_string_value(json_object_get(tracking, "source")),
	       cli_count(tracking, "samples"), (double)cli_count(tracking, "cpu_ns") / 1e6);
	json_object_foreach(json_object_get(tracking, "not"), name, why)
		printf("  not %s: %s\n", name, json_string_value(why));
}

// Size classes whose new values are placed by what has been learned of them.
static void show_classes(const json_t *classes)
{
	static const char *const tiers[] = {"dram", "pmem"};
	const json_t *class;
	size_t i;

	for (int t = 0; t < 2; t++) {
		bool any = false;

		json_array_foreach(classes, i, class)
		{
			if (strcmp(json_string_value(json_object_get(class, "new")), tiers[t]) != 0)
				continue;
			printf(any ? ", %lld" : t ? "new values for pmem, by size: %lld" : "new values for dram, by size: %lld",
			       cli_count(class, "bytes"));
			any = true;
		}
		if (any)
			printf(" bytes\n");
	}
}

void cli_show_stats(const json_t *root)
{
	static const char *const names[] = {"dram", "pmem"};
	const json_t *tiers = json_object_get(root, "tiers"), *pmem = json_object_get(root, "pmem"), *zone;
	const json_t *migrations = json_object_get(root, "migrations"),
		     *faults = json_object_get(root, "faults"), *forks = json_object_get(root, "fork");
	const json_t *quota = json_object_get(root, "dram_quota_bytes"),
		     *change = json_object_get(root, "quota");
	const char *why = json_string_value(json_object_get(change, "why"));
	size_t i;

	printf("%s (pid %lld), policy %s, granule %lld bytes\n",
	       json_string_value(json_object_get(root, "program")), cli_count(root, "pid"),
	       json_string_value(json_object_get(root, "policy")), cli_count(root, "granule_bytes"));
	printf("%-6s %12s %12s %12s\n", "tier", "MiB", "peak MiB", "limit MiB");
	for (i = 0; i < 2; i++) {
		const json_t *tier = json_object_get(tiers, names[i]);
		printf("%-6s %12.1f %12.1f ", names[i], cli_mib(tier, "bytes"), cli_mib(tier, "peak_bytes"));
		if (i == 0 && json_is_null(quota))
			printf("%12s\n", "unlimited");
		else
			printf("%12.1f\n", i ? cli_mib(pmem, "bytes") : json_number_value(quota) / 1048576);
	}
	printf("pmem: %s %s", json_string_value(json_object_get(pmem, "kind")),
	       json_string_value(json_object_get(pmem, "path")));
	if (cli_count(pmem, "devices") > 1)
		printf(", %lld devices, interleaved by %.1f MiB", cli_count(pmem, "devices"), cli_mib(pmem, "stripe_bytes"));
	printf("\n");
	show_pool(json_object_get(root, "pool"));
	printf("%-8s %14s %14s %14s\n", "zone", "dram granules", "pmem granules", "touches/s");
	json_array_foreach(json_object_get(root, "zones"), i, zone)
	{
		printf("%-8s %14lld %14lld %14.2f\n", json_string_value(json_object_get(zone, "name")),
		       cli_count(zone, "dram_granules"), cli_count(zone, "pmem_granules"),
		       json_number_value(json_object_get(zone, "heat")));
	}
	printf("migrations: %lld promoted, %lld demoted, %lld failed\n", cli_count(migrations, "promoted"),
	       cli_count(migrations, "demoted"), cli_count(migrations, "failed"));
	printf("faults: %lld first touch, %lld hint, %lld waited\n", cli_count(faults, "first_touch"),
	       cli_count(faults, "hint"), cli_count(faults, "waited"));
	if (cli_count(forks, "shared_bytes") || cli_count(forks, "copied_bytes"))
		printf("fork: %.1f MiB shared with children, %.1f copied\n", cli_mib(forks, "shared_bytes"), cli_mib(forks, "copied_bytes"));
	printf("memory: %.1f MiB spilled for want of DRAM, %.1f pinned, %.1f of tiermem's own tables\n",
	       cli_mib(json_object_get(root, "pressure"), "spilled_bytes"),
	       cli_mib(json_object_get(root, "pressure"), "pinned_bytes"), cli_mib(root, "metadata_bytes"));
	show_capture(json_object_get(root, "captured"));
	printf("quota: changed %lld times", cli_count(change, "changes"));
	if (cli_count(change, "over_bytes"))
		printf(", %.1f MiB over it%s%s", cli_mib(change, "over_bytes"), why ? ": " : "",
		       why ? why : "");
	printf("\n");
	show_tracking(json_object_get(root, "tracking"));
	show_classes(json_object_get(root, "classes"));
	show_heat(json_object_get(root, "heat"));
}

// A number that the user gave; false: it is none in the range.
static bool number(const char *text, double least, double most, double *out)
{
	char *end;

	*out = strtod(text, &end);
	return end != text && !*end && *out >= least && *out <= most;
}

int cli_stats(int argc, char **argv)
{
	const char *pid_text = NULL, *raw;
	bool json = false, capture = false;
	double watch = 0, count = 0;
	pid_t pid;

	for (int i = 1; i < argc; i++) {
		int no_format = cli_format(argc, argv, &i, &json);
		if (no_format == 2)
			return 2;
		if (!no_format)
			continue;
		if (!strcmp(argv[i], "--watch")) { // its value is optional: what follows may be the process
			watch = 2;
			if (pid_text && i + 1 < argc && argv[i + 1][0] != '-' &&
			    !number(argv[++i], 0.05, 86400, &watch))
				return cli_error(2, "'%s' is not a number of seconds from 0.05 to 86400",
						 argv[i]);
		} else if (!strncmp(argv[i], "--watch=", 8)) {
			if (!number(argv[i] + 8, 0.05, 86400, &watch))
				return cli_error(2, "'%s' is not a number of seconds from 0.05 to 86400",
						 argv[i] + 8);
		} else if (!strcmp(argv[i], "--capture")) {
			capture = true;
		} else if (!strcmp(argv[i], "--count")) {
			if (i + 1 >= argc || !number(argv[++i], 1, 1e9, &count) ||
			    count != (double)(long)count)
				return cli_error(2, "--count needs a number from 1 on");
		} else if (argv[i][0] == '-' || pid_text) {
			return cli_error(2, "unexpected '%s'; usage: " CLI_USAGE_STATS, argv[i]);
		} else {
			pid_text = argv[i];
		}
	}
	if (!pid_text)
		return cli_error(2, "the process is missing; usage: " CLI_USAGE_STATS);
	if (!cli_pid(pid_text, &pid))
		return 2;
	if (capture && (watch > 0 || count > 0))
		return cli_error(2, "--capture is for one look: it costs the process too much to be repeated");
	if (watch > 0 || count > 0)
		return cli_watch(pid, watch > 0 ? watch : 2, (long)count, json);
	json_t *root = cli_ask(pid, capture ? "stats capture" : "stats", CLI_PATIENCE_S, &raw);
	if (!root)
		return cli_error(1, "%s", cli_why());
	if (json)
		fputs(raw, stdout);
	else
		cli_show_stats(root);
	json_decref(root);
	return 0;
}
