/* The command line of a VM. */
#ifndef HARNESS_QEMU_H
#define HARNESS_QEMU_H

#include "harness/arguments.h"
#include "harness/plan.h"

/* The command line of one VM whose files lie in DIR. */
void qemu_arguments(struct arguments *a, const struct plan *p, const char *program, const struct config *c,
		    int64_t llc_kib, int64_t seed, const char *dir);

#endif
