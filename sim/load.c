#include "sim/load.h"

#include <math.h>
#include <string.h>

enum { MIN_SHIFT = 25 /* 33.6 us */, WINDOWS = 2 /* that an estimate looks at */ };

void load_init(struct load *l, const struct load_shape *shape, uint64_t quantum_ns)
{
	memset(l, 0, sizeof(*l));
	l->shape = *shape;
	l->shift = MIN_SHIFT;
	while (UINT64_C(1) << l->shift < quantum_ns * 1000 * 9 / 8)
		l->shift++;
	for (int i = 0; i < LOAD_RING; i++)
		l->estimate[i].index = UINT64_MAX;
}

double load_share(double mean, double cv2)
{
	double width = mean * sqrt(6 * cv2), t; /* half the base of the triangle */

	if (width <= 0)
		return mean < 1 ? mean : 1;
	t = (1 - mean) / width;
	if (t >= 1)
		return mean;
	if (t <= -1)
		return 1;
	if (t >= 0)
		return mean - width * (1 - t) * (1 - t) * (1 - t) / 6;
	return 1 - width * (1 + t) * (1 + t) * (1 + t) / 6;
}

/* One vCPU over the windows that are looked at. */
struct demand {
	double free; /* time in which it did not wait */
	double service, weighted;
};

/* The wait per unit of service at which all together get `share` of `whole`. */
static double solve(const struct demand *d, unsigned int n, double share, double debt)
{
	double low = 0, high = 1;

	share -= debt < share / 2 ? debt : share / 2;
	for (int phase = 0, i = 0; i < 60; i++) {
		double y = phase ? (low + high) / 2 : high, got = 0;

		for (unsigned int k = 0; k < n; k++)
			got += d[k].service / (d[k].free + y * d[k].weighted);
		if (got > share)
			low = y;
		else if (phase)
			high = y;
		else
			phase = 1;
		if (!phase)
			high *= 2;
		else if (high - low < high / 1024)
			break;
	}
	return high;
}

/* A table over whole numbers of streams, between them linear. */
static uint32_t between(const double *table, double streams)
{
	unsigned int i = streams < LOAD_VCPUS ? (unsigned int)streams : LOAD_VCPUS - 1;
	double v = table[i] + (table[i + 1] - table[i]) * (streams - i);

	return (uint32_t)(v * 65536);
}

/* Sums the accounts of windows index-2 and index-3 (the ring clears what was skipped). */
static struct load_account sum(const struct load *l, uint64_t index, unsigned int vcpu)
{
	struct load_account s = {0};

	for (uint64_t w = 2; w < 2 + WINDOWS && w <= index; w++) {
		const struct load_account *a = &l->account[(index - w) % LOAD_RING][vcpu];

		for (int r = 0; r < LOAD_RESOURCES; r++) {
			s.service[r] += a->service[r];
			s.weighted[r] += a->weighted[r];
		}
		s.write += a->write;
		s.queued += a->queued;
		s.free += a->free;
	}
	return s;
}

/* What the device served in a window beyond its time becomes debt; free time pays it. */
static void settle(struct load *l, uint64_t index)
{
	uint64_t length = UINT64_C(1) << l->shift;

	for (int r = 0; r < LOAD_RESOURCES; r++) {
		uint64_t served = l->debt[r];

		for (unsigned int k = 0; k < l->vcpus; k++)
			served += l->account[index % LOAD_RING][k].service[r];
		l->debt[r] = served > length ? served - length : 0;
	}
}

static void make_estimate(struct load *l, uint64_t index)
{
	struct load_estimate *e = &l->estimate[index % LOAD_RING];
	struct demand d[LOAD_RESOURCES][LOAD_VCPUS];
	double length = (double)(UINT64_C(1) << l->shift), offered[LOAD_RESOURCES] = {0};
	double sum1 = 0, sum2 = 0, media = 0, writes = 0, streams, smooth, cv2, longest = 0;

	*e = (struct load_estimate){.index = index};
	for (unsigned int k = 0; k < l->vcpus; k++) {
		struct load_account a = sum(l, index, k);
		double free = a.free > 1000 ? (double)a.free : 1000, most = 0;
		/* One that was there for a part of the time counts as that part. */
		double part = (free + (double)a.queued) / (length * WINDOWS);

		for (int r = 0; r < LOAD_RESOURCES; r++) {
			struct demand *x = &d[r][k];

			x->free = free;
			x->service = (double)a.service[r] * (part < 1 ? part : 1);
			x->weighted = (double)a.weighted[r];
			offered[r] += x->service / x->free;
			if (x->service / x->free > most)
				most = x->service / x->free;
		}
		sum1 += most;
		sum2 += most * most;
		media += (double)a.service[LOAD_MEDIA];
		writes += (double)a.write;
	}
	streams = sum2 > 0 ? sum1 * sum1 / sum2 : 0;
	l->streams = streams;
	writes = media > 0 ? writes / media : 0;
	smooth = writes / l->shape.write_smoothing + (1 - writes) / l->shape.read_smoothing;
	cv2 = l->shape.jitter * l->shape.jitter;
	if (streams > 0)
		cv2 += (l->shape.dimms - 1) / streams * smooth;
	for (int r = 0; r < LOAD_RESOURCES; r++) {
		double share = load_share(offered[r], cv2), debt, wait, total = 0;

		l->offered[r] = offered[r];
		/* A window's worth of debt is what chance brings. */
		debt = ((double)l->debt[r] / length - 1) / 8;
		if (offered[r] - share < 1e-4 && debt <= 0)
			continue;
		wait = solve(d[r], l->vcpus, share, debt > 0 ? debt : 0);
		for (unsigned int k = 0; k < l->vcpus; k++)
			total += wait * d[r][k].weighted;
		if (total <= longest)
			continue;
		longest = total;
		e->wait[LOAD_MEDIA] = e->wait[LOAD_LINK] = 0;
		e->wait[r] = (uint32_t)(wait * 256);
	}
	e->split_read = between(l->split_read, streams);
	e->split_write = between(l->split_write, streams);
}

/* Goes on to a window: clears the accounts of those in between. */
static void advance(struct load *l, uint64_t index)
{
	bool near = index - l->current < LOAD_RING;

	if (!near)
		memset(l->debt, 0, sizeof(l->debt));
	for (uint64_t i = near ? l->current + 1 : index + 1 - LOAD_RING; i <= index; i++) {
		if (near && i >= 2)
			settle(l, i - 2);
		memset(l->account[i % LOAD_RING], 0, l->vcpus * sizeof(l->account[0][0]));
		memset(l->booked_ps[i % LOAD_RING], 0, sizeof(l->booked_ps[0]));
		l->members[i % LOAD_RING] = 0;
		l->estimate[i % LOAD_RING].index = UINT64_MAX;
	}
	l->current = index;
}

const struct load_estimate *load_at(struct load *l, uint64_t now_ps)
{
	uint64_t index = now_ps >> l->shift;
	struct load_estimate *e;

	if (index > l->current)
		advance(l, index);
	else if (l->current - index >= LOAD_RING - 3)
		index = l->current; /* a clock that was put back: rare, and nothing depends on it */
	e = &l->estimate[index % LOAD_RING];
	if (__builtin_expect(e->index != index, 0))
		make_estimate(l, index);
	return e;
}

/* Time between this access and the vCPU's last without what it waited, at most a window. */
static uint64_t free_time(struct load *l, unsigned int vcpu, uint64_t now_ps)
{
	int64_t clock = (int64_t)(now_ps - l->waited_ps[vcpu]), gap;

	if (clock <= l->clock_ps[vcpu]) /* several at the same time: the wait for the first is not over */
		return 0;
	gap = clock - l->clock_ps[vcpu];
	l->clock_ps[vcpu] = clock;
	return gap >> l->shift ? UINT64_C(1) << l->shift : (uint64_t)gap;
}

/* Books service in a window; returns what an access pays because the window is booked out. */
static uint64_t book(struct load *l, unsigned int slot, unsigned int vcpu, int r, uint32_t service_ps)
{
	l->booked_ps[slot][r] += service_ps;
	l->members[slot] |= UINT64_C(1) << vcpu;
	if (__builtin_expect(!(l->booked_ps[slot][r] >> l->shift), 1))
		return 0;
	return (uint64_t)service_ps * (unsigned int)__builtin_popcountll(l->members[slot]);
}

uint64_t load_charge(struct load *l, unsigned int vcpu, uint64_t now_ps, const struct load_use *use)
{
	const struct load_estimate *e = load_at(l, now_ps);
	unsigned int slot = e->index % LOAD_RING;
	struct load_account *a = &l->account[slot][vcpu];
	uint64_t media = (uint64_t)use->media_ps * use->depth >> 8,
		 link = (uint64_t)use->link_ps * use->depth >> 8;
	uint64_t wait = (media * e->wait[LOAD_MEDIA] + link * e->wait[LOAD_LINK]) >> 8;
	uint64_t full = book(l, slot, vcpu, LOAD_MEDIA, use->media_ps);
	uint64_t full_link = book(l, slot, vcpu, LOAD_LINK, use->link_ps);

	if (vcpu >= l->vcpus)
		l->vcpus = vcpu + 1;
	full = full > full_link ? full : full_link;
	wait = wait > full ? wait : full;
	a->service[LOAD_MEDIA] += use->media_ps;
	a->service[LOAD_LINK] += use->link_ps;
	a->weighted[LOAD_MEDIA] += media;
	a->weighted[LOAD_LINK] += link;
	if (use->write)
		a->write += use->media_ps;
	a->free += free_time(l, vcpu, now_ps);
	a->queued += wait;
	l->waited_ps[vcpu] += wait;
	return wait;
}
