/* A trace: which sizes a program allocates and how long each lives (record.c says how it is made). */
#ifndef TMALLOC_TRACE_H
#define TMALLOC_TRACE_H

#include <stdint.h>

enum { TRACE_MAX = 4096 };

struct trace {
	struct {
		uint32_t size, lifetime; /* bytes; allocations of the program, a power of two */
		double share;		 /* of all allocations */
	} kind[TRACE_MAX];
	int n;
};

/* Reads `size,lifetime,count` (a line that begins with # is a comment). 0, or -1 after saying what is wrong. */
int trace_read(struct trace *t, const char *path);

#endif
