// tiermem: run a program on two tiers of memory, and ask it how it is doing.
#include "allocator/cli/cli.h"
#include "allocator/options.h"
#include "allocator/version.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int cli_error(int status, const char *format, ...)
{
	va_list args;

	fputs("tiermem: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	return status;
}

static int help(int argc, char **argv)
{
	bool conf = argc > 1 && !strcmp(argv[1], "--man=conf");

	if (conf || (argc > 1 && !strcmp(argv[1], "--man"))) {
		cli_man(conf);
		return 0;
	}
	for (const struct cli_command *c = cli_commands; c->name; c++)
		printf("%s %s\n", c == cli_commands ? "usage:" : "      ", c->usage);
	puts("\nOptions of run (SIZE: bytes, or with K, M, G or T):");
	for (int i = 0; i < TM_OPTIONS; i++) {
		const struct tm_option *o = &tm_options[i];
		char name[64];
		if (!o->name)
			continue;
		snprintf(name, sizeof(name), "--%s %s", o->name, o->argument);
		printf("  %-22s %s", name, o->help);
		if (*o->initial)
			printf(" (default %s)", o->initial);
		putchar('\n');
	}
	putchar('\n');
	for (const struct cli_command *c = cli_commands; c->name; c++)
		printf("%s: %s\n", c->name, c->help);
	return 0;
}

const struct cli_command cli_commands[] = {
	{"run", cli_run, CLI_USAGE_RUN,
	 "starts PROGRAM with its heap and anonymous mappings on DRAM, up to a quota, and PMEM."},
	{"stats", cli_stats, CLI_USAGE_STATS,
	 "asks a running process, by its control socket, where its memory is; --watch: again and again, with "
	 "rates."},
	{"quota", cli_quota, CLI_USAGE_QUOTA,
	 "shows or changes how much DRAM a running process may hold, and waits until that is so."},
	{"migrate", cli_migrate, CLI_USAGE_MIGRATE,
	 "moves memory of a running process to a tier, all or so much; the policy may move it back."},
	{"doctor", cli_doctor, CLI_USAGE_DOCTOR,
	 "says what is real, emulated or missing on this machine, and how to get it."},
	{"help", help, CLI_USAGE_HELP, "prints this, or a manual page."},
	{0}};

static const struct cli_command *find(const char *name)
{
	const struct cli_command *c = cli_commands;

	while (c->name && strcmp(c->name, name))
		c++;
	return c->name ? c : NULL;
}

static bool asks_for_help(const char *s)
{
	return !strcmp(s, "--help") || !strcmp(s, "-h");
}

int main(int argc, char **argv)
{
	if (argc < 2)
		return cli_error(2, "what to do is missing; try: tiermem run -- PROGRAM, or tiermem --help");
	if (asks_for_help(argv[1]) || (argc > 2 && asks_for_help(argv[2])))
		return help(1, argv);
	if (!strcmp(argv[1], "--version"))
		return printf("tiermem " TIERMEM_VERSION "\n") < 0;
	const struct cli_command *command = find(argv[1]);
	if (command)
		return command->run(argc - 1, argv + 1);
	return cli_error(2, "unknown command '%s'; there are run, stats, quota, migrate, doctor and help",
			 argv[1]);
}
