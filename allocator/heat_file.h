// What the tracker found, over time: a CSV file for a heat map of guest RAM (--heat FILE).
#ifndef TIERMEM_HEAT_FILE_H
#define TIERMEM_HEAT_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TM_HEAT_PARTS 256 // of guest RAM, in the order of its addresses

// Granule g has n more samples, by the sampling period of the options.
void tm_heat_file_take(size_t g, uint32_t n);
// When 20 ms have passed since the last time, or no more samples come (idle): one line for each part of guest RAM: time_ns (simulated, of
// the latest sample), offset in bytes, samples since the time before, granules in DRAM, on PMEM. Nothing without a new sample; the
// one that ends a pause is a block of its own, which tells when. A file that cannot be written is reported once.
void tm_heat_file_write(uint64_t now_ns, bool idle);

#endif
