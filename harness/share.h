/*
 * VMs that share one DRAM budget ([share] budget): all with tiermem of one repeat and database. They start together. Before a
 * phase with quotas they meet: each says so on its console and goes on with the phase's load, unmeasured, until tmbench has done
 * what an operator would: `tiermem quota` for those that give DRAM away, then, when `tiermem stats` says that they have given
 * it, for those that get it. So neither quotas nor what is in DRAM is ever more than the budget. A line to the VM's third serial
 * port (a pipe) ends the meeting.
 *
 * What is asked from outside comes at no fixed moment of simulated time: after the first meeting runs differ a little.
 */
#ifndef HARNESS_SHARE_H
#define HARNESS_SHARE_H

#include "harness/vm.h"

struct share {
	const struct plan *plan;
	struct share_group *groups;
	int n_groups;
};

/* Check quotas and budget of a scenario. 0 or EXIT_USAGE after saying what is wrong. */
int share_check(const struct scenario *s);

/* The most VMs that must run together; 0: none share anything. */
int share_together(const struct scenario *s);

/* Whether a VM meets others before any phase, and before this one. */
bool share_meets(const struct vm *vm, const struct scenario *s);
bool share_meets_before(const struct vm *vm, const struct phase *ph);

/* The pipe to a VM that meets others: files in its folder. 0 or -errno. */
int share_open(struct vm *vm);
void share_close(struct vm *vm);

/* Find the groups among VMs. */
void share_begin(struct share *sh, const struct plan *p, struct vm *vms, int n);
void share_end(struct share *sh);

/* How many free slots a waiting VM needs to start: its whole group begins together. */
int share_slots(const struct share *sh, const struct vm *vm);

/* Go on with every meeting; never waits long. VMs whose meeting cannot be held become unwanted: vm_poll() ends them. */
void share_tick(struct share *sh);

/* What the meetings found, as metrics of one VM. 0 or -1 with the REASON. */
int share_results(struct metrics *m, const struct plan *p, const struct vm *vm, char *reason);

#endif
