/*
 * Memory Mode: DRAM as a direct-mapped cache of 64-byte lines in front of the PMEM tier, with write-back of dirty lines
 * (Intel's 2LM; Hildebrand et al., "AutoTM", ASPLOS 2020, section 2, describe it).
 */
#ifndef TMSIM_NEAR_H
#define TMSIM_NEAR_H

#include <stdbool.h>
#include <stdint.h>

#define NEAR_NONE UINT32_MAX

struct near {
	uint32_t *tag;	/* line << 1 | dirty, NEAR_NONE: empty */
	uint32_t lines; /* 0: App Direct, no cache */
};

/* An empty cache of size_mib MiB (0: none); 0, or -1 when there is no memory for its tags (1/16 of its size). */
int near_init(struct near *n, double size_mib);

/* Looks a line up and takes it in. Returns whether it was there; *victim: the dirty line that fell out, or NEAR_NONE. */
bool near_access(struct near *n, uint32_t line, bool store, uint32_t *victim);

#endif
