/* Command-line options, one table per command: parsing and help come from it. */
#ifndef HARNESS_OPTIONS_H
#define HARNESS_OPTIONS_H

#include "harness/util.h"

enum option_kind { OPT_FLAG, OPT_TEXT, OPT_INT, OPT_LIST, OPT_CHOICE };

struct option {
	const char *name; /* without the dashes */
	enum option_kind kind;
	void *to;	      /* bool, const char *, int64_t or struct list */
	const char *argument; /* in the help; the choices "a|b|c" of OPT_CHOICE */
	const char *help;
	int64_t min, max; /* of OPT_INT */
};

struct list {
	const char *v[64];
	int n;
};

/*
 * Parse ARGV[1..] by a table that ends with a NULL name; what is no option goes to OPERANDS (NULL: is refused; USAGE is then "COMMAND [..."). --help prints USAGE and the
 * table and ends the program. 0 or EXIT_USAGE after saying what is wrong.
 */
int options_parse(const struct option *table, const char *usage, int argc, char **argv,
		  struct list *operands);

/* Whether progress goes to stderr: WHEN is always, never, or auto, which is a terminal. */
bool options_progress(const char *when);

#endif
