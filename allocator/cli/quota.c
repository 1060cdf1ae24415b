// tiermem quota: shows the DRAM quota of a running process, or changes it and waits until it holds.
#include "allocator/cli/cli.h"
#include "allocator/options.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define STEP_US	 50000
#define PATIENCE 60 // steps without progress

static void put_quota(const json_t *quota, char *text, size_t size)
{
	if (json_is_null(quota))
		snprintf(text, size, "unlimited");
	else
		snprintf(text, size, "%.1f MiB", json_number_value(quota) / 1048576);
}

static void show(json_t *root, const json_t *before, bool json)
{
	const json_t *tiers = json_object_get(root, "tiers"),
		     *quota = json_object_get(root, "dram_quota_bytes");
	const json_t *dram = json_object_get(tiers, "dram"), *pmem = json_object_get(tiers, "pmem");
	char now[64], was[64];

	if (json) {
		json_t *out = json_pack("{s:i, s:I, s:O, s:I, s:I, s:I}", "schema", 1, "pid",
					(json_int_t)cli_count(root, "pid"), "dram_quota_bytes", quota,
					"dram_bytes", (json_int_t)cli_count(dram, "bytes"), "pmem_bytes",
					(json_int_t)cli_count(pmem, "bytes"), "over_bytes",
					(json_int_t)cli_count(json_object_get(root, "quota"), "over_bytes"));
		json_dumpf(out, stdout, JSON_COMPACT);
		putchar('\n');
		json_decref(out);
		return;
	}
	put_quota(quota, now, sizeof(now));
	printf("quota %s", now);
	if (before) {
		put_quota(before, was, sizeof(was));
		printf(" (was %s)", was);
	}
	printf(", DRAM %.1f MiB, PMEM %.1f MiB\n", cli_mib(dram, "bytes"), cli_mib(pmem, "bytes"));
}

// Waits until nothing is over the quota, or nothing moves any more. Returns the last statistics, or NULL.
static json_t *settle(pid_t pid)
{
	long long least = -1;

	for (int idle = 0;; idle++) {
		json_t *root = cli_ask(pid, "stats", CLI_PATIENCE_S, NULL),
		       *quota = json_object_get(root, "quota");
		long long over = cli_count(quota, "over_bytes");
		if (!root || !over)
			return root;
		if (least < 0 || over < least) {
			least = over;
			idle = 0;
		}
		if (idle >= PATIENCE || (idle > 5 && json_is_string(json_object_get(quota, "why"))))
			return root;
		json_decref(root);
		usleep(STEP_US);
	}
}

int cli_quota(int argc, char **argv)
{
	const char *pid_text = NULL, *size = NULL;
	char request[64];
	bool json = false;
	uint64_t bytes;
	pid_t pid;
	int status = 0;

	for (int i = 1; i < argc; i++) {
		int no_format = cli_format(argc, argv, &i, &json);
		if (no_format == 2)
			return 2;
		if (!no_format)
			continue;
		if (argv[i][0] == '-' || size)
			return cli_error(2, "unexpected '%s'; usage: " CLI_USAGE_QUOTA, argv[i]);
		if (!pid_text)
			pid_text = argv[i];
		else
			size = argv[i];
	}
	if (!pid_text)
		return cli_error(2, "the process is missing; usage: " CLI_USAGE_QUOTA);
	if (!cli_pid(pid_text, &pid))
		return 2;
	if (size && !tm_parse_size(size, &bytes))
		return cli_error(2, "'%s' is not a size; give bytes, a number with K, M or G, or unlimited",
				 size);
	json_t *root = cli_ask(pid, "stats", CLI_PATIENCE_S, NULL), *before = NULL;
	if (root && size) {
		before = json_incref(json_object_get(root, "dram_quota_bytes"));
		json_decref(root);
		if (bytes == TM_UNLIMITED)
			snprintf(request, sizeof(request), "quota unlimited");
		else
			snprintf(request, sizeof(request), "quota %" PRIu64, bytes);
		root = cli_ask(pid, request, CLI_PATIENCE_S, NULL);
		json_decref(root);
		if (root)
			root = settle(pid);
	}
	if (!root) {
		json_decref(before);
		return cli_error(1, "%s", cli_why());
	}
	show(root, before, json);
	const json_t *quota = json_object_get(root, "quota");
	if (cli_count(quota, "over_bytes")) {
		const char *why = json_string_value(json_object_get(quota, "why"));
		status = cli_error(1, "the quota is set, but %.1f MiB more are in DRAM: %s",
				   cli_mib(quota, "over_bytes"), why ? why : "they are still moving");
	}
	json_decref(root);
	json_decref(before);
	return status;
}
