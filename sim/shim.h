/* Interposed libc functions; see shim.c. */
#ifndef TMSIM_SHIM_H
#define TMSIM_SHIM_H

#include <stdbool.h>

/* From now on QEMU sees simulated time. Call once, from the main thread, after sched_init. */
void shim_start(void);

/* Whether shim_start was called: false in any process but a QEMU that loaded the plugin. */
bool shim_active(void);

#endif
