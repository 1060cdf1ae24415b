/* tmsim run: checks and completes a QEMU command line, then becomes that QEMU. */
#include "sim/tmsim.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sim/profile.h"
#include "sim/tmsim_add.h"
#include "sim/tmsim_check.h"

#define USAGE "tmsim run [OPTION]... -- qemu-system-x86_64 ARGUMENT..."

/* --quiet was given. */
static bool quiet;

void note(const char *fmt, ...)
{
	va_list ap;

	if (quiet)
		return;
	va_start(ap, fmt);
	fputs("tmsim: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
}

/* The options of tmsim run; what they say goes to S. */
static int parse(struct settings *s, int argc, char **argv)
{
	const struct option table[] = {
		{"profile", OPT_TEXT, &s->profile, "NAME|FILE",
		 "CPU, caches and memory (default: optane-100)", 0, 0},
		{"set", OPT_LIST, &s->set, "KEY=VALUE", "change one key of the profile; may be repeated", 0,
		 0},
		{"pmem", OPT_LIST, &s->pmem, "ID", "time this memory backend as PMEM; may be repeated", 0, 0},
		{"strict", OPT_FLAG, &s->strict, NULL,
		 "the same run every time: refuse or warn of what prevents it", 0, 0},
		{"parallel", OPT_INT, &s->parallel, "N",
		 "vCPUs that run at the same time on the host, without --strict (default: its CPUs)", 1, 64},
		{"stats", OPT_TEXT, &s->stats, "FILE", "write counters as JSON lines (-: standard output)", 0,
		 0},
		{"samples", OPT_TEXT, &s->samples, "FILE", "write every Nth LLC miss, as CSV", 0, 0},
		{"sample-period", OPT_INT, &s->sample_period, "N", "that N (default: 1000)", 1,
		 INT64_C(1) << 31},
		{"progress", OPT_CHOICE, &s->progress, "auto|always|never",
		 "simulated time on stderr while it runs", 0, 0},
		{"watchdog", OPT_INT, &s->watchdog_s, "SECONDS",
		 "end after so long without progress (default: 60)", 1, 86400},
		{"dry-run", OPT_FLAG, &s->dry_run, NULL, "print the command instead of running it", 0, 0},
		{"quiet", OPT_FLAG, &s->quiet, NULL, "print only what prevents the run", 0, 0},
		{.name = NULL},
	};
	struct list operands = {0};
	int err = options_parse(table, USAGE, argc, argv, &operands);

	if (!err && s->strict && s->parallel > 1) {
		complain("--parallel %lld with --strict, which runs one vCPU at a time; leave one of the two away",
			 (long long)s->parallel);
		err = EXIT_USAGE;
	}
	if (!err && operands.n) {
		complain("'%s' before --; usage: " USAGE, operands.v[0]);
		err = EXIT_USAGE;
	}
	return err;
}

/* The names of all keys of a profile. */
static void list_keys(struct text *t, const struct profile *p)
{
	const char *key;
	double value;

	for (size_t i = 0; (key = profile_key(p, i, &value)) != NULL; i++)
		text_add(t, "%s%s", i ? " " : "", key);
}

/* Finds and reads the profile and tries each --set on it, so that QEMU is not started for nothing. */
static int check_profile(struct settings *s, char *path)
{
	struct profile p;
	char err[320];
	int code = profile_path(path, s->profile);

	if (code)
		return code;
	s->profile = path;
	if (profile_load(&p, path, err, sizeof(err))) {
		complain("%s", err);
		return EXIT_USAGE;
	}
	for (int i = 0; i < s->set.n; i++) {
		const char *equals = strchr(s->set.v[i], '=');
		struct text keys = {0};
		char key[64];

		list_keys(&keys, &p);
		snprintf(key, sizeof(key), "%.*s", equals ? (int)(equals - s->set.v[i]) : 0, s->set.v[i]);
		if (equals && !profile_set(&p, key, equals + 1, err, sizeof(err))) {
			text_free(&keys);
			continue;
		}
		if (!equals)
			complain("--set %s: want KEY=VALUE", s->set.v[i]);
		else if (!strncmp(err, "unknown", 7))
			complain("--set %s: unknown key; known are %s", s->set.v[i], keys.s);
		else
			complain("--set %s", err);
		text_free(&keys);
		return EXIT_USAGE;
	}
	return 0;
}

/* Whether the guest's console or QEMU's monitor is on standard output. */
static bool uses_stdio(const struct qemu_line *line)
{
	for (int i = 0; i < line->n; i++) {
		const struct qemu_option *o = &line->options[i];
		const char *to = qemu_value(o, strcmp(o->name, "chardev") ? "" : "backend");

		if (!strcmp(o->name, "nographic") ||
		    (to && (!strcmp(to, "stdio") || !strcmp(to, "mon:stdio"))))
			return true;
	}
	return false;
}

/* Progress is one line that is written over and over: only where nothing else is written meanwhile. */
static bool wants_progress(const struct settings *s, const struct qemu_line *line)
{
	if (strcmp(s->progress, "auto") != 0)
		return !strcmp(s->progress, "always");
	return !s->quiet && isatty(2) && !uses_stdio(line);
}

/* Our library first, then what the user preloads. */
static void preload(struct text *out, const char *library)
{
	const char *theirs = getenv("LD_PRELOAD");

	text_add(out, "%s%s%s", library, theirs && theirs[0] ? ":" : "", theirs ? theirs : "");
}

static void print_command(const struct qemu_line *line, const struct settings *s, const char *ld_preload)
{
	struct text t = {0};

	text_add(&t, "LD_PRELOAD=");
	text_add_quoted(&t, ld_preload);
	if (s->watchdog_s)
		text_add(&t, " TMSIM_WATCHDOG_S=%d", (int)s->watchdog_s);
	for (int i = 0; i < line->args.n; i++) {
		text_add(&t, " ");
		text_add_quoted(&t, line->args.v[i]);
	}
	puts(t.s);
	text_free(&t);
}

/* Becomes QEMU; returns only when that fails. */
static int start(const struct qemu_line *line, const struct settings *s, const char *ld_preload)
{
	char seconds[24];

	snprintf(seconds, sizeof(seconds), "%d", (int)s->watchdog_s);
	if (s->watchdog_s)
		setenv("TMSIM_WATCHDOG_S", seconds, 1);
	setenv("LD_PRELOAD", ld_preload, 1);
	fflush(stdout);
	execvp(line->args.v[0], line->args.v);
	complain("cannot run %s: %s", line->args.v[0], strerror(errno));
	return EXIT_FAIL;
}

/* libtmsim twice in one process would be two clocks. */
static int check_preload(void)
{
	const char *theirs = getenv("LD_PRELOAD");

	if (!theirs || !strstr(theirs, "libtmsim"))
		return 0;
	complain("LD_PRELOAD has libtmsim already (%s); tmsim run loads it itself", theirs);
	return EXIT_FAIL;
}

static bool too_long(const char *option, const char *path)
{
	if (!path || strlen(path) < PATH_LEN)
		return false;
	complain("%s: a path of %d characters at most", option, PATH_LEN - 1);
	return true;
}

/* Checks and completes the command after "--". 0 or the exit code. */
static int prepare(struct qemu_line *line, struct settings *s, int argc, char **argv, char *library)
{
	static char profile[PATH_LEN];
	int err = check_profile(s, profile);

	if (err)
		return err;
	if (qemu_line_parse(line, argc, argv)) {
		complain("%s at the end of the QEMU command line needs an argument", argv[argc - 1]);
		return EXIT_USAGE;
	}
	err = check_line(line, s);
	if (!err && s->stats && !strcmp(s->stats, "-") && uses_stdio(line)) {
		complain("--stats -: the guest's console or monitor is on standard output; name a file");
		err = EXIT_USAGE;
	}
	if (!err && (too_long("--stats", s->stats) || too_long("--samples", s->samples)))
		err = EXIT_USAGE;
	if (!err)
		err = check_preload();
	if (!err)
		err = library_path(library);
	if (!err)
		err = check_program(argv[0]);
	if (err)
		return err;
	warn_line(line, s->strict);
	add_missing(line, s);
	add_plugin(line, s, library, wants_progress(s, line));
	return 0;
}

int command_run(int argc, char **argv)
{
	struct settings s = {.profile = "optane-100", .progress = "auto"};
	char library[PATH_LEN];
	struct qemu_line line;
	struct text ld_preload = {0};
	int split, err;

	for (split = 1; split < argc && strcmp(argv[split], "--") != 0; split++)
		if (!strcmp(argv[split], "--help") || !strcmp(argv[split], "-h"))
			return parse(&s, split + 1, argv);
	if (split >= argc - 1) {
		complain("no QEMU command line after --; usage: " USAGE);
		return EXIT_USAGE;
	}
	err = parse(&s, split, argv);
	quiet = s.quiet;
	if (!err)
		err = prepare(&line, &s, argc - split - 1, argv + split + 1, library);
	if (err)
		return err;
	preload(&ld_preload, library);
	if (!s.dry_run)
		return start(&line, &s, ld_preload.s);
	print_command(&line, &s, ld_preload.s);
	return EXIT_OK;
}
