// Neighbours in memory are neighbours on the device, so that the kernel keeps them in one mapping. A granule gets the frame beside those of
// its neighbours; without any, the place on the device that its address has (home()), so that they will fit when they come, in whatever order; if
// others have that, a run that is free elsewhere: next fit.
#include "allocator/frames.h"
#include "allocator/core.h"
#include "allocator/pool.h"

#define ALIGN_BYTES ((size_t)4 << 20) // as the zones are

static uint32_t hand;

// At most as many as are neighbours on a device.
static uint32_t limit(uint32_t first, uint32_t n)
{
	uint64_t most = tm_pmem_neighbours(first);

	return n < most ? n : (uint32_t)most;
}

static uint32_t take_at(uint32_t first, uint32_t n, uint32_t *got)
{
	*got = tm_pool_take(first, limit(first, n));
	hand = first + *got < tm_pool_frames() ? first + *got : 0;
	return *got ? first : TM_NO_FRAME;
}

static bool is_free(uint64_t frame)
{
	return frame < tm_pool_frames() && tm_pool_run((uint32_t)frame, 1);
}

// Zones of all owners begin far from each other, whatever their number: multiples of the golden ratio.
static uint32_t home(size_t g)
{
	enum tm_zone zone = tm_zone_of(g);
	uint32_t frames = tm_pool_frames(), part = (uint32_t)(tm_pool_me() * TM_ZONES + zone) * UINT32_C(2654435769);
	uint64_t begin = ((uint64_t)part * frames >> 32) & ~(uint64_t)((ALIGN_BYTES >> tm.shift) - 1);

	return (uint32_t)((begin + g - ((size_t)zone * tm.zone_bytes >> tm.shift)) % frames);
}

static uint32_t near(size_t g, uint32_t want)
{
	const struct tm_granule *left = g ? &tm.table[g - 1] : NULL, *right = &tm.table[g + want];

	if (left && tm_frame_mapped(left) && is_free((uint64_t)left->frame + 1))
		return left->frame + 1;
	if (tm_frame_mapped(right) && right->frame >= want && is_free(right->frame - want))
		return right->frame - want;
	return home(g);
}

// A run of the whole length if one is found soon, else the longest seen. *got 0: another process was faster.
static uint32_t next_fit(uint32_t want, uint32_t *got)
{
	uint32_t best = TM_NO_FRAME, best_n = 0;
	int tries = 0;

	want = limit(0, want); // no device has more in a row
	for (uint32_t half = 0; half < 2; half++) {
		uint32_t f = half ? 0 : hand, to = half ? hand : tm_pool_frames();
		while ((f = tm_pool_find(f, to)) < to) {
			uint32_t n = tm_pool_run(f, limit(f, want));
			if (n > best_n) {
				best = f;
				best_n = n;
			}
			if (best_n == want || ++tries == 256)
				goto found;
			f += n ? n : 1; // another process may have taken it
		}
	}
found:
	if (best != TM_NO_FRAME)
		take_at(best, best_n, got);
	return best;
}

uint32_t tm_frames_take(size_t g, uint32_t want, uint32_t *got)
{
	*got = 0;
	if (!want)
		return TM_NO_FRAME;
	uint32_t frame = near(g, want);
	if (is_free(frame) && take_at(frame, want, got) != TM_NO_FRAME)
		return frame;
	if (!tm_pool_free() && !tm_pool_reclaim())
		return TM_NO_FRAME;
	do
		frame = next_fit(want, got);
	while (frame != TM_NO_FRAME && !*got);
	return frame;
}

void tm_frames_give(uint32_t first, uint32_t n)
{
	tm_pool_give(first, n);
}

uint32_t tm_frames_free(void)
{
	return tm_pool_free();
}

uint32_t tm_frames_used(void)
{
	return tm_pool_mine();
}
