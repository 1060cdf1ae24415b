/* What of a QEMU command line cannot be simulated (one line, refused) or would not repeat (warnings). */
#ifndef TMSIM_TMSIM_CHECK_H
#define TMSIM_TMSIM_CHECK_H

#include "sim/tmsim.h"
#include "sim/tmsim_line.h"

/* The program: a qemu-system-x86_64 from 7.2 on with plugins; says its version. 0 or EXIT_FAIL. */
int check_program(const char *program);

/* The options. 0; EXIT_FAIL for what the simulator cannot do, EXIT_USAGE for a --pmem that names nothing. */
int check_line(const struct qemu_line *line, const struct settings *s);

/* Say what of it brings in the host's time; with --strict also what only makes runs differ. */
void warn_line(const struct qemu_line *line, bool strict);

#endif
