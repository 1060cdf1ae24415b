// The ring of pages in which perf events leave their records.
#ifndef TIERMEM_PERF_RING_H
#define TIERMEM_PERF_RING_H

#include <stdbool.h>
#include <stddef.h>

struct tm_perf_ring {
	struct perf_event_mmap_page *page; // NULL: not open
	size_t size;			   // of what follows that page
};

// Maps the ring of an event's descriptor: size bytes, a power of two of pages. False: errno says why.
bool tm_perf_ring_open(struct tm_perf_ring *ring, int fd, size_t size);
// Does nothing where it is not open.
void tm_perf_ring_close(struct tm_perf_ring *ring);
// Calls take for each sample since the last call: what follows its header, at most TM_PERF_SAMPLE bytes of it.
void tm_perf_ring_read(struct tm_perf_ring *ring, void (*take)(const void *sample, size_t size));

#define TM_PERF_SAMPLE 256

#endif
