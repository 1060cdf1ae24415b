#include "harness/options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Print the usage line and the table. */
static void help(const struct option *table, const char *usage)
{
	const struct option *o;

	printf("usage: %s\n", usage);
	for (o = table; o->name; o++) {
		char left[64];

		snprintf(left, sizeof(left), "--%s%s%s", o->name, o->argument ? " " : "",
			 o->argument ? o->argument : "");
		printf("  %-30s %s\n", left, o->help);
	}
	printf("  %-30s %s\n", "--help", "this text");
}

/* Whether TEXT is one of "a|b|c". */
static bool is_choice(const char *choices, const char *text)
{
	size_t len = strlen(text);
	const char *p = choices;

	while (*p) {
		size_t n = strcspn(p, "|");

		if (n == len && len && !strncmp(p, text, len))
			return true;
		p += n + (p[n] == '|');
	}
	return false;
}

/* Store an option's value. 0 or EXIT_USAGE after saying what is wrong. */
static int store(const struct option *o, const char *value)
{
	struct list *list = o->to;
	int64_t n;
	char *end;

	switch (o->kind) {
	case OPT_FLAG:
		*(bool *)o->to = true;
		return 0;
	case OPT_CHOICE:
		if (!is_choice(o->argument, value)) {
			complain("--%s %s: must be one of %s", o->name, value, o->argument);
			return EXIT_USAGE;
		} /* fall through */
	case OPT_TEXT:
		*(const char **)o->to = value;
		return 0;
	case OPT_LIST:
		if (list->n == (int)COUNT(list->v)) {
			complain("--%s is given too often", o->name);
			return EXIT_USAGE;
		}
		list->v[list->n++] = value;
		return 0;
	case OPT_INT:
		break;
	}
	errno = 0;
	n = strtoll(value, &end, 10);
	if (end == value || *end || errno || n < o->min || n > o->max) {
		complain("--%s %s: must be a whole number from %lld to %lld", o->name, value,
			 (long long)o->min, (long long)o->max);
		return EXIT_USAGE;
	}
	*(int64_t *)o->to = n;
	return 0;
}

int options_parse(const struct option *table, const char *usage, int argc, char **argv, struct list *operands)
{
	int i, err;

	for (i = 1; i < argc; i++) {
		const struct option *o;
		const char *arg = argv[i], *value = NULL;
		size_t len;

		if (arg[0] != '-' || !arg[1]) {
			if (!operands) {
				complain("'%s' is no option of %.*s", arg, (int)strcspn(usage, "[") - 1, usage);
				return EXIT_USAGE;
			}
			if (operands->n < (int)COUNT(operands->v))
				operands->v[operands->n++] = arg;
			continue;
		}
		if (!strcmp(arg, "--help") || !strcmp(arg, "-h")) {
			help(table, usage);
			exit(fflush(stdout) ? EXIT_FAIL : EXIT_OK);
		}
		len = strcspn(arg, "=");
		for (o = table; o->name; o++)
			if (arg[1] == '-' && strlen(o->name) == len - 2 &&
			    !strncmp(o->name, arg + 2, len - 2))
				break;
		if (!o->name) {
			complain("unknown option %.*s; --help lists them", (int)len, arg);
			return EXIT_USAGE;
		}
		if (o->kind != OPT_FLAG) {
			value = arg[len] ? arg + len + 1 : i + 1 < argc ? argv[++i] : NULL;
			if (!value) {
				complain("--%s needs a value: %s", o->name, o->argument);
				return EXIT_USAGE;
			}
		} else if (arg[len]) {
			complain("--%s takes no value", o->name);
			return EXIT_USAGE;
		}
		err = store(o, value);
		if (err)
			return err;
	}
	return 0;
}

bool options_progress(const char *when)
{
	return !strcmp(when, "always") || (!strcmp(when, "auto") && isatty(2));
}
