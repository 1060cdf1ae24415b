// What the tracker found, over time: a CSV file for a heat map of guest RAM (--heat FILE).
#ifndef TIERMEM_HEAT_FILE_H
#define TIERMEM_HEAT_FILE_H

#include <stddef.h>
#include <stdint.h>

#define TM_HEAT_PARTS 256 // of guest RAM, in the order of its addresses

// Granule g has n more samples.
void tm_heat_file_take(size_t g, uint32_t n);
// When a tenth of a second has passed since the last time: one line for each part of guest RAM: time_ns, offset in bytes, samples
// since then, granules in DRAM, on PMEM. A file that cannot be written is reported once.
void tm_heat_file_write(uint64_t now_ns);

#endif
