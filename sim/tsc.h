/* The time stamp counter in simulated time, for guest programs that execute rdtsc although the guest's CPU has none. */
#ifndef TMSIM_TSC_H
#define TMSIM_TSC_H

/* Ticks of the guest's counter in a simulated nanosecond. */
#define TSC_TICKS_PER_NS 1

/* Installs the handler. 0, or -1 with errno. Call once, before any tsc_trap. */
int tsc_init(void);

/* From now on rdtsc in the calling thread, a vCPU's, gives simulated time: QEMU's own helper executes the host's. */
void tsc_trap(void);

#endif
