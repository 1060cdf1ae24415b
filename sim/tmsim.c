/* tmsim: virtual machines in simulated time. */
#include "sim/tmsim.h"

#include <errno.h>
#include <string.h>

static const struct {
	const char *name, *help;
	int (*run)(int argc, char **argv);
} commands[] = {
	{"run", "run a QEMU command line in simulated time", command_run},
	{"profiles", "list the shipped profiles", command_profiles},
	{"profile", "print a profile", command_profile},
};

/* What the program can do. */
static void usage(FILE *f)
{
	fprintf(f, "usage: tmsim COMMAND ...; COMMAND --help tells more\n");
	for (size_t i = 0; i < COUNT(commands); i++)
		fprintf(f, "  %-9s %s\n", commands[i].name, commands[i].help);
	fprintf(f, "  %-9s %s\n  %-9s %s\n", "help", "this text", "--version", "the version");
	fprintf(f, "exit status: QEMU's, or before it starts 1 failure, 2 usage\n");
}

int main(int argc, char **argv)
{
	const char *verb = argc > 1 ? argv[1] : "";
	int code = EXIT_OK;
	size_t i;

	for (i = 0; i < COUNT(commands) && strcmp(verb, commands[i].name) != 0; i++)
		;
	if (i < COUNT(commands)) {
		code = commands[i].run(argc - 1, argv + 1);
	} else if (!strcmp(verb, "help") || !strcmp(verb, "--help") || !strcmp(verb, "-h")) {
		usage(stdout);
	} else if (!strcmp(verb, "--version")) {
		printf("tmsim %s\n", TMSIM_VERSION);
	} else {
		if (argc > 1)
			complain("unknown command '%s'; there are: run profiles profile help", verb);
		else
			usage(stderr);
		code = EXIT_USAGE;
	}
	if (fflush(stdout) || ferror(stdout)) {
		complain("cannot write the output: %s", strerror(errno));
		if (code == EXIT_OK)
			code = EXIT_FAIL;
	}
	return code;
}
