/*
 * VMs that share one DRAM budget ([share] budget): all with tiermem of one repeat and database. Before a phase with quotas they meet
 * (meeting.h). Here: what a scenario may say, the pipe through which a VM hears that a meeting is over, and what is found at the end.
 */
#ifndef HARNESS_SHARE_H
#define HARNESS_SHARE_H

#include "harness/vm.h"

/* Check quotas and budget of a scenario. 0 or EXIT_USAGE after saying what is wrong. */
int share_check(const struct scenario *s);

/* The most VMs that must run together; 0: none share anything. */
int share_together(const struct scenario *s);

/* The quota that QUOTA, as in a scenario, gives a config: unscaled bytes. -1: none. */
int64_t share_quota(const char *quota, const char *config);

/* Whether a VM meets others before any phase, and before this one. */
bool share_meets(const struct vm *vm, const struct scenario *s);
bool share_meets_before(const struct vm *vm, const struct phase *ph);

/* The pipe to a VM that meets others: files in its folder. 0 or -errno. */
int share_open(struct vm *vm);
void share_close(struct vm *vm);

/* What the meetings found, as metrics of one VM. 0 or -1 with the REASON. */
int share_results(struct metrics *m, const struct plan *p, const struct vm *vm, char *reason);

/* Compare the tables of a VM that ended well with those of the others that have: it fails where they differ. */
void share_compare(struct vm *vms, int n, struct vm *vm);

/* The budget, for run_parameter, where there is one. */
void share_parameters(const struct plan *p, void (*add)(void *to, const char *name, const char *value),
		      void *to);

#endif
