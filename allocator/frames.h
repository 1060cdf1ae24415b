// Frames of PMEM for this process (pool.h has whose they are). All calls with tm_lock held.
#ifndef TIERMEM_FRAMES_H
#define TIERMEM_FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Takes a run of at most want frames for the granules from g on; sets got; TM_NO_FRAME: none left.
uint32_t tm_frames_take(size_t g, uint32_t want, uint32_t *got);
void tm_frames_give(uint32_t first, uint32_t n);
// Free ones, of all that the device has; those that are in use, by this process.
uint32_t tm_frames_free(void);
uint32_t tm_frames_used(void);

#endif
