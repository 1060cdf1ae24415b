/* An argument vector that grows, and how arguments are written for QEMU and for a shell. */
#ifndef HARNESS_ARGUMENTS_H
#define HARNESS_ARGUMENTS_H

#include "harness/util.h"

struct arguments {
	char **v; /* ends with a NULL pointer once something was added */
	int n, cap;
};

/* Append one formatted argument. */
void arguments_add(struct arguments *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void arguments_free(struct arguments *a);

/* Double the commas of a path, as QEMU's option syntax wants; OUT holds 2 * PATH_LEN bytes. Returns OUT. */
const char *qemu_escaped(char *out, const char *path);

/* Append a word as a POSIX shell must read it: in single quotes where it needs them. */
void text_add_quoted(struct text *t, const char *word);

#endif
