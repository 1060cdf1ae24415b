/* Drawing with gnuplot, which the scripts in plots/ are for. */
#ifndef HARNESS_GNUPLOT_H
#define HARNESS_GNUPLOT_H

#include "harness/util.h"

/* Append NAME="TEXT"; to what a script is told. */
void gnuplot_text(struct text *t, const char *name, const char *value);

/* Run plots/SCRIPT.gp after the statements SET. 0 or EXIT_FAIL after saying why. */
int gnuplot_run(const char *script, const char *set);

#endif
