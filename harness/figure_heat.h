/* The heat map of guest RAM, one picture for each VM with tiermem underneath. */
#ifndef HARNESS_FIGURE_HEAT_H
#define HARNESS_FIGURE_HEAT_H

#include "harness/report.h"

/*
 * Draw DIR/heat-DATABASE-CONFIG.svg and .png of a run; RUN 0 or REPORT_WHOLE (report.h): of those that have heat; CONFIG, DATABASE: of
 * these only, if not NULL.
 * 0 or EXIT_FAIL after saying why.
 */
int figure_heat(sqlite3 *db, int64_t run, const char *config, const char *database, const char *dir);

/* In figure.c: append what stands below the heading of every figure of a run. */
void figure_subtitle(struct text *set, const struct report *r);

#endif
