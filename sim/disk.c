/*
 * A request waits for one of the disk's `queue` places, then takes the latency of its kind, then its bytes go over the bus, which
 * requests of one direction share. So random small requests are limited by queue / latency, large ones by the bandwidth.
 * A flush waits for every write submitted before it.
 */
#include "sim/disk.h"

#include <string.h>

void disk_init(struct disk *d, const struct disk_profile *p)
{
	memset(d, 0, sizeof(*d));
	d->latency_ps[DISK_READ] = (uint64_t)(p->read_us * 1e6);
	d->latency_ps[DISK_WRITE] = (uint64_t)(p->write_us * 1e6);
	d->latency_ps[DISK_FLUSH] = (uint64_t)(p->flush_us * 1e6);
	d->ps_per_kib[DISK_READ] = (uint64_t)(1024e3 / p->read_gbps);
	d->ps_per_kib[DISK_WRITE] = (uint64_t)(1024e3 / p->write_gbps);
	d->queue = (unsigned int)p->queue;
}

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

uint64_t disk_request(struct disk *d, enum disk_op op, size_t n, uint64_t now_ps)
{
	unsigned int place = 0;
	uint64_t start, ready, transfer = n * d->ps_per_kib[op] / 1024;

	d->requests[op]++;
	d->bytes[op] += n;
	for (unsigned int i = 1; i < d->queue; i++)
		if (d->free_ps[i] < d->free_ps[place])
			place = i;
	start = later(now_ps, d->free_ps[place]);
	if (op == DISK_FLUSH)
		start = later(start, d->bus_free_ps[DISK_WRITE]);
	d->queued_ps += start - now_ps;
	ready = later(start + d->latency_ps[op], d->bus_free_ps[op]) + transfer;
	d->bus_free_ps[op] = ready;
	d->free_ps[place] = ready;
	return ready;
}
