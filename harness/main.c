/* tmbench: runs scenarios in simulated VMs, records them, reports them. */
#include "harness/commands.h"
#include "harness/proc.h"

#include <errno.h>
#include <string.h>

static const struct {
	const char *name, *help;
	int (*run)(int argc, char **argv);
} commands[] = {
	{"run", "run a scenario's matrix of VMs and print its report", command_run},
	{"prepare", "make what a scenario's VMs need (database images)", command_prepare},
	{"report", "print a recorded run again", command_report},
	{"list", "the scenarios and the recorded runs", command_list},
	{"figure", "draw a figure of a recorded run", command_figure},
	{"validate", "the simulator's memory model against measurements", command_validate},
	{"gate", "say whether this tree is slower than the reference", command_gate},
	{"speed", "how fast the simulator is, against plain QEMU", command_speed},
	{"host", "a profile of this machine, and loads on it beside simulated ones", command_host},
	{"migrate", "how fast memory moves natively, and who waits for it", command_migrate},
	{"alloc", "what tiermem's malloc costs natively, beside others", command_alloc},
};

void default_db(char *out)
{
	root_path(out, "results/tiermem.db");
}

/* What the program can do. */
static void usage(FILE *f)
{
	size_t i;

	fprintf(f, "usage: tmbench COMMAND ...; COMMAND --help tells more\n");
	for (i = 0; i < COUNT(commands); i++)
		fprintf(f, "  %-8s %s\n", commands[i].name, commands[i].help);
	fprintf(f, "exit status: 0 ok, 1 failure, 2 usage, 3 regression, 130 interrupted\n");
}

int main(int argc, char **argv)
{
	int code = EXIT_USAGE;
	size_t i;

	proc_catch_signals();
	if (argc > 1 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help"))) {
		usage(stdout);
		code = EXIT_OK;
	} else if (argc < 2) {
		usage(stderr);
	} else {
		for (i = 0; i < COUNT(commands) && strcmp(argv[1], commands[i].name) != 0; i++)
			;
		if (i < COUNT(commands))
			code = commands[i].run(argc - 1, argv + 1);
		else
			complain("unknown command '%s'; there are: run prepare report list figure validate gate speed host migrate alloc", argv[1]);
	}
	if (fflush(stdout) || ferror(stdout)) {
		complain("cannot write the output: %s", strerror(errno));
		if (code == EXIT_OK)
			code = EXIT_FAIL;
	}
	return code;
}
