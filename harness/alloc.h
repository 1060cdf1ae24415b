/*
 * tmbench alloc (make bench-alloc): what tiermem's malloc costs when nothing is slow.
 *
 *   alloc.c      native: beside jemalloc, glibc and mimalloc, interleaved
 *   alloc_sim.c  in strict simulated time: beside the same jemalloc, to a tenth of a percent
 */
#ifndef HARNESS_ALLOC_H
#define HARNESS_ALLOC_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* Throughput with tiermem that is wanted, as a part of jemalloc's (issue 4 of the project: the cost when nothing is slow). */
#define ALLOC_BOUND 0.99

struct alloc_settings {
	const char *trace;   /* the only one to allocate by, or "all" */
	int64_t operations;  /* of each thread; 0: the default */
	int64_t requests;    /* to redis-server */
};

static inline bool alloc_uses(const struct alloc_settings *s, const char *trace)
{
	return !strcmp(s->trace, "all") || !strcmp(s->trace, trace);
}

/* Runs the VMs: into DOC, or printed when that is NULL. OUT gets their files. How many miss the bound is added to *missed. 0 or an exit
   code. */
int alloc_simulated(const struct alloc_settings *settings, const char *out, const char *profile, bool progress, json_t *doc,
		    int *missed);

#endif
