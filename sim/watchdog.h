/* Ends a simulation that has stopped moving, and says where it stands. */
#ifndef TMSIM_WATCHDOG_H
#define TMSIM_WATCHDOG_H

/* Starts the watchdog thread: after TMSIM_WATCHDOG_S (environment, default 60) seconds without simulated progress it prints every
 * actor's state and ends the process with status 1. A guest that waits for input from outside counts as moving. */
void watchdog_start(void);

#endif
