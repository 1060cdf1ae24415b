/*
 * Marks at run time, for names that are no constants: what the tmmark program and tmload --mark use. Each executes
 * the NOPs of tmmark.h; without the simulator that does nothing. 0, or -1 with errno when no executable page is to be had.
 */
#ifndef TMSIM_MARK_H
#define TMSIM_MARK_H

#include <stdbool.h>

enum { MARK_NAME_MAX = 63 };

/* A phase begins; name: 1 to MARK_NAME_MAX characters. It ends a phase that is open. */
int mark_begin(const char *name);

/* The phase ends. */
int mark_end(void);

/* Timing on, or fast-forward. */
int mark_model(bool on);

#endif
