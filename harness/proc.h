/* Child processes: each leads its own process group and dies with tmbench. */
#ifndef HARNESS_PROC_H
#define HARNESS_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct spawn {
	char *const *argv;     /* argv[0] is looked up in PATH */
	const char *out, *err; /* files, truncated; NULL: /dev/null; err equal to out: the same file */
	const char *preload;   /* LD_PRELOAD of the child, or NULL */
	bool inherit_err;      /* standard error is this program's, err is not looked at */
	int cpu;	       /* host CPU to run on (proc_cpu), -1: any */
};

/* Start a child. Its pid, or -errno (also when the program cannot be executed). */
pid_t proc_start(const struct spawn *s);

/* End a child's whole process group (SIGTERM, after GRACE seconds SIGKILL) and reap it. */
void proc_end(pid_t pid, double grace);

/* Run a child to its end; an interrupt ends it, which is EXIT_SIGNAL. Exit status (128 and the signal), or -errno. */
int proc_run(const struct spawn *s);

/* Run a command to its end, stdout and stderr into OUT (cut off at SIZE). Exit status, or -errno. */
int proc_capture(char *const *argv, char *out, size_t size);

/* First line of a command's output, or "unknown". */
void proc_first_line(char *const *argv, char *out, size_t size);

/* Host CPUs that this process may use. */
int proc_cpus(void);

/* The one for the Nth (from 0) of several children that run side by side: in turn, from where this process is when it first asks, as what
   keeps other CPUs busy may be pinned there. -1: not known. */
int proc_cpu(int n);

/* SIGINT and SIGTERM only set this. */
extern volatile int proc_interrupted;
void proc_catch_signals(void);

#endif
