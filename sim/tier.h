/*
 * Timing of a memory tier: DIMMs that are interleaved by address, each with a buffer of internal lines (buffer.h), and
 * queueing at all of them together (load.h). Figures come from a profile (profile.h says what each key means).
 *
 * A read whose internal line is in its DIMM's buffer takes hit_ps, another miss_ps, chosen such that the mean of random
 * and of sequential dependent reads are the measured ones. It occupies the link by 64 bytes and, unless buffered, the
 * media by one internal line. A write occupies the media when its internal line leaves the buffer: once by what a line
 * takes when it is whole, and by a line's read too when it is not (read-modify-write).
 *
 * Streams of several vCPUs compete for the buffer: beyond `streams` of them in one DIMM, an access to a line that its
 * stream has open finds it lost with probability (split_lines / 3) x (1 - streams / n)^2. That is inferred, not seen:
 * vCPUs run in slices, so the order in which their accesses meet at the DIMM is not known.
 */
#ifndef TMSIM_TIER_H
#define TMSIM_TIER_H

#include <stdbool.h>
#include <stdint.h>

#include "sim/buffer.h"
#include "sim/load.h"
#include "sim/profile.h"

enum { TIER_MAX_DIMMS = 16 };

struct tier {
	uint64_t miss_ps, hit_ps;	     /* dependent read, internal line not buffered / buffered */
	uint64_t stream_ps;		     /* one core: per 64-byte line of a stream of loads, */
	uint64_t nt_ps, clwb_ps;	     /* of non-temporal stores, of stores each followed by clwb */
	uint64_t nt_fence_ps, clwb_fence_ps; /* from the store (clwb) until a fence need not wait for it */
	uint32_t read_ps,
		write_ps; /* media occupied by one internal line (DRAM: 64 bytes), of the whole device */
	uint32_t link_read_ps,
		link_write_ps;	 /* the way to the CPU occupied by 64 bytes, of the whole device */
	uint32_t depth;		 /* lines that a stream has in flight: 256 each */
	bool whole_lines;	 /* the media is written by internal lines */
	unsigned int unit_shift; /* 64-byte lines per internal line, log2 */
	unsigned int interleave_lines, dimms;
	uint32_t internal_bytes;
	uint32_t read_split, write_split; /* parts of a lost line carried over, 1/65536 */
	double overhead;
	struct load load;
	struct buffer buffer[TIER_MAX_DIMMS];
	/* Statistics: 64-byte lines; media bytes as counted, without `overhead`. */
	uint64_t reads, writes;
	uint64_t stream_reads, queued_ps;
	uint64_t media_read_bytes, media_write_bytes;
};

/* Takes the timing from a profile; all counters 0. */
void tier_init(struct tier *t, const struct tier_profile *p, double quantum_ns);

/*
 * One 64-byte read by a vCPU at now_ps. Dependent: returns the whole stall in ps. stream (independent of the last):
 * returns only what queueing adds; the caller paces the stream by stream_ps.
 */
uint64_t tier_read(struct tier *t, unsigned int vcpu, uint32_t line, uint64_t now_ps, bool stream);

/* One 64-byte line written at now_ps; returns what queueing makes the vCPU that causes it wait, ps. */
uint64_t tier_write(struct tier *t, unsigned int vcpu, uint32_t line, uint64_t now_ps);

/* Bytes that the media has read and written, with its overhead. */
double tier_media_read(const struct tier *t);
double tier_media_write(const struct tier *t);

#endif
