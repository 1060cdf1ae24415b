/*
 * The disk behind a simulated VM: when a block request that QEMU's I/O workers carry out would be complete.
 */
#ifndef TMSIM_DISK_H
#define TMSIM_DISK_H

#include <stddef.h>
#include <stdint.h>

#include "sim/profile.h"

enum disk_op { DISK_READ, DISK_WRITE, DISK_FLUSH, DISK_OPS };

enum { DISK_MAX_QUEUE = 256 };

struct disk {
	uint64_t latency_ps[DISK_OPS];	  /* of the first byte */
	uint64_t ps_per_kib[DISK_OPS];	  /* of the rest */
	unsigned int queue;		  /* requests that the disk works on at once */
	uint64_t free_ps[DISK_MAX_QUEUE]; /* when each of those places is free again */
	uint64_t bus_free_ps[DISK_OPS];	  /* transfers one way go after one another */
	uint64_t requests[DISK_OPS], bytes[DISK_OPS], queued_ps;
};

/* Takes the timing from a profile; all counters 0, nothing queued. */
void disk_init(struct disk *d, const struct disk_profile *p);

/* A request of n bytes (0 for a flush) that is submitted at now_ps; returns when it is complete, in ps. */
uint64_t disk_request(struct disk *d, enum disk_op op, size_t n, uint64_t now_ps);

#endif
