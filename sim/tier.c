#include "sim/tier.h"

#include <string.h>

/* ps that 64 bytes take at a bandwidth. */
static double per_line_ps(double gbps)
{
	return 64 / gbps * 1000;
}

/* Probability that a stream in a DIMM with n streams in all finds its open line lost. */
static double lost(const struct tier_profile *p, unsigned int n)
{
	double over = 1 - p->streams / n;

	return over > 0 ? p->split_lines / 3 * over * over : 0;
}

/* The same for `streams` of the tier, each of which is in one DIMM's buffer with probability `present`. */
static double mean_lost(const struct tier_profile *p, unsigned int streams, double present)
{
	double weight[LOAD_VCPUS + 1] = {1}, sum = 0;

	/* The other streams: binomial, one after another. */
	for (unsigned int others = 1; others < streams; others++)
		for (unsigned int k = others + 1; k-- > 0;)
			weight[k] = weight[k] * (1 - present) + (k ? weight[k - 1] * present : 0);
	for (unsigned int k = 0; k < streams; k++)
		sum += weight[k] * lost(p, k + 1);
	return sum < 1 ? sum : 1;
}

void tier_init(struct tier *t, const struct tier_profile *p, double quantum_ns)
{
	const struct load_shape shape = {p->dimms, p->read_smoothing, p->write_smoothing, p->jitter};
	double per_line = p->line_bytes / 64, unit = p->whole_lines ? p->line_bytes : 64;
	double random_ns = p->random_ns + p->remote_ns, sequential_ns = p->sequential_ns + p->remote_ns;
	/* sequential = (1 x random + (n - 1) x hit) / n */
	double hit_ns = per_line > 1 ? (per_line * sequential_ns - random_ns) / (per_line - 1) : random_ns;
	/* A farther device: as many lines in flight, each for longer. */
	double farther = random_ns / p->random_ns;

	memset(t, 0, sizeof(*t));
	t->miss_ps = (uint64_t)(random_ns * 1000);
	t->hit_ps = (uint64_t)((hit_ns > 0 ? hit_ns : 0) * 1000);
	t->stream_ps = (uint64_t)(per_line_ps(p->core_read_gbps) * farther);
	t->nt_ps = (uint64_t)(per_line_ps(p->core_write_gbps) * farther);
	t->clwb_ps = (uint64_t)(per_line_ps(p->core_clwb_gbps) * farther);
	t->nt_fence_ps = (uint64_t)((p->nt_ns + p->remote_ns) * 1000);
	t->clwb_fence_ps = (uint64_t)((p->clwb_ns + p->remote_ns) * 1000);
	t->dimms = (unsigned int)p->dimms;
	t->read_ps = (uint32_t)(unit / p->media_read_gbps * 1000 / t->dimms);
	t->write_ps = (uint32_t)(unit / p->media_write_gbps * 1000 / t->dimms);
	t->link_read_ps = (uint32_t)(per_line_ps(p->link_read_gbps) / t->dimms);
	if (p->remote_read_gbps > 0 && per_line_ps(p->remote_read_gbps) > t->link_read_ps)
		t->link_read_ps = (uint32_t)per_line_ps(p->remote_read_gbps);
	if (p->remote_write_gbps > 0)
		t->link_write_ps = (uint32_t)per_line_ps(p->remote_write_gbps);
	t->depth = (uint32_t)(256.0 * (double)t->miss_ps / (double)t->stream_ps);
	t->whole_lines = p->whole_lines != 0 && p->line_bytes <= 4096; /* a bit per 64 bytes */
	t->internal_bytes = (uint32_t)unit;
	while ((64u << t->unit_shift) < (unsigned int)p->line_bytes)
		t->unit_shift++;
	t->interleave_lines = (unsigned int)p->interleave_bytes / 64;
	t->overhead = p->media_overhead;
	load_init(&t->load, &shape, (uint64_t)quantum_ns);
	for (unsigned int n = 1; n <= LOAD_VCPUS; n++) {
		double one = 1 / p->dimms, write = p->write_spread / p->dimms;

		t->load.split_read[n] = mean_lost(p, n, one);
		t->load.split_write[n] = mean_lost(p, n, write < 1 ? write : 1);
	}
	for (unsigned int i = 0; i < t->dimms; i++)
		buffer_init(&t->buffer[i], (uint32_t)p->buffer_lines);
}

/* The DIMM that holds a line, and the line's number in it. */
static struct buffer *locate(struct tier *t, uint32_t *line)
{
	uint32_t block = *line / t->interleave_lines, dimm = block % t->dimms;

	*line = block / t->dimms * t->interleave_lines + *line % t->interleave_lines;
	return &t->buffer[dimm];
}

static uint32_t media_read(struct tier *t)
{
	t->media_read_bytes += t->internal_bytes;
	return t->read_ps;
}

static uint32_t media_write(struct tier *t)
{
	t->media_write_bytes += t->internal_bytes;
	return t->write_ps;
}

/* Takes a line in and writes back what falls out; adds the media's time to *ps. */
static int take(struct tier *t, struct buffer *b, unsigned int vcpu, uint32_t internal, uint32_t *ps)
{
	struct buffer_victim out;
	int place = buffer_take(b, vcpu, internal, &out);

	if (out.written)
		*ps += (out.whole ? 0 : media_read(t)) + media_write(t);
	return place;
}

/* Whether a stream's open line was lost to others since: as often as share (1/65536) says, evenly. */
static bool was_lost(uint32_t *part, uint32_t share)
{
	*part += share;
	if (*part < 65536)
		return false;
	*part -= 65536;
	return true;
}

/* Books the access; returns its wait. */
static uint64_t charge(struct tier *t, unsigned int vcpu, uint64_t now_ps, const struct load_use *use)
{
	uint64_t wait = load_charge(&t->load, vcpu, now_ps, use);

	t->queued_ps += wait;
	return wait;
}

uint64_t tier_read(struct tier *t, unsigned int vcpu, uint32_t line, uint64_t now_ps, bool stream)
{
	struct load_use use = {.link_ps = t->link_read_ps, .depth = stream ? 256 : t->depth};
	struct buffer *b = locate(t, &line);
	uint32_t internal = line >> t->unit_shift;
	int place = buffer_find(b, vcpu, internal);
	uint64_t unit = UINT64_C(1) << (line & ((1u << t->unit_shift) - 1) & 63), wait;
	bool hit = place >= 0;

	t->reads++;
	t->stream_reads += stream;
	if (!hit) {
		place = take(t, b, vcpu, internal, &use.media_ps);
		b->whole[place] = true;
		use.media_ps += media_read(t);
	} else if (!t->whole_lines) {
		use.media_ps = media_read(t);
	} else if ((!b->whole[place] && !(b->written[place] & unit)) ||
		   (stream && !b->written[place] &&
		    was_lost(&t->read_split, load_at(&t->load, now_ps)->split_read))) {
		b->whole[place] = true;
		use.media_ps = media_read(t);
	}
	wait = charge(t, vcpu, now_ps, &use);
	if (stream)
		return wait;
	return wait + (hit ? t->hit_ps : t->miss_ps);
}

uint64_t tier_write(struct tier *t, unsigned int vcpu, uint32_t line, uint64_t now_ps)
{
	struct load_use use = {.link_ps = t->link_write_ps, .depth = 256, .write = true};
	struct buffer *b = locate(t, &line);
	uint32_t internal = line >> t->unit_shift;
	int place = buffer_find(b, vcpu, internal);

	t->writes++;
	if (!t->whole_lines) {
		if (place < 0)
			take(t, b, vcpu, internal, &use.media_ps);
		use.media_ps += media_write(t);
		return charge(t, vcpu, now_ps, &use);
	}
	if (place < 0)
		place = take(t, b, vcpu, internal, &use.media_ps);
	else if (b->written[place] && was_lost(&t->write_split, load_at(&t->load, now_ps)->split_write))
		use.media_ps += (b->whole[place] ? 0 : media_read(t)) + media_write(t);
	b->written[place] |= UINT64_C(1) << (line & ((1u << t->unit_shift) - 1));
	if (b->written[place] == UINT64_MAX >> (64 - (1u << t->unit_shift))) {
		use.media_ps += media_write(t);
		b->written[place] = 0;
		b->whole[place] = true;
	}
	return charge(t, vcpu, now_ps, &use);
}

double tier_media_read(const struct tier *t)
{
	return (double)t->media_read_bytes * t->overhead;
}

double tier_media_write(const struct tier *t)
{
	return (double)t->media_write_bytes * t->overhead;
}
