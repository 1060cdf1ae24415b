/*
 * tmbench speed (make bench-sim): how fast the simulator is, against the same QEMU without it.
 *
 *   speed.c         the command: which VMs in which order, exit status
 *   speed_vm.c      one VM, and what its load took on the host
 *   speed_report.c  medians, targets, CSV
 */
#ifndef HARNESS_SPEED_H
#define HARNESS_SPEED_H

#include "harness/overlay.h"
#include "harness/util.h"

enum speed_mode { SPEED_PLAIN, SPEED_OFF, SPEED_ON, SPEED_STRICT, SPEED_MODES };

enum { SPEED_MAX_REPEATS = 25, SPEED_MAX_CELLS = 128 };

/* What the guest does. */
struct speed_load {
	const char *name;
	const char *root;  /* image, in the source tree */
	const char *made;  /* by this command */
	const char *setup; /* shell, before the measured part: */
	/* shell; $requests, $vcpus, $server_cpus, $client_cpus, $threads and $connections are set in both */
	const char *work;
	const char *operation;
	int64_t requests, ram_mib;
	int64_t threads, connections; /* of the client; 0: the load takes none */
	const char *phase;		   /* that the work marks itself; NULL: all of it is measured */
	const struct overlay_part *parts; /* NULL: overlay_tiermem */
};

/* What the measured part took in one VM. */
struct speed_run {
	double seconds;	     /* of the host's clock */
	double cpu_seconds;  /* of QEMU */
	double others;	     /* part of the host's CPUs that other programs took meanwhile, 0..1 */
	double instructions; /* simulated; 0: plain QEMU does not count them */
	double simulated;    /* seconds */
};

/* All runs of one configuration. */
struct speed_cell {
	const struct speed_load *load;
	int vcpus;
	enum speed_mode mode;
	struct speed_run runs[SPEED_MAX_REPEATS];
	int n;
};

struct speed {
	const char *qemu, *out; /* program, folder of this run's files */
	char profile[PATH_LEN], plugin[PATH_LEN];
	int64_t requests, threads, connections; /* 0: the load's own */
	int64_t repeat, timeout;
	const char *clock; /* the guest's: hpet or tsc */
	struct speed_cell cells[SPEED_MAX_CELLS];
	int n_cells;
};

extern const char *const speed_mode_names[SPEED_MODES];

/* The client's threads, and its connections, all together; 0: the load takes none. */
int64_t speed_threads(const struct speed *s, const struct speed_load *l);
int64_t speed_connections(const struct speed *s, const struct speed_load *l);

/* Runs one VM of a cell to its end and adds what it took. 0 or an exit code, said why. */
int speed_vm(const struct speed *s, struct speed_cell *cell);

/* The median of a figure over a cell's runs. */
double speed_median(const struct speed_cell *c, double (*figure)(const struct speed_run *));

/* Writes every run so far to out/runs.csv. 0, or -1 after saying why. */
int speed_write(const struct speed *s);

/* Prints medians and targets in FORMAT (human, json, csv). How many targets do not hold. */
int speed_report(const struct speed *s, const char *format, const char *qemu_version);

#endif
