/* One VM of the matrix: its directory, its QEMU, its end and why it failed. */
#ifndef HARNESS_VM_H
#define HARNESS_VM_H

#include "harness/results.h"

#include <sys/types.h>

#define HEAT_FILE "heat.csv" /* in its directory, with tiermem underneath */

enum vm_state { VM_WAITING, VM_RUNNING, VM_OK, VM_FAILED, VM_INTERRUPTED };

struct vm {
	const struct config *config;
	const struct variant *variant; /* NULL: the profile's LLC */
	const struct database *database; /* NULL: its kind has none */
	int repeat;		       /* from 1 */
	int64_t seed, llc_kib;
	enum vm_state state;
	char dir[PATH_LEN];
	char reason[REASON_LEN]; /* of VM_FAILED and VM_INTERRUPTED */
	struct metrics metrics;	 /* of VM_OK */
	double started, seconds; /* real time */
	int64_t row;		 /* in the database */
	/* while running */
	pid_t pid;
	int slot;
	char phase[NAME_LEN]; /* "" while it boots */
	int phases_done;
	double phase_started;
	double last_sign, cpu_seen, guest_end, panic;
	long sizes[5];
	bool reached_phase;
	char unwanted[REASON_LEN]; /* it is to end, for this reason */
	/* VMs that share DRAM (share.h, meeting.h) */
	int group;	     /* -1: it shares nothing */
	int meetings;	     /* that it has come to */
	int go;		     /* the pipe to its third serial port, -1: none */
	int64_t dram, quota; /* in bytes, when it was last looked at */
	double highest;	     /* all of its group together */
	double checksum;     /* of its tables, when it has ended well */
};

/* "default", or the variant's name. */
const char *vm_variant(const struct vm *vm);

/* The name of its database, or "". */
const char *vm_part(const struct vm *vm);

/* Whether a phase is one that this VM runs. */
bool vm_runs(const struct vm *vm, const struct phase *ph);

/* Make the directory and files, start QEMU on host CPU cpu (-1: any). 0, or -1 with vm->reason and VM_FAILED. */
int vm_start(struct vm *vm, const struct plan *p, const char *program, int cpu);

/* Look after a running VM; true once it has ended, with state, reason and metrics set. */
bool vm_poll(struct vm *vm, const struct plan *p);

/* End a running VM, which becomes STATE for REASON. */
void vm_kill(struct vm *vm, enum vm_state state, const char *reason);

/* Say on stderr why a VM failed, with the last console lines and the place of its logs. */
void vm_explain(const struct vm *vm);

#endif
