/* Adds to a QEMU command line what simulated time needs and it lacks, and says what. */
#ifndef TMSIM_TMSIM_ADD_H
#define TMSIM_TMSIM_ADD_H

#include "sim/tmsim.h"
#include "sim/tmsim_line.h"

/* The guest's clocks and, with --strict, what makes it repeatable. */
void add_missing(struct qemu_line *line, const struct settings *s);

/* -plugin with the library and what it is to be told. */
void add_plugin(struct qemu_line *line, const struct settings *s, const char *library, bool progress);

#endif
