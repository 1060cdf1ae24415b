/*
 * The buffer of one DIMM: internal lines (Optane: XPLines of 256 bytes; DRAM: rows) that are open at the moment. Writes
 * of 64 bytes combine in it; a line that is whole goes to the media at once and stays as a copy, another goes when its
 * place is needed.
 *
 * Replaced is the less recently used of two places chosen at random (by a fixed sequence). That is what figure 9 of the
 * FAST'20 study shows: of lines written by halves in turn none is lost up to 18 KiB, a third at 20 KiB, nine of ten at
 * 40 KiB. An LRU would lose all at 20 KiB; a single random place, or one that is not 16 to 18 KiB large, fits worse.
 *
 * The line that a vCPU used last is kept for it: vCPUs run in slices, and a line that a slice's end left half written is
 * not lost because of the simulator. What streams really take from each other is tier.h's.
 */
#ifndef TMSIM_BUFFER_H
#define TMSIM_BUFFER_H

#include <stdbool.h>
#include <stdint.h>

enum { BUFFER_MAX = 256, BUFFER_VCPUS = 64 };

struct buffer {
	uint32_t lines;		      /* capacity, 1..BUFFER_MAX */
	uint32_t used;		      /* places 0..used-1 are taken */
	uint32_t last;		      /* place of the last hit, looked at first */
	uint32_t random;	      /* state of the replacement sequence */
	uint32_t tag[BUFFER_MAX];     /* internal line */
	uint64_t written[BUFFER_MAX]; /* which 64-byte units are newer than the media */
	bool whole[BUFFER_MAX];	      /* the media's content is here too: writing it back reads nothing */
	uint32_t used_at[BUFFER_MAX], clock; /* order of uses */
	uint8_t owner[BUFFER_MAX];	     /* vCPU that used it last */
	uint32_t open[BUFFER_VCPUS]; /* internal line that each vCPU used last: not replaced by others */
};

/* What fell out of the buffer. */
struct buffer_victim {
	bool written, whole;
};

/* Makes it empty. */
void buffer_init(struct buffer *b, uint32_t lines);

/* The place of an internal line, -1 when it is not there. */
int buffer_find(struct buffer *b, unsigned int vcpu, uint32_t tag);

/* Takes in a line that is not there, with nothing written; returns its place, and what fell out. */
int buffer_take(struct buffer *b, unsigned int vcpu, uint32_t tag, struct buffer_victim *out);

#endif
