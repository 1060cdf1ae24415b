/* Asks a QEMU binary what it is. Both say what is wrong; INSTEAD is how to name another ("with --qemu"). */
#ifndef HARNESS_PROBE_H
#define HARNESS_PROBE_H

#include <stddef.h>

/* The version ("7.2.22 (Debian ...)"), of what is no system emulator the whole first line. 0 or EXIT_FAIL. */
int qemu_version(const char *program, const char *instead, char *version, size_t size);

/* Whether it takes TCG plugins. 0 or EXIT_FAIL. */
int qemu_takes_plugins(const char *program);

#endif
