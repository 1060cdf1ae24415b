/*
 * The sampling unit as a guest sees it: what PEBS or IBS is on real hardware. A program fills in a page of its memory, which must stay where
 * it is (mlock), and executes TMUNIT_START: a long NOP and a store into the page. From then on, every Nth miss of the last-level cache writes the
 * virtual address that missed into the page, if it is one of those wanted. On a real CPU, and with a simulator that has no unit, `on`
 * stays 0. The unit knows one page at a time, and no processes: an address counts whoever uses it.
 */
#ifndef TMUNIT_H
#define TMUNIT_H

#include <stdint.h>

#include "sim/tmmark.h"

enum { TMUNIT_PAGE = 4096, TMUNIT_RECORDS = (TMUNIT_PAGE - 64) / 8 };

enum { TMUNIT_FREE = 1 }; /* samples cost no simulated time: for experiments */

/* One page, at its beginning. */
struct tmunit {
	uint64_t from, bytes; /* by the program: addresses that are wanted */
	uint32_t period;      /* by the program: misses for a sample, 1..2^31; 0: none any more */
	uint32_t start;	      /* what TMUNIT_START stores: nothing of interest */
	uint32_t on;	      /* by the unit: 1 */
	uint32_t taken;	      /* by the unit: samples so far; the last is record[(taken - 1) % TMUNIT_RECORDS] */
	uint32_t flags;	      /* by the program: TMUNIT_* */
	uint32_t reserved[7];
	uint64_t record[TMUNIT_RECORDS];
};

/* Starts the unit, or has it read again what is wanted. The two instructions lie in one aligned block, so that the simulator sees them together. */
#define TMUNIT_START(page)                                                                                   \
	__asm__ volatile(".p2align 4\n\t.byte 0x0f, 0x1f, 0x80\n\t.long %c1\n\tmovl $1, %0"                  \
			 : "=m"((page)->start)                                                               \
			 : "i"(TMMARK_MAGIC | TMMARK_UNIT << 8)                                              \
			 : "memory")

#endif
