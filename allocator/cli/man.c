// The manual pages, from the tables of options and commands.
#include "allocator/cli/cli.h"
#include "allocator/options.h"
#include "allocator/version.h"

#include <stdio.h>

// Text as it is: nothing of it is a request, and a hyphen stays one that can be copied.
static void put(const char *s)
{
	for (const char *p = s; *p; p++) {
		if (*p == '-')
			fputs("\\-", stdout);
		else if (*p == '\\')
			fputs("\\e", stdout);
		else if (p == s && (*p == '.' || *p == '\''))
			printf("\\&%c", *p);
		else
			putchar(*p);
	}
}

static void line(const char *s)
{
	put(s);
	putchar('\n');
}

static void put_default(const struct tm_option *o)
{
	if (!*o->initial)
		return;
	fputs("Default: ", stdout);
	put(o->initial);
	puts(".");
}

static void page(const char *name, const char *section, const char *what)
{
	printf(".TH %s %s \"\" \"tiermem %s\" \"tiermem\"\n.SH NAME\n", name, section, TIERMEM_VERSION);
	printf("%s \\- %s\n", name, what);
}

static void options(void)
{
	for (int i = 0; i < TM_OPTIONS; i++) {
		const struct tm_option *o = &tm_options[i];
		if (!o->name)
			continue;
		fputs(".TP\n.B ", stdout);
		put("--");
		put(o->name);
		fputs(" \\fI", stdout);
		put(o->argument);
		puts("\\fR");
		put(o->help);
		puts(".");
		put_default(o);
	}
}

static void environment(void)
{
	for (int i = 0; i < TM_OPTIONS; i++) {
		const struct tm_option *o = &tm_options[i];
		printf(".TP\n.B %s\n", o->env);
		if (o->name) {
			put("As --");
			put(o->name);
			puts(".");
			continue;
		}
		put(o->help);
		puts(".");
		put_default(o);
	}
	puts(".TP\n.B TIERMEM_PRELOAD\nPath of the preload library.\n"
	     "Default: beside the command, or where it is installed.\n"
	     ".TP\n.B TIERMEM_PID\nSet by \\fBtiermem run\\fR: the process that is managed.");
}

static void tiermem(void)
{
	page("tiermem", "1", "keep the memory of unmodified programs in two tiers");
	puts(".SH SYNOPSIS");
	for (const struct cli_command *c = cli_commands; c->name; c++) {
		put(c->usage);
		puts("\n.br");
	}
	puts(".SH DESCRIPTION\n"
	     "Small hot structures stay in DRAM, up to a quota; the rest lies on persistent memory, and "
	     "granules migrate\n"
	     "between the tiers while the program runs.\n"
	     "SIZE is a number of bytes, or one with K, M, G or T (powers of 1024).\n.SH COMMANDS");
	for (const struct cli_command *c = cli_commands; c->name; c++) {
		printf(".TP\n.B %s\n", c->name);
		line(c->help);
	}
	puts(".PP\n"
	     "A lowered quota is held whatever the policy; where PMEM has no room for the rest, or "
	     "userfaultfd is denied, it is\n"
	     "refused.\n"
	     "\\fBmigrate\\fR stops when it is interrupted; its exit status is 1 if less moved than was "
	     "asked for.\n"
	     ".SH OPTIONS OF RUN");
	options();
	puts(".SH ENVIRONMENT\nAn option counts more than the environment, that more than\n"
	     ".BR tiermem.conf (5).");
	environment();
	puts(".SH FILES\n.TP\n.I /etc/tiermem.conf\nThe configuration.\n"
	     ".TP\n.I PID.sock\nThe control socket of a process, in $XDG_RUNTIME_DIR/tiermem, "
	     "/run/user/UID/tiermem (root: /run/tiermem) or\n"
	     "/tmp/tiermem\\-UID.\n"
	     ".SH EXIT STATUS\n0: fine; 1: failure; 2: usage, or a bad configuration.\n"
	     "\\fBrun\\fR becomes the program.\n"
	     ".SH SEE ALSO\n.BR tiermem.conf (5),\n.BR tiermem (3)");
}

static void tiermem_conf(void)
{
	page("tiermem.conf", "5", "configuration of tiermem");
	puts(".SH DESCRIPTION\n"
	     "Which programs are managed, and their options.\n"
	     "Lines are sections, \\fIKEY\\fR = \\fIVALUE\\fR, and comments, which begin with # or ; at the "
	     "start of a line or\n"
	     "after white space.\n"
	     ".TP\n.B [default]\nOptions of every program that is managed.\n"
	     ".TP\n.B [program \\fINAME\\fB]\n"
	     "A program that is managed: its file name, or its whole path, which counts more.\n"
	     "A script goes by its own name.\n"
	     ".PP\n"
	     "\\fBtiermem run\\fR manages what it is told to.\n"
	     "When the library is in\n.IR /etc/ld.so.preload ,\n"
	     "programs with a section of their own are managed and all others left alone, as are those that "
	     "change their\n"
	     "user (setuid).\n"
	     "If the file is bad, or what it says cannot be done, a program runs unmanaged and says so in "
	     "one line;\n"
	     "\\fBtiermem run\\fR refuses.\n"
	     ".SH KEYS\n.TP\n.BR managed \" = yes|no\"\n"
	     "Only in the section of a program. Default: yes.");
	for (int i = 0; i < TM_OPTIONS; i++) {
		const struct tm_option *o = &tm_options[i];
		if (!o->name || i == TM_OPT_CONF)
			continue;
		fputs(".TP\n.B ", stdout);
		put(o->name);
		fputs(" \\fR= \\fI", stdout);
		put(o->argument);
		puts("\\fR");
		put(o->help);
		puts(".");
		put_default(o);
	}
	puts(".SH FILES\n.I /etc/tiermem.conf\nunless TIERMEM_CONF or \\fB\\-\\-conf\\fR names another.\n"
	     ".SH EXAMPLE\n.nf\n[default]\npmem = /dev/dax0.0\n\n[program redis\\-server]\ndram = 4G\n\n"
	     "[program /usr/sbin/mariadbd]\ndram = 8G\npolicy = static\n.fi\n"
	     ".SH SEE ALSO\n.BR tiermem (1)");
}

void cli_man(bool conf)
{
	if (conf)
		tiermem_conf();
	else
		tiermem();
}
