/* Interposed libc functions; see shim.c. */
#ifndef TMSIM_SHIM_H
#define TMSIM_SHIM_H

/* From now on QEMU sees simulated time. Call once, from the main thread, after sched_init. */
void shim_start(void);

#endif
