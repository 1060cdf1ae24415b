/* One line on stderr that says what runs, how much is done and when it will end. */
#ifndef HARNESS_PROGRESS_H
#define HARNESS_PROGRESS_H

#include "harness/vm.h"

struct progress {
	bool on;
	bool shown; /* a line is on the terminal */
	double started, last;
};

/* MODE: auto, always or never. */
void progress_start(struct progress *pr, const char *mode);

/* Say what happens when no VM runs ("native run on this host"). */
void progress_note(struct progress *pr, const char *what);

/* Redraw for the matrix of VMs, at most a few times a second. */
void progress_show(struct progress *pr, const struct plan *p, const struct vm *vms, int n);

/* Take the line away, before anything else is printed. */
void progress_clear(struct progress *pr);

#endif
