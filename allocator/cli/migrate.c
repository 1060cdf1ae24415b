// tiermem migrate: moves memory of a running process to a tier now, and says what moved.
#include "allocator/cli/cli.h"
#include "allocator/options.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void show(const json_t *root, const char *to)
{
	printf("moved %.1f MiB to %s: values %.1f, mappings %.1f, buffers %.1f, small %.1f\n",
	       cli_mib(root, "moved_bytes"), to, cli_mib(root, "bulk"), cli_mib(root, "mmap"),
	       cli_mib(root, "buffer"), cli_mib(root, "small"));
}

// The value of option name at argv[*i], or NULL.
static const char *value(int argc, char **argv, int *i, const char *name)
{
	size_t n = strlen(name);

	if (!strncmp(argv[*i], name, n) && argv[*i][n] == '=')
		return argv[*i] + n + 1;
	return strcmp(argv[*i], name) || *i + 1 >= argc ? NULL : argv[++*i];
}

int cli_migrate(int argc, char **argv)
{
	const char *pid_text = NULL, *to = NULL, *size = NULL, *v, *raw;
	char request[64] = "";
	bool json = false;
	uint64_t bytes = TM_UNLIMITED;
	pid_t pid;

	for (int i = 1; i < argc; i++) {
		int no_format = cli_format(argc, argv, &i, &json);
		if (no_format == 2)
			return 2;
		if (!no_format)
			continue;
		if ((v = value(argc, argv, &i, "--to")))
			to = v;
		else if ((v = value(argc, argv, &i, "--bytes")))
			size = v;
		else if (argv[i][0] == '-' || pid_text)
			return cli_error(2, "unexpected '%s'; usage: " CLI_USAGE_MIGRATE, argv[i]);
		else
			pid_text = argv[i];
	}
	if (!pid_text)
		return cli_error(2, "the process is missing; usage: " CLI_USAGE_MIGRATE);
	if (!cli_pid(pid_text, &pid))
		return 2;
	if (!to || (strcmp(to, "dram") && strcmp(to, "pmem")))
		return cli_error(2, "where to? give --to dram or --to pmem");
	if (size && !tm_parse_size(size, &bytes))
		return cli_error(2, "--bytes: '%s' is not a size; give bytes or a number with K, M or G",
				 size);
	if (bytes == TM_UNLIMITED)
		snprintf(request, sizeof(request), "migrate %s unlimited", to);
	else
		snprintf(request, sizeof(request), "migrate %s %" PRIu64, to, bytes);
	json_t *root = cli_ask(pid, request, 0, &raw);
	if (!root)
		return cli_error(1, "%s", cli_why());
	if (json)
		fputs(raw, stdout);
	else
		show(root, to);
	const char *why = json_string_value(json_object_get(root, "why"));
	int status = why ? cli_error(1, "that is not all that was asked for: %s", why) : 0;
	json_decref(root);
	return status;
}
