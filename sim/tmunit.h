/*
 * The sampling unit as a guest sees it: what PEBS or IBS is on real hardware. A program fills in pages of its memory, which must stay where
 * they are (mlock), and executes TMUNIT_START for each of them, in their order: a long NOP and a store into the page. From then on, every Nth miss
 * of the last-level cache writes the virtual address that missed into a page, if it is one of those wanted. On a real CPU, and with a
 * simulator that has no unit, `on` stays 0. There is one unit, which knows no processes: an address counts whoever uses it.
 */
#ifndef TMUNIT_H
#define TMUNIT_H

#include <stdint.h>

#include "sim/tmmark.h"

enum { TMUNIT_PAGE = 4096, TMUNIT_PAGES = 64, TMUNIT_RECORDS = (TMUNIT_PAGE - 64) / 8 };

enum { TMUNIT_FREE = 1 }; /* samples cost no simulated time: for experiments */

/* One page. The first has all that is said of the unit; the others, at most TMUNIT_PAGES in all, their index and records. */
struct tmunit {
	uint64_t from, bytes; /* by the program: addresses that are wanted */
	uint32_t period;      /* by the program: misses for a sample, 1..2^31; 0: none any more */
	uint32_t start;	      /* what TMUNIT_START stores: nothing of interest */
	uint32_t on;	      /* by the unit: 1 */
	uint32_t taken;	      /* by the unit: samples so far; number i is record[i % TMUNIT_RECORDS] of page i / TMUNIT_RECORDS % pages */
	uint32_t flags;	      /* by the program: TMUNIT_* */
	uint32_t index;	      /* by the program: of the page, from 0 on */
	uint32_t reserved[6];
	uint64_t record[TMUNIT_RECORDS];
};

/* Starts the unit with a page of index 0, or has it read again what is wanted; adds a page of the next index. The two instructions lie in one aligned block, so that the simulator sees them together. */
#define TMUNIT_START(page)                                                                                   \
	__asm__ volatile(".p2align 4\n\t.byte 0x0f, 0x1f, 0x80\n\t.long %c1\n\tmovl $1, %0"                  \
			 : "=m"((page)->start)                                                               \
			 : "i"(TMMARK_MAGIC | TMMARK_UNIT << 8)                                              \
			 : "memory")

#endif
