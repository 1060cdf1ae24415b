/* Which of QEMU's threads live in simulated time. */
#ifndef TMSIM_THREADS_H
#define TMSIM_THREADS_H

#include <stdbool.h>

/* From now on threads that QEMU creates are looked at. Call once, from the main thread. */
void threads_start(void);

/* The calling thread existed before threads_start and is no actor: QEMU's RCU thread. */
bool threads_is_rcu(void);

#endif
