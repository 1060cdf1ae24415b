// tiermem stats: asks a running process for its statistics and shows them.
#include "allocator/cli/cli.h"
#include "allocator/control.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

// Connects to a process; -1: it has no control socket, or not for us.
static int reach(pid_t pid, uid_t owner)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct timeval limit = {.tv_sec = 5};
	char directory[108];

	for (int n = 0; tm_control_path(n, owner, pid, directory, address.sun_path, sizeof(address.sun_path));
	     n++) {
		int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
		if (!connect(fd, (struct sockaddr *)&address, sizeof(address)))
			return fd;
		close(fd);
	}
	return -1;
}

static double megabytes(json_t *object, const char *key)
{
	return json_number_value(json_object_get(object, key)) / 1048576;
}

static long long count(json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

static void show(json_t *root)
{
	static const char *const names[] = {"dram", "pmem"};
	json_t *tiers = json_object_get(root, "tiers"), *pmem = json_object_get(root, "pmem"), *zone;
	json_t *migrations = json_object_get(root, "migrations"), *faults = json_object_get(root, "faults");
	json_t *quota = json_object_get(root, "dram_quota_bytes");
	size_t i;

	printf("%s (pid %lld), policy %s, granule %lld bytes\n",
	       json_string_value(json_object_get(root, "program")), count(root, "pid"),
	       json_string_value(json_object_get(root, "policy")), count(root, "granule_bytes"));
	printf("%-6s %12s %12s %12s\n", "tier", "MiB", "peak MiB", "limit MiB");
	for (i = 0; i < 2; i++) {
		json_t *tier = json_object_get(tiers, names[i]);
		printf("%-6s %12.1f %12.1f ", names[i], megabytes(tier, "bytes"),
		       megabytes(tier, "peak_bytes"));
		if (i == 0 && json_is_null(quota))
			printf("%12s\n", "unlimited");
		else
			printf("%12.1f\n", i ? megabytes(pmem, "bytes") : json_number_value(quota) / 1048576);
	}
	printf("pmem: %s %s\n", json_string_value(json_object_get(pmem, "kind")),
	       json_string_value(json_object_get(pmem, "path")));
	printf("%-8s %14s %14s %14s\n", "zone", "dram granules", "pmem granules", "touches/s");
	json_array_foreach(json_object_get(root, "zones"), i, zone)
	{
		printf("%-8s %14lld %14lld %14.2f\n", json_string_value(json_object_get(zone, "name")),
		       count(zone, "dram_granules"), count(zone, "pmem_granules"),
		       json_number_value(json_object_get(zone, "heat")));
	}
	printf("migrations: %lld promoted, %lld demoted, %lld failed\n", count(migrations, "promoted"),
	       count(migrations, "demoted"), count(migrations, "failed"));
	printf("faults: %lld first touch, %lld hint, %lld waited\n", count(faults, "first_touch"),
	       count(faults, "hint"), count(faults, "waited"));
}

int cli_stats(int argc, char **argv)
{
	const char *pid_text = NULL, *format = "human";
	char path[64], *end, text[16384];
	struct stat st;
	size_t used = 0;
	ssize_t n;

	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--format") && i + 1 < argc)
			format = argv[++i];
		else if (!strncmp(argv[i], "--format=", 9))
			format = argv[i] + 9;
		else if (argv[i][0] == '-' || pid_text)
			return cli_error(2, "unexpected '%s'; usage: tiermem stats PID [--format human|json]",
					 argv[i]);
		else
			pid_text = argv[i];
	}
	if (!pid_text)
		return cli_error(2, "the process is missing; usage: tiermem stats PID [--format human|json]");
	if (strcmp(format, "human") && strcmp(format, "json"))
		return cli_error(2, "no format '%s'; there are human and json", format);
	long pid = strtol(pid_text, &end, 10);
	if (*end || pid <= 0 || pid > 1 << 30)
		return cli_error(2, "'%s' is not a process id", pid_text);
	snprintf(path, sizeof(path), "/proc/%ld", pid);
	if (stat(path, &st))
		return cli_error(1, "there is no process %ld", pid);
	// A client that was slow to send has been hung up on: once more.
	for (int tries = 0; tries < 3 && !used; tries++) {
		int fd = reach((pid_t)pid, st.st_uid);
		if (fd < 0)
			return cli_error(1,
					 "process %ld does not answer; is it yours, and was it started by "
					 "'tiermem run'?",
					 pid);
		send(fd, "stats\n", 6, MSG_NOSIGNAL);
		while (used < sizeof(text) - 1 && (n = recv(fd, text + used, sizeof(text) - 1 - used, 0)) > 0)
			used += (size_t)n;
		close(fd);
	}
	text[used] = 0;
	json_error_t error;
	json_t *root = json_loads(text, 0, &error);
	if (!root || json_object_get(root, "error"))
		return cli_error(1, "process %ld gave no statistics", pid);
	if (!strcmp(format, "json"))
		fputs(text, stdout);
	else
		show(root);
	json_decref(root);
	return 0;
}
