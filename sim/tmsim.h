/*
 * tmsim: runs any q35 or pc command line of qemu-system-x86_64 under the simulator.
 *
 * One file for each step: tmsim_line.c takes a command line apart, tmsim_check.c refuses what cannot be
 * simulated and warns of what does not repeat, tmsim_add.c adds what is missing, tmsim_run.c replaces this
 * process by QEMU. tmsim_paths.c finds the library and the profiles.
 */
#ifndef TMSIM_TMSIM_H
#define TMSIM_TMSIM_H

#include <stdbool.h>
#include <stdint.h>

#include "harness/options.h"

#define TMSIM_VERSION "0.1"

/* What `tmsim run` was asked to do. */
struct settings {
	const char *profile; /* the name or file given; after finding it, the file */
	struct list set;     /* KEY=VALUE */
	struct list pmem;    /* ids of memory backends */
	bool strict, dry_run, quiet;
	const char *stats;     /* NULL: none */
	const char *samples;   /* NULL: none */
	int64_t sample_period; /* 0: the library's own */
	const char *progress;  /* auto, always or never */
	int64_t watchdog_s;    /* 0: the library's own limit */
	int64_t parallel;      /* vCPUs at the same time on the host; 0: the library's own */
};

/* The commands; each takes its own argv and returns the exit code. */
int command_run(int argc, char **argv);
int command_profiles(int argc, char **argv);
int command_profile(int argc, char **argv);

/* Print one line "tmsim: ..." on stderr, unless there is --quiet. */
void note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The file of libtmsim.so into OUT of PATH_LEN bytes. 0, or EXIT_FAIL after saying where it should be. */
int library_path(char *out);

/*
 * The file of a profile into OUT of PATH_LEN bytes: a name is one of the shipped ones, what has a slash or
 * ends in .conf is a file. 0, EXIT_USAGE after naming those there are, EXIT_FAIL without their folder.
 */
int profile_path(char *out, const char *profile);

#endif
