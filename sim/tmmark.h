/*
 * Marks: a guest program tells the simulator that a phase begins or ends. A mark is a long NOP whose displacement
 * carries a magic number, an operation and an argument: `nopl MAGIC(%rax)`. Without the simulator it does nothing.
 */
#ifndef TMMARK_H
#define TMMARK_H

#include <stdint.h>

#define TMMARK_MAGIC 0x544d0000u /* "TM" */
#define TMMARK_MASK  0xffff0000u

enum tmmark_op {
	TMMARK_NAME = 1, /* argument: the next character of the phase's name */
	TMMARK_BEGIN =
		2, /* the phase called by the characters since the last BEGIN begins; it ends one that is open */
	TMMARK_END = 3,	  /* the phase ends */
	TMMARK_MODEL = 4, /* argument 0: memory is free (fast-forward); 1: memory is timed */
	TMMARK_UNIT = 5,  /* the next instruction stores into the page of the sampling unit (tmunit.h) */
};

/* Executes one mark; the operation and the argument (0..255) must be constants. */
#define TMMARK(op, arg)                                                                                      \
	__asm__ volatile(".byte 0x0f, 0x1f, 0x80\n\t.long %c0"                                               \
			 :                                                                                   \
			 : "i"(TMMARK_MAGIC | (unsigned int)(op) << 8 | (unsigned int)(arg))                 \
			 : "memory")

#endif
