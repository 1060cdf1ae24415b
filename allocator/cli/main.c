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

static void help(void)
{
	puts("usage: tiermem run [OPTIONS] -- PROGRAM [ARGUMENTS]\n"
	     "       tiermem stats PID [--watch [SECONDS]] [--count N] [--format human|json]\n"
	     "       tiermem quota PID [SIZE|unlimited] [--format human|json]\n"
	     "       tiermem migrate PID --to dram|pmem [--bytes SIZE] [--format human|json]\n"
	     "       tiermem doctor [--format human|json]\n\n"
	     "run: starts PROGRAM with its heap and anonymous mappings on DRAM, up to a quota, and PMEM.");
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
	puts("SIZE: bytes, or with K, M, G or T.\n"
	     "stats: asks a running process, by its control socket.\n"
	     "quota: shows or changes how much DRAM a running process may hold, and waits until that is so.\n"
	     "migrate: moves memory of a running process to a tier, all or so much; the policy may move it "
	     "back.\n"
	     "doctor: says what is real, emulated or missing on this machine, and how to get it.");
}

int main(int argc, char **argv)
{
	if (argc < 2)
		return cli_error(2, "what to do is missing; try: tiermem run -- PROGRAM, or tiermem --help");
	if (argc > 2 && (!strcmp(argv[2], "--help") || !strcmp(argv[2], "-h"))) {
		help();
		return 0;
	}
	if (!strcmp(argv[1], "run"))
		return cli_run(argc - 1, argv + 1);
	if (!strcmp(argv[1], "stats"))
		return cli_stats(argc - 1, argv + 1);
	if (!strcmp(argv[1], "--version")) {
		puts("tiermem " TIERMEM_VERSION);
		return 0;
	}
	if (!strcmp(argv[1], "doctor"))
		return cli_doctor(argc - 1, argv + 1);
	if (!strcmp(argv[1], "migrate"))
		return cli_migrate(argc - 1, argv + 1);
	if (!strcmp(argv[1], "quota"))
		return cli_quota(argc - 1, argv + 1);
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
		help();
		return 0;
	}
	return cli_error(
		2, "unknown command '%s'; there are run, stats, quota, migrate and doctor (tiermem --help)",
		argv[1]);
}
