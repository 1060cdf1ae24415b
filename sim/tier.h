/*
 * Timing of a memory tier: what one read of a 64-byte line costs the core that waits for it.
 *
 * A dependent read finds the device's internal line (XPLine, DRAM row) buffered or not: two latencies, from the
 * profile's random and sequential figures. A read that the core could issue before the last one came back (the next
 * line of a stream) costs what one core's streaming bandwidth leaves per line. Both queue behind the device's own
 * bandwidth.
 */
#ifndef TMSIM_TIER_H
#define TMSIM_TIER_H

#include <stdbool.h>
#include <stdint.h>

#include "sim/profile.h"

#define TIER_MAX_BUFFER 4096

struct tier {
	uint64_t miss_ps, hit_ps; /* dependent read, internal line not buffered / buffered */
	uint64_t stream_ps;	  /* per line of a stream */
	uint64_t nt_write_ps;	  /* per line of non-temporal stores */
	uint64_t read_service_ps, write_service_ps; /* device occupied per line */
	uint64_t read_free_ps, write_free_ps;	    /* simulated time at which the queue is empty */
	unsigned int line_shift;		    /* 64-byte lines per internal line, log2 */
	unsigned int buffer_lines;
	uint32_t buffer[TIER_MAX_BUFFER]; /* buffered internal lines, direct-mapped; 0: none */
	uint64_t reads, writes;		  /* 64-byte lines */
	uint64_t stream_reads, queued_ps;
};

/* Takes the timing from a profile; all counters 0. */
void tier_init(struct tier *t, const struct tier_profile *p);

/* One 64-byte read at now_ps (stream: independent of the last); returns the stall in ps. */
uint64_t tier_read(struct tier *t, uint32_t line, uint64_t now_ps, bool stream);

/* One 64-byte line written back at now_ps; nobody waits, but later writes queue behind it. */
void tier_write(struct tier *t, uint64_t now_ps);

/* One 64-byte line of non-temporal stores at now_ps; returns the stall in ps. */
uint64_t tier_write_nt(struct tier *t, uint64_t now_ps);

#endif
