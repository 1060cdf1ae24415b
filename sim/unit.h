/*
 * The sampling unit of the guest (tmunit.h): writes the addresses of sampled misses into pages of the program that wants them.
 */
#ifndef TMSIM_UNIT_H
#define TMSIM_UNIT_H

#include <stdbool.h>
#include <stdint.h>

#include "sim/qemu_plugin.h"

/* The store behind the NOP that starts the unit: its page is the program's. Call it in a memory callback only. */
void unit_start(qemu_plugin_meminfo_t info, uint64_t vaddr);

/* A sampled miss; false: nobody in the guest wants it, or it is to cost nothing. */
bool unit_take(uint64_t vaddr);

#endif
