/*
 * tmbench host (make validate-host): a profile of this machine, made from tmprobe and a CPU loop alone, and then the same
 * loads on the machine and in a simulated VM with that profile, side by side.
 *
 *   host.c            the command: what is done in which order, exit status
 *   host_calibrate.c  tmprobe and tmloop on the host, and how many instructions tmloop's kernels are
 *   host_fit.c        which caches a latency curve shows
 *   host_profile.c    the profile file
 *   host_loads.c      what servers and clients execute on both sides
 *   host_native.c     a server and its client on the host
 *   host_vm.c         a simulated VM with two vCPUs
 *   host_report.c     the comparison and its verdict
 */
#ifndef HARNESS_HOST_H
#define HARNESS_HOST_H

#include "harness/arguments.h"
#include "harness/util.h"

#include <sys/types.h>

enum { HOST_MAX_VALUES = 64, HOST_MAX_FIGURES = 96, HOST_MAX_RUNS = 64, HOST_LOADS = 4 };

/* Both sides run like this where the host permits it: other programs then take no turns. */
#define HOST_PRIORITY "chrt --rr 10"

/* One figure that was measured several times. */
struct host_figure {
	char name[40];
	double v[HOST_MAX_VALUES];
	int n;
};

/* What was measured for the profile: names are in host_calibrate.c. */
struct host_calibration {
	struct host_figure f[HOST_MAX_FIGURES];
	int n;
};

/* The caches and the memory behind them: sizes in KiB, latencies of a dependent read in ns. */
struct host_caches {
	double l1_kib, l2_kib, llc_kib;
	double l2_ns, llc_ns, dram_ns;
	double error; /* root of the mean square of the relative error over the curve */
};

/* One measured part of a load. */
struct host_run {
	double per_cpu_s; /* operations per second of CPU time: the server's, together with the client's if on one CPU */
	double per_s;  /* operations per second, by the client's clock */
	double system; /* share of the server's CPU time in the operating system, sampled; 0..1 */
};

/* The same load on both sides. */
struct host_load {
	const char *name, *unit;
	const char *
		root; /* the guest's image, in the source tree; the host's programs come from it too if `in_root` */
	const char *made; /* by this command */
	bool in_root;
	const char *server,
		*client; /* words; %d of the client is the server's port, behind --port of the server */
	const char *warm,
		*work;	    /* more words of the client; %lld of `work`: operations, divided by `divide` */
	const char *socket; /* there when the server is ready; NULL: the client waits */
	const char *totals; /* throughput is the first number in the client's output behind this */
	int64_t operations, divide, ram_mib;
	int client_cpu; /* the server's is 0 */
	bool selected;
	struct host_run native[HOST_MAX_RUNS], simulated;
	int n_native;
};

struct host {
	const char *qemu;
	char plugin[PATH_LEN], profile[PATH_LEN], out[PATH_LEN];
	int64_t rounds, timeout;
	bool realtime, progress; /* realtime: chrt may be used */
	struct host_calibration cal;
	struct host_load *loads; /* HOST_LOADS */
};

/* Adds a value to the figure of that name. 0, or -1 when there is no room. */
int host_add(struct host_calibration *c, const char *name, double value);

/* A figure, NULL when it was not measured. */
const struct host_figure *host_get(const struct host_calibration *c, const char *name);

/* The median of a figure; 0: not measured. */
double host_median(const struct host_calibration *c, const char *name);

/* (largest - smallest) / median of n values, 0 for fewer than two; *median gets their median unless NULL. */
double host_spread(const double *v, int n, double *median);

/* tmprobe and tmloop once on the host. 0, or an exit code after saying why. */
int host_measure(struct host *h);

/* Instructions and stalls of tmloop's kernels, and tmprobe's curve, in a VM with the profile. 0 or an exit code, said why. */
int host_count(struct host *h);

/* Calibrations as "figure,value" lines. 0, or -1 after saying why. */
int host_calibration_write(const struct host_calibration *c, const char *path);
int host_calibration_read(struct host_calibration *c, const char *path);

/*
 * The latency curve of n working sets: which caches, with these ways, show it. KiB of the L1 and the L2 that are known
 * are in *out, 0: to be found too. 0, or -1 with fewer than 8 points.
 */
int host_fit(const double *bytes, const double *ns, int n, double l2_ways, double llc_ways,
	     struct host_caches *out);

/* Mean of the ns per instruction of the kernels of one kind ("program", "system"); 0: not measured. */
double host_instruction_ns(const struct host_calibration *c, const char *of);

/*
 * What it takes to wake a CPU, and to be woken, ns of CPU time: a quarter of what tmloop's exchange between two CPUs (two wakes, and two that
 * are woken) takes beyond its instructions, at system_ns each, and its stalls. 0: not measured, or nothing.
 */
double host_wake_ns(const struct host_calibration *c, double system_ns);

/* Writes the profile, and prints its measured keys. 0, or -1 after saying why. */
int host_profile_write(const struct host *h, bool print);

/* Names of the kernels: the I-th, NULL past the last; *of gets whose code it is. */
const char *host_kernel(int i, const char **of);

extern struct host_load host_loads[HOST_LOADS];

/* A load's server and client on the host: `repeat` measured parts are added to l->native. 0 or an exit code, said why. */
int host_native(const struct host *h, struct host_load *l, int repeat);

/* The same in a simulated VM, to l->simulated. 0 or an exit code, said why. */
int host_simulate(const struct host *h, struct host_load *l);

/* Throughput in a client's output, 0 when there is none. */
double host_throughput(const struct host_load *l, const char *output);

/* A VM with two vCPUs that runs a script. */
struct host_vm {
	const char *name, *root; /* root: image, in the source tree */
	const char *script;	 /* behind a prologue that defines fail() */
	int64_t ram_mib;
	char dir[PATH_LEN / 2]; /* filled in: its files */
};

/* Runs it to its end. 0, or an exit code after saying why. */
int host_vm_run(const struct host *h, struct host_vm *vm);

/* What vCPUs did in a phase. */
struct host_phase {
	double instructions, busy_ns, stall_ns;
};

/* A phase of an ended VM's statistics: of the first vCPU or of all. 0, or -1 after saying that there is none. */
int host_vm_phase(const struct host_vm *vm, const char *name, bool first, struct host_phase *out);

/* Real-time priority in front of a command, where it may be had: chrt's words. */
void host_add_priority(const struct host *h, struct arguments *a);

/* Adds the words of a text. */
void host_add_words(struct arguments *a, const char *words);

/* Ticks of a line of /proc/PID/stat: in the program, in the operating system. 0 or -1. */
int host_ticks(const char *line, double *user, double *system);

/* The operating system's share of the ticks between two looks. */
double host_share(const double user[2], const double system[2]);

/* Waits for a child to its end, at most `limit` seconds. Its exit status, -1, or EXIT_SIGNAL. */
int host_wait(pid_t pid, double limit);

/* Runs as lines "load,side,run,per_cpu_s,per_s,system". 0, or -1 after saying why. */
int host_runs_write(const struct host *h, const char *path);
int host_runs_read(struct host *h, const char *path);

/* Prints the comparison. How many loads are outside the bound, -1 after saying that there is none. */
int host_report(const struct host *h);

#endif
