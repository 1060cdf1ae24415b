// Next fit in runs, so that neighbours in memory are neighbours on the device.
#include "allocator/frames.h"
#include "allocator/core.h"
#include "allocator/pool.h"

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

uint32_t tm_frames_take(uint32_t want, uint32_t near, uint32_t *got)
{
	uint32_t best = TM_NO_FRAME, best_n = 0;
	int tries = 0;

	*got = 0;
	if (!want || (!tm_pool_free() && !tm_pool_reclaim()))
		return TM_NO_FRAME;
	if (near < tm_pool_frames() && tm_pool_run(near, 1) && take_at(near, want, got) != TM_NO_FRAME)
		return near;
	want = limit(0, want); // no device has more in a row
	// A run of the whole length if one is found soon, else the longest seen.
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
	if (best == TM_NO_FRAME || take_at(best, best_n, got) == best)
		return best;
	return tm_frames_take(want, TM_NO_FRAME, got); // another process was faster, and got on with it
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
