/*
 * tmloop: what instructions cost. Small kernels of ordinary code whose data fit the private caches; the simulator counts their
 * instructions, the machine says how long they take. It runs unmodified on a machine and in a simulated guest.
 *
 *   main.c    options, the measurement
 *   user.c    code of programs: sorting, text, a hash table
 *   library.c the same: a JSON library, an SQL engine, regular expressions
 *   system.c  code of the operating system: system calls, the page cache, loopback TCP, a switch of threads
 */
#ifndef TMLOOP_LOOP_H
#define TMLOOP_LOOP_H

#include <stdint.h>

/* Each does so many operations, and returns what keeps the compiler from leaving them out; UINT64_MAX: failed, see errno. */
uint64_t loop_sort(uint64_t n);	  /* a heap sort of 1,024 random numbers */
uint64_t loop_text(uint64_t n);	  /* a number and a word printed to a line and read back */
uint64_t loop_lookup(uint64_t n); /* a key of 16 to 27 bytes looked up among 1,024 */
uint64_t loop_json(uint64_t n);	  /* one of 64 documents read and written */
uint64_t loop_sql(uint64_t n);	  /* a statement parsed, planned and executed on 64 rows in memory */
uint64_t loop_regex(uint64_t n);  /* a line of a log matched with six groups */
uint64_t
loop_mixed(uint64_t n); /* one of text, json, lookup, sql and regex: none finds its code in the L1i */
uint64_t loop_syscall(uint64_t n); /* getppid */
uint64_t loop_file(uint64_t n);	   /* 512 bytes written to and read from a file in memory */
uint64_t loop_socket(uint64_t n); /* 64 bytes and 512 bytes back over loopback TCP, both ends in one thread */
uint64_t
loop_switch(uint64_t n);	/* 64 bytes and back between two threads of one CPU, each waiting in epoll */
uint64_t loop_wake(uint64_t n); /* the same between two CPUs: each wakes the other */

/* Pseudo-random numbers, the same everywhere. */
static inline uint64_t loop_random(uint64_t *state)
{
	*state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return *state >> 32;
}

#endif
