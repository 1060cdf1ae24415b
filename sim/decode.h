/* The few x86-64 instructions that the memory model must tell from ordinary ones, by their bytes. */
#ifndef TMSIM_DECODE_H
#define TMSIM_DECODE_H

#include <stdbool.h>
#include <stddef.h>

/* lfence or mfence: the next miss does not overlap with those before. */
bool decode_fence(const unsigned char *bytes, size_t size);

/* sfence or mfence: waits until non-temporal stores and flushed lines are safe from a power failure. */
bool decode_store_fence(const unsigned char *bytes, size_t size);

enum decode_flush {
	FLUSH_NONE,
	FLUSH_KEEP /* clwb: the line stays, clean */,
	FLUSH_DROP /* clflush, clflushopt */
};

/* Which kind of flush an instruction is. Its address is not decoded. */
enum decode_flush decode_flush(const unsigned char *bytes, size_t size);

/* movnti, movntps, movntpd, movntdq, movntq and their VEX forms: a store past the caches. */
bool decode_nt_store(const unsigned char *bytes, size_t size);

#endif
