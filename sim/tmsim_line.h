/*
 * A QEMU command line, taken apart: options, and their arguments as properties. "-netdev user,id=n" and
 * '-netdev {"type":"user","id":"n"}' come out the same. What it allocates lives until the program ends.
 */
#ifndef TMSIM_TMSIM_LINE_H
#define TMSIM_TMSIM_LINE_H

#include "harness/arguments.h"

struct property {
	const char *key; /* of a first value without a key: what QEMU implies ("type"), or "" */
	const char *value;
};

struct qemu_option {
	const char *name; /* without dashes, -M as "machine"; "" for a disk image */
	int at;		  /* place of its argument in argv, of the option itself when it takes none */
	struct property *properties;
	int n;
};

struct qemu_line {
	struct arguments args; /* args.v[0] is the program */
	struct qemu_option *options;
	int n;
};

/* Copies and parses; 0, or -1 when the last option lacks its argument. */
int qemu_line_parse(struct qemu_line *line, int argc, char **argv);

/* The last option of that name, or NULL. */
struct qemu_option *qemu_last(const struct qemu_line *line, const char *name);

/* The value of the last property of that name, or NULL; ".aio" stands for "aio" and "....aio". */
const char *qemu_value(const struct qemu_option *o, const char *key);

/* The value in the last option of that name that has the property: QEMU merges -machine, -rtc and -smp. */
const char *qemu_merged(const struct qemu_line *line, const char *name, const char *key);

/* Replace an option's argument by new text, and its properties with it. */
void qemu_replace(struct qemu_line *line, struct qemu_option *o, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Add an option at the end of the command line; argument NULL: it has none. */
void qemu_add(struct qemu_line *line, const char *name, const char *argument);

#endif
