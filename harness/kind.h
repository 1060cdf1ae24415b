/*
 * What a scenario's kind decides: what runs where, and how its results look. One file per kind, so that nothing else asks which it is.
 *   redis-inside      Redis under tiermem in the guest, loaded by tmload; PMEM is the guest's second NVDIMM (kind_redis.c)
 *   mysql-underneath  MariaDB and sysbench in a guest that knows nothing, tiermem in the QEMU process (kind_mysql.c)
 */
#ifndef HARNESS_KIND_H
#define HARNESS_KIND_H

#include "harness/arguments.h"
#include "harness/overlay.h"
#include "harness/results.h"
#include "harness/vm.h"

struct report;

/* The descriptors of a VM's copy of a file: to read and write, and to read. */
#define KIND_COPY_FD	  "9"
#define KIND_COPY_FD_READ "8"

struct kind {
	const char *name;
	const char *made_by;  /* the command that makes the root image */
	bool native;	      /* there is a native run of the load to set beside it */
	double boot_work;     /* what comes before a VM's first phase, in requests of its load, for the progress line */
	const struct overlay_part *overlay;
	/* Make the phases that are run of those in the file; NULL: they are what is run. 0 or EXIT_USAGE. */
	int (*expand)(struct scenario *s);
	/* Check what only this kind has. 0 or EXIT_USAGE after saying what is wrong. */
	int (*check)(const struct scenario *s);
	/* Fill in the rest of a plan; REQUESTS: 0 or the user's number. 0 or an exit code after saying why. */
	int (*plan)(struct plan *p, int64_t requests);
	/* Make what its VMs need beyond the images of `make`; NULL: nothing. 0 or an exit code. */
	int (*prepare)(const struct plan *p);
	/* Whether that is there; NULL: it needs nothing. 0 or an exit code after saying what makes it. */
	int (*ready)(const struct plan *p);
	/* A file that each VM gets a copy of (KIND_COPY_FD), and its name in the VM's folder; NULL: none. */
	void (*copies)(const struct plan *p, const struct vm *vm, char *from, char *to);
	/* The script that the guest runs. */
	void (*script)(struct text *out, const struct plan *p, const struct vm *vm);
	/* What stands before QEMU on its command line (programs that become it); NULL: nothing, and the simulator is preloaded. */
	void (*before)(struct arguments *a, const struct plan *p, const struct vm *vm);
	/* Arguments of QEMU beside those of every VM; what the plugin is told goes to PLUGIN, with a comma before it. */
	void (*arguments)(struct arguments *a, struct text *plugin, const struct plan *p, const struct vm *vm);
	/* One document of the result channel. 0 or -1 with the REASON. */
	int (*document)(struct metrics *m, const char *kind, const char *name, const char *doc, char *reason);
	/* What the host has of a VM that ended well, beside the result channel; NULL: nothing. 0 or -1 with the REASON. */
	int (*collect)(struct metrics *m, const struct plan *p, const struct vm *vm, char *reason);
	/* Whether a phase has everything a row of the report needs. 0 or -1 with the REASON. */
	int (*complete)(const struct metrics *m, const struct config *c, const char *phase, char *reason);
	/* What every VM of the run has in common beyond the plan, as NAME and VALUE of run_parameter; NULL: nothing. */
	void (*parameters)(const struct plan *p, void (*add)(void *to, const char *name, const char *value), void *to);
	/* The report's lines about load and sizes, and its tables; metrics are found as in report_human.c. */
	void (*report)(const struct report *r);
};

extern const struct kind kind_redis, kind_mysql;

/* The kind of a scenario, NULL if this tmbench does not know it. */
const struct kind *kind_of(const struct scenario *s);

/* The same by name. */
const struct kind *kind_named(const char *name);

/* All names, "A or B", to be freed. */
char *kind_names(void);

#endif
