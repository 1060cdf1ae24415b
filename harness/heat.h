/* Heat of guest RAM over time, as tiermem writes it underneath a VM (tiermem run --heat FILE). */
#ifndef HARNESS_HEAT_H
#define HARNESS_HEAT_H

#include "harness/util.h"

/* One part of guest RAM at one time. */
struct heat_row {
	int64_t time_ns;	     /* simulated; samples are those since the time before it */
	int64_t offset;		     /* of the part, in bytes */
	int64_t samples, dram, pmem; /* the last two: granules */
};

/* In the order of time, then of offset. */
struct heat {
	struct heat_row *v;
	size_t n, cap;
};

void heat_add(struct heat *h, const struct heat_row *row);
void heat_free(struct heat *h);

/* Read tiermem's file; one that is missing or empty is no heat (no samples were taken). 0 or -1 with the REASON. */
int heat_read(struct heat *h, const char *path, char *reason);

#endif
