// How much of the process' private anonymous memory tiermem manages, and what else there is.
#ifndef TIERMEM_CAPTURE_H
#define TIERMEM_CAPTURE_H

#include <stdbool.h>
#include <stdint.h>

// Bytes of resident private anonymous memory outside tiermem's zones and its own tables.
struct tm_capture {
	uint64_t stacks; // of threads; one whose thread runs all the while counts as missed
	uint64_t bss;	 // directly behind a file's data: .bss of the program and of libraries
	uint64_t missed; // the rest: what could have been captured
};

// Reads /proc/self/smaps: the kernel visits every page table of the process for that, and the program's own mmap waits meanwhile.
// False: it cannot be read.
bool tm_capture_measure(struct tm_capture *c);

#endif
