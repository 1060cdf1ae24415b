/* Interposed libc functions; see shim.c. */
#ifndef TMSIM_SHIM_H
#define TMSIM_SHIM_H

#include <stdint.h>

/* From now on QEMU sees simulated time. wall_s: where its wall clock begins, in seconds since 1970; 0: at the host's time.
   Call once, from the main thread, after sched_init. */
void shim_start(uint64_t wall_s);

#endif
