#include "allocator/perf_ring.h"
#include "allocator/os.h"

#include <linux/perf_event.h>
#include <string.h>
#include <sys/mman.h>

bool tm_perf_ring_open(struct tm_perf_ring *ring, int fd, size_t size)
{
	void *p = tm_os_mmap(NULL, TM_PAGE + size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	ring->page = p == MAP_FAILED ? NULL : p;
	ring->size = size;
	return ring->page;
}

void tm_perf_ring_close(struct tm_perf_ring *ring)
{
	if (ring->page)
		tm_os_munmap(ring->page, TM_PAGE + ring->size);
	ring->page = NULL;
}

// Copies out of a ring, whose end may be within.
static void copy(void *to, const struct tm_perf_ring *ring, uint64_t at, size_t n)
{
	const char *data = (const char *)ring->page + TM_PAGE;
	size_t from = at & (ring->size - 1), whole = ring->size - from < n ? ring->size - from : n;

	memcpy(to, data + from, whole);
	memcpy((char *)to + whole, data, n - whole);
}

void tm_perf_ring_read(struct tm_perf_ring *ring, void (*take)(const void *sample, size_t size))
{
	uint64_t head = __atomic_load_n(&ring->page->data_head, __ATOMIC_ACQUIRE), at = ring->page->data_tail;
	struct perf_event_header header;
	_Alignas(8) char sample[TM_PERF_SAMPLE];

	for (; at < head; at += header.size) {
		copy(&header, ring, at, sizeof(header));
		if (header.size < sizeof(header))
			break; // it cannot be
		if (header.type != PERF_RECORD_SAMPLE)
			continue;
		size_t n = header.size - sizeof(header);
		n = n < sizeof(sample) ? n : sizeof(sample);
		copy(sample, ring, at + sizeof(header), n);
		take(sample, n);
	}
	__atomic_store_n(&ring->page->data_tail, head, __ATOMIC_RELEASE);
}
