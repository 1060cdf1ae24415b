/* A table of text whose columns are as wide as their widest cell; the first column is left-aligned. */
#ifndef HARNESS_TABLE_H
#define HARNESS_TABLE_H

#include "harness/util.h"

enum tint { PLAIN, GOOD, BAD, WARN, BOLD };

struct table {
	char *cell[512];
	enum tint tint[512];
	int n, columns;
};

/* Whether stdout takes colours (a terminal, and no NO_COLOR). */
bool tints_on(void);
const char *tint_begin(enum tint t);
const char *tint_end(enum tint t);

/* Append the next cell, row by row. */
void table_cell(struct table *t, enum tint tint, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Print and empty the table. */
void table_print(struct table *t);

#endif
