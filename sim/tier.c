#include "sim/tier.h"

#include <string.h>

void tier_init(struct tier *t, const struct tier_profile *p)
{
	double per_line = p->line_bytes / 64;
	/* sequential = (1 x random + (n - 1) x hit) / n */
	double hit_ns =
		per_line > 1 ? (per_line * p->sequential_ns - p->random_ns) / (per_line - 1) : p->random_ns;

	memset(t, 0, sizeof(*t));
	t->miss_ps = (uint64_t)(p->random_ns * 1000);
	t->hit_ps = (uint64_t)((hit_ns > 0 ? hit_ns : 0) * 1000);
	t->stream_ps = (uint64_t)(64 / p->core_read_gbps * 1000);
	t->nt_write_ps = (uint64_t)(64 / p->core_write_gbps * 1000);
	t->read_service_ps = (uint64_t)(64 / p->device_read_gbps * 1000);
	t->write_service_ps = (uint64_t)(64 / p->device_write_gbps * 1000);
	while ((64u << t->line_shift) < (unsigned int)p->line_bytes)
		t->line_shift++;
	t->buffer_lines = (unsigned int)p->buffer_lines;
}

/* Takes the internal line into the buffer; returns whether it was there. */
static bool buffered(struct tier *t, uint32_t line)
{
	uint32_t internal = (line >> t->line_shift) + 1;
	uint32_t *slot = &t->buffer[internal % t->buffer_lines];
	bool hit = *slot == internal;

	*slot = internal;
	return hit;
}

/* Queues one line's service; returns how long the queue made it wait. */
static uint64_t queue(uint64_t *free_ps, uint64_t now_ps, uint64_t service_ps)
{
	uint64_t wait = *free_ps > now_ps ? *free_ps - now_ps : 0;

	*free_ps = (wait ? *free_ps : now_ps) + service_ps;
	return wait;
}

uint64_t tier_read(struct tier *t, uint32_t line, uint64_t now_ps, bool stream)
{
	bool hit = buffered(t, line);
	uint64_t wait = queue(&t->read_free_ps, now_ps, t->read_service_ps);

	t->reads++;
	t->stream_reads += stream;
	/* vCPUs run up to a quantum apart: a queue left by one that is ahead is not real. */
	if (wait > t->miss_ps)
		wait = t->miss_ps;
	t->queued_ps += wait;
	if (stream)
		return wait > t->stream_ps ? wait : t->stream_ps;
	return wait + (hit ? t->hit_ps : t->miss_ps);
}

/* Queues one written line; returns how long a writer that waits for it waits. */
static uint64_t enqueue_write(struct tier *t, uint64_t now_ps)
{
	uint64_t wait = queue(&t->write_free_ps, now_ps, t->write_service_ps);

	t->writes++;
	t->queued_ps += wait;
	return wait;
}

void tier_write(struct tier *t, uint64_t now_ps)
{
	enqueue_write(t, now_ps);
}

uint64_t tier_write_nt(struct tier *t, uint64_t now_ps)
{
	uint64_t wait = enqueue_write(t, now_ps);

	return wait > t->nt_write_ps ? wait : t->nt_write_ps;
}
