/* Drives a tier directly with N virtual cores that take turns in slices of a quantum, as vCPUs do. */
#ifndef TEST_DRIVE_H
#define TEST_DRIVE_H

#include <stdlib.h>
#include <string.h>

#include "sim/tier.h"

enum drive_op { DRIVE_READ, DRIVE_NT, DRIVE_CLWB };

#define DRIVE_QUANTUM_PS UINT64_C(20000000)

struct drive_core {
	uint64_t now_ps, last_ps;
	uint32_t line, from; /* next line, first of its region */
	uint64_t bytes;
};

/* One 64-byte line of a stream. */
static inline void drive_line(struct tier *t, unsigned int id, struct drive_core *c, enum drive_op op)
{
	uint64_t interval = op == DRIVE_READ ? t->stream_ps : op == DRIVE_NT ? t->nt_ps : t->clwb_ps;
	uint64_t wait = 0, due = c->last_ps + interval;

	if (op != DRIVE_NT)
		wait = tier_read(t, id, c->line, c->now_ps, true);
	if (op != DRIVE_READ)
		wait += tier_write(t, id, c->line, c->now_ps);
	c->now_ps = (due > c->now_ps ? due : c->now_ps) + wait;
	c->last_ps = c->now_ps;
	c->line++;
	c->bytes += 64;
}

/* GB/s of n cores that each stream through a region of their own, after a warm-up. */
static inline double drive_bandwidth(const struct tier_profile *p, enum drive_op op, unsigned int n)
{
	const uint64_t warm = 20 * DRIVE_QUANTUM_PS, end = 120 * DRIVE_QUANTUM_PS;
	struct tier *t = malloc(sizeof(*t));
	struct drive_core *core = calloc(n, sizeof(*core));
	uint64_t bytes = 0;

	tier_init(t, p, 20000);
	for (unsigned int i = 0; i < n; i++)
		core[i].line = (i << 21) + i * 64; /* 128 MiB apart, not on the same DIMM */
	for (uint64_t slice = DRIVE_QUANTUM_PS; slice <= end; slice += DRIVE_QUANTUM_PS) {
		for (unsigned int i = 0; i < n; i++) {
			if (slice == warm + DRIVE_QUANTUM_PS)
				core[i].bytes = 0;
			while (core[i].now_ps < slice)
				drive_line(t, i, &core[i], op);
		}
	}
	for (unsigned int i = 0; i < n; i++)
		bytes += core[i].bytes;
	free(core);
	free(t);
	return (double)bytes / (double)(end - warm) * 1000;
}

/* Media bytes written per byte, when the first and then the second half of every internal line of a region is written. */
static inline double drive_amplification(const struct tier_profile *p, uint32_t region_bytes,
					 unsigned int rounds)
{
	uint32_t lines = region_bytes / 64, half = (uint32_t)p->line_bytes / 128;
	struct tier *t = malloc(sizeof(*t));
	double media;
	uint64_t now = 0;

	tier_init(t, p, 20000);
	for (unsigned int r = 0; r < rounds; r++)
		for (uint32_t side = 0; side < 2; side++)
			for (uint32_t l = 0; l < lines; l++)
				if (l / half % 2 == side)
					now += 16000 + tier_write(t, 0, l, now);
	media = tier_media_write(t) / ((double)t->writes * 64);
	free(t);
	return media;
}

#endif
