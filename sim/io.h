/* Block I/O in simulated time; see io.c. */
#ifndef TMSIM_IO_H
#define TMSIM_IO_H

#include "sim/disk.h"

/* From now on I/O workers' requests take what the profile's disk takes. */
void io_start(const struct disk_profile *p);

/* The disk's counters. */
const struct disk *io_disk(void);

#endif
