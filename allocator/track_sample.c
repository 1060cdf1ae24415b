#include "allocator/track_sample.h"
#include "allocator/core.h"

// The best first.
static const struct tm_sampler *const sources[] = {&tm_sampler_sim, &tm_sampler_unit};

static const struct tm_sampler *source;
static uint64_t period, total; // misses; samples
static unsigned spread = 1;
static void (*consumer)(size_t g, uint32_t n);

bool tm_samples_start(void)
{
	if (source)
		return true;
	tm_parse_size(tm.value[TM_OPT_SAMPLE_PERIOD], &period);
	for (size_t i = 0; period && !source && i < sizeof(sources) / sizeof(*sources); i++)
		source = sources[i]->start((uint32_t)period) ? sources[i] : NULL;
	return source;
}

void tm_samples_reset(void)
{
	source = NULL;
	total = 0;
	spread = 1;
}

const struct tm_sampler *tm_samples_source(void)
{
	return source;
}

unsigned tm_samples_spread(unsigned factor)
{
	if (!factor || factor == spread || period * factor > UINT32_C(1) << 31)
		return spread;
	spread = factor;
	source->start((uint32_t)(period * factor));
	return spread;
}

uint64_t tm_samples_total(void)
{
	return total;
}

static void take(size_t g, uint32_t n)
{
	total += n;
	consumer(g, n);
}

void tm_samples_collect(void (*consume)(size_t g, uint32_t n))
{
	consumer = consume;
	source->collect(take);
}
