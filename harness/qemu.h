/* The command line of a VM. */
#ifndef HARNESS_QEMU_H
#define HARNESS_QEMU_H

#include "harness/arguments.h"
#include "harness/vm.h"

/* The command line of one VM; PROGRAM is the QEMU. */
void qemu_arguments(struct arguments *a, const struct plan *p, const char *program, const struct vm *vm);

#endif
