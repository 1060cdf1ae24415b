/* The script that a VM runs: start Redis (with tiermem or without), each phase of load, send the results out. */
#ifndef HARNESS_GUEST_SCRIPT_H
#define HARNESS_GUEST_SCRIPT_H

#include "harness/plan.h"

/* Shell functions of the scripts of every kind: send, whose frame on the result channel is "@@begin KIND NAME", a document, "@@end"; and
   fail. */
extern const char guest_functions[];

/* Generate /tm/run for a config. LLC: the VM is one of another LLC, hence with fewer requests. */
void guest_script(struct text *out, const struct plan *p, const struct config *c, int64_t seed, bool llc);

/* tmload's arguments that the guest and the native run share, except server, threads and clients. */
void load_arguments(struct text *out, const struct plan *p, const struct phase *ph, int64_t requests,
		    int64_t connections, int64_t seed, const char *json);

#endif
