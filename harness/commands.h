/* The commands of tmbench; each takes its own argv and returns the exit code. */
#ifndef HARNESS_COMMANDS_H
#define HARNESS_COMMANDS_H

#include "harness/util.h"

/* --enforce was given, and a target is missed; a regression. */
#define EXIT_MISSED 3

int command_run(int argc, char **argv);
int command_prepare(int argc, char **argv);
int command_report(int argc, char **argv);
int command_list(int argc, char **argv);
int command_figure(int argc, char **argv);
int command_validate(int argc, char **argv);
int command_gate(int argc, char **argv);
int command_speed(int argc, char **argv);
int command_host(int argc, char **argv);
int command_migrate(int argc, char **argv);
int command_alloc(int argc, char **argv);

/* The database when --db is not given: results/tiermem.db in the source tree. */
void default_db(char *out);

#endif
