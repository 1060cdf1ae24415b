// tiermem stats: asks a running process for its statistics and shows them.
#include "allocator/cli/cli.h"

#include <stdio.h>

#define USAGE "tiermem stats PID [--format human|json]"

static void show(json_t *root)
{
	static const char *const names[] = {"dram", "pmem"};
	json_t *tiers = json_object_get(root, "tiers"), *pmem = json_object_get(root, "pmem"), *zone;
	json_t *migrations = json_object_get(root, "migrations"), *faults = json_object_get(root, "faults");
	json_t *quota = json_object_get(root, "dram_quota_bytes");
	size_t i;

	printf("%s (pid %lld), policy %s, granule %lld bytes\n",
	       json_string_value(json_object_get(root, "program")), cli_count(root, "pid"),
	       json_string_value(json_object_get(root, "policy")), cli_count(root, "granule_bytes"));
	printf("%-6s %12s %12s %12s\n", "tier", "MiB", "peak MiB", "limit MiB");
	for (i = 0; i < 2; i++) {
		json_t *tier = json_object_get(tiers, names[i]);
		printf("%-6s %12.1f %12.1f ", names[i], cli_mib(tier, "bytes"), cli_mib(tier, "peak_bytes"));
		if (i == 0 && json_is_null(quota))
			printf("%12s\n", "unlimited");
		else
			printf("%12.1f\n", i ? cli_mib(pmem, "bytes") : json_number_value(quota) / 1048576);
	}
	printf("pmem: %s %s\n", json_string_value(json_object_get(pmem, "kind")),
	       json_string_value(json_object_get(pmem, "path")));
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
}

int cli_stats(int argc, char **argv)
{
	const char *pid_text = NULL, *raw;
	bool json = false;
	pid_t pid;

	for (int i = 1; i < argc; i++) {
		int no_format = cli_format(argc, argv, &i, &json);
		if (no_format == 2)
			return 2;
		if (no_format && (argv[i][0] == '-' || pid_text))
			return cli_error(2, "unexpected '%s'; usage: " USAGE, argv[i]);
		if (no_format)
			pid_text = argv[i];
	}
	if (!pid_text)
		return cli_error(2, "the process is missing; usage: " USAGE);
	if (!cli_pid(pid_text, &pid))
		return 2;
	json_t *root = cli_ask(pid, "stats", &raw);
	if (!root)
		return 1;
	if (json)
		fputs(raw, stdout);
	else
		show(root);
	json_decref(root);
	return 0;
}
