#include "sim/buffer.h"

#include <string.h>

enum { KEPT_USES = 8192 };

void buffer_init(struct buffer *b, uint32_t lines)
{
	memset(b, 0, sizeof(*b));
	b->lines = lines < 1 ? 1 : lines > BUFFER_MAX ? BUFFER_MAX : lines;
	b->random = 2463534242u;
	memset(b->open, 0xff, sizeof(b->open));
}

/* A vCPU's use of a place. */
static int use(struct buffer *b, unsigned int vcpu, uint32_t place)
{
	b->last = place;
	b->used_at[place] = ++b->clock;
	b->owner[place] = (uint8_t)vcpu;
	b->open[vcpu] = b->tag[place];
	return (int)place;
}

int buffer_find(struct buffer *b, unsigned int vcpu, uint32_t tag)
{
	uint32_t i, k;

	if (b->last < b->used && b->tag[b->last] == tag)
		return use(b, vcpu, b->last);
	for (i = 0; i < b->used; i += 8) {
		uint32_t any = 0;

		/* BUFFER_MAX is a multiple of 8: places past `used` are read, and excluded below. */
		for (k = 0; k < 8; k++)
			any |= b->tag[i + k] == tag;
		if (!any)
			continue;
		for (k = i; k < i + 8 && k < b->used; k++)
			if (b->tag[k] == tag)
				return use(b, vcpu, k);
	}
	return -1;
}

/* xorshift32 (G. Marsaglia, 2003): the same sequence in every run. */
static uint32_t next_random(struct buffer *b)
{
	b->random ^= b->random << 13;
	b->random ^= b->random >> 17;
	b->random ^= b->random << 5;
	return b->random;
}

/* Whether another vCPU has this line open: it used it last, and not long ago (a quantum has some thousand uses). */
static bool kept(const struct buffer *b, unsigned int vcpu, uint32_t place)
{
	return b->owner[place] != vcpu && b->open[b->owner[place]] == b->tag[place] &&
	       b->clock - b->used_at[place] < KEPT_USES;
}

/* A random place that is not another vCPU's open line. */
static uint32_t candidate(struct buffer *b, unsigned int vcpu)
{
	uint32_t i = (uint32_t)(((uint64_t)next_random(b) * b->lines) >> 32);

	for (uint32_t tries = 1; tries < b->lines; tries++) {
		if (!kept(b, vcpu, i))
			break;
		i = i + 1 < b->lines ? i + 1 : 0;
	}
	return i;
}

/* The place to be replaced. */
static uint32_t choose(struct buffer *b, unsigned int vcpu)
{
	uint32_t i = candidate(b, vcpu), k = candidate(b, vcpu);

	return b->clock - b->used_at[i] > b->clock - b->used_at[k] ? i : k;
}

int buffer_take(struct buffer *b, unsigned int vcpu, uint32_t tag, struct buffer_victim *out)
{
	uint32_t i;

	if (b->used < b->lines) {
		i = b->used++;
		*out = (struct buffer_victim){false, false};
	} else {
		i = choose(b, vcpu);
		*out = (struct buffer_victim){b->written[i] != 0, b->whole[i]};
	}
	b->tag[i] = tag;
	b->written[i] = 0;
	b->whole[i] = false;
	return use(b, vcpu, i);
}
