/*
 * make validate-sim: the simulator's memory model against measurements of real devices.
 *
 *   validate.c         the command: VMs, comparison, exit status
 *   validate_vm.c      one VM in which tmprobe runs
 *   validate_data.c    what the VMs found, and what was measured
 *   validate_curves.c  which figure belongs to which curve
 *   validate_report.c  the CSV files, the plots and docs/validation.md
 */
#ifndef HARNESS_VALIDATE_H
#define HARNESS_VALIDATE_H

#include "harness/util.h"

#include <sys/types.h>

enum { VALIDATE_POINTS = 64 };

/* One figure of tmprobe in one VM. */
struct finding {
	const char *vm; /* of struct probe_vm */
	char memory[8]; /* pmem, dram */
	char test[24], op[24], unit[8];
	int threads;
	double bytes, writes, value;
	double amplification; /* of the phase, by the simulator's counters; 0: unknown */
};

/* What all VMs found. */
struct findings {
	struct finding *v;
	size_t n, cap;
	struct setting {
		char key[48];
		double value;
	} settings[128]; /* of the first VM: the profile */
	size_t n_settings;
	char profile[64];
};

/* A VM in which tmprobe runs. */
struct probe_vm {
	const char *name;
	const char *script;   /* what the guest executes after the model is on */
	const char *settings; /* ",set=..." of the plugin */
	char dir[PATH_LEN];
	pid_t pid;
	double started, seconds;
};

/* What a validation is made with. */
struct validation {
	const char *qemu, *profile; /* program, file */
	char plugin[PATH_LEN], out[PATH_LEN], data[PATH_LEN];
	bool have_data;
	int64_t vcpus, seed, timeout;
};

/* Writes the VM's files and starts it on host CPU cpu. 0, or -1 after saying why. */
int probe_vm_start(struct probe_vm *vm, const struct validation *v, int cpu);

/* Adds what an ended VM found. 0, or -1 after saying why it failed. */
int probe_vm_collect(struct probe_vm *vm, int status, struct findings *out);

/* A curve: what was measured and what was simulated, point by point. */
struct curve {
	const char *id, *title;
	const char *file; /* of the measured data */
	int column;	  /* in it, from 1 */
	const char *vm, *memory, *test, *op;
	enum { BY_THREADS, BY_BYTES, BY_WRITES, BY_NAME } by;
	bool bounded;	  /* the bounds hold for it */
	const char *plot; /* curves of one picture have the same */
	int threads;	  /* BY_WRITES: that many only */
	/* filled in */
	int n;
	double x[VALIDATE_POINTS], measured[VALIDATE_POINTS], simulated[VALIDATE_POINTS];
	char label[VALIDATE_POINTS][24]; /* BY_NAME */
	double mean, worst;		 /* relative errors, without their sign */
	int worst_at;
};

extern struct curve curves[];
extern const int n_curves;

/* Bounds of a curve's errors. */
#define BOUND_MEAN  0.03
#define BOUND_WORST 0.10

/* Fills in all curves. 0, or -1 after saying what is missing. */
int curves_compare(const struct validation *v, const struct findings *f);

/* Whether a curve is within its bounds. */
bool curve_holds(const struct curve *c);

/* A figure of the profile that the simulation must give back. */
struct own_figure {
	const char *what;
	double want, got, bound;
};

/* The profile's own figures against what was found, into OUT of 32. Their number. */
int own_figures(const struct findings *f, struct own_figure *out);

/* The finding of a test; NULL when there is none. by: BY_THREADS, BY_BYTES or BY_WRITES, where x is not negative. */
const struct finding *finding_get(const struct findings *f, const char *vm, const char *memory,
				  const char *test, const char *op, int threads, double bytes, double writes);

/* Writes CSV files and plots into v->out, and the page (NULL: none). 0, or -1 after saying why. */
int validate_report(const struct validation *v, const struct findings *f, const char *page,
		    const char *qemu_version, double seconds);

#endif
