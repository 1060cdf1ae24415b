/* The same load on the host itself: real time, for orientation only; never mixed with simulated figures. */
#ifndef HARNESS_NATIVE_H
#define HARNESS_NATIVE_H

#include "harness/results.h"

/* Run every selected phase against a redis-server of the host's. 0, -1 with the REASON, or EXIT_SIGNAL. DIR gets the logs. */
int native_run(const struct plan *p, const char *dir, struct metrics *m, char *reason);

#endif
