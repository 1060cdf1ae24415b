/* Replaces the one rdtsc of QEMU that guests make it execute all the time, so that it need not trap. */
#ifndef TMSIM_TSC_SITE_H
#define TMSIM_TSC_SITE_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Makes the rdtsc at SITE, in QEMU's cpu_get_ticks, call TICKS from now on. False: it stays as it was, because it is another
 * rdtsc, is not followed by what compilers write there, or the host forbids it.
 */
bool tsc_site_replace(unsigned char *site, uint64_t (*ticks)(void));

#endif
