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

/* Throughput with tiermem that is wanted, as a part of jemalloc's (issue 4 of the project: the cost when nothing is slow). */
#define ALLOC_BOUND 0.99

/* Runs the pairs of VMs: into DOC, or printed when that is NULL. OUT gets their files. How many miss the bound is added to *missed.
   0 or an exit code. */
int alloc_simulated(const char *out, const char *profile, bool progress, json_t *doc, int *missed);

#endif
