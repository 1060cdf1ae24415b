/* QEMU: whether it is fit for use, and the command line of a VM. */
#ifndef HARNESS_QEMU_H
#define HARNESS_QEMU_H

#include "harness/plan.h"

struct arguments {
	char **v;
	int n, cap;
};

/* $TMBENCH_QEMU or the scenario's, whether it runs and takes TCG plugins; its version. 0 or EXIT_FAIL after saying why. */
int qemu_probe(const char *program, char *version, size_t size);

/* The command line of one VM whose files lie in DIR. */
void qemu_arguments(struct arguments *a, const struct plan *p, const char *program, const struct config *c,
		    int64_t llc_kib, int64_t seed, const char *dir);

/* Append one formatted argument. */
void arguments_add(struct arguments *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void arguments_free(struct arguments *a);

#endif
