/* The few x86-64 instructions that the memory model must tell from ordinary ones, by their bytes. */
#ifndef TMSIM_DECODE_H
#define TMSIM_DECODE_H

#include <stdbool.h>
#include <stddef.h>

/* lfence or mfence: the next miss does not overlap with those before. */
bool decode_fence(const unsigned char *bytes, size_t size);

/* movnti, movntps, movntpd, movntdq, movntq and their VEX forms: a store past the caches. */
bool decode_nt_store(const unsigned char *bytes, size_t size);

#endif
