/*
 * Meetings of VMs that share one DRAM budget (share.h). They start together. Before a phase with quotas each says on its console that
 * it has come, and goes on with the phase's load, unmeasured, until tmbench has done what an operator would: `tiermem quota` for
 * those that give DRAM away, then, when `tiermem stats` says that they have given it, for those that get it. So neither the quotas nor
 * what is in DRAM is ever more than the budget. A line to the VM's third serial port ends the meeting.
 *
 * What is asked from outside comes at no fixed moment of simulated time: after the first meeting runs differ a little.
 */
#ifndef HARNESS_MEETING_H
#define HARNESS_MEETING_H

#include "harness/vm.h"

struct meetings {
	const struct plan *plan;
	struct group *groups;
	int n_groups;
};

/* Find the groups among VMs. */
void meeting_begin(struct meetings *all, const struct plan *p, struct vm *vms, int n);
void meeting_end(struct meetings *all);

/* How many free slots a waiting VM needs to start: its whole group begins together. */
int meeting_slots(const struct meetings *all, const struct vm *vm);

/* Go on with every meeting; never waits long. VMs whose meeting cannot be held become unwanted: vm_poll() ends them. */
void meeting_tick(struct meetings *all);

#endif
