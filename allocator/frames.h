// The pool of PMEM frames. All calls with tm_lock held.
#ifndef TIERMEM_FRAMES_H
#define TIERMEM_FRAMES_H

#include <stdbool.h>
#include <stdint.h>

// Makes a pool of count frames, all free; false: no memory for its bitmap.
bool tm_frames_init(uint32_t count);
// Takes a run of at most want frames, at near if that one is free; sets got; TM_NO_FRAME: none left.
uint32_t tm_frames_take(uint32_t want, uint32_t near, uint32_t *got);
void tm_frames_give(uint32_t first, uint32_t n);
uint32_t tm_frames_free(void);
uint32_t tm_frames_used(void);

#endif
