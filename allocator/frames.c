// A bitmap of frames (1: in use), next fit in runs so that neighbours in memory are neighbours on the device.
#include "allocator/frames.h"
#include "allocator/core.h"

static uint64_t *used;
static uint32_t count, free_frames, hand;

bool tm_frames_init(uint32_t n)
{
	used = tm_os_reserve_table(((size_t)n / 64 + 1) * sizeof(*used));
	count = free_frames = n;
	return used != NULL;
}

static bool is_used(uint32_t f)
{
	return used[f / 64] >> (f % 64) & 1;
}

// Length, up to want, of the run of free frames at first.
static uint32_t run_at(uint32_t first, uint32_t want)
{
	uint32_t n = 0;

	while (n < want && first + n < count && !is_used(first + n))
		n++;
	return n;
}

static uint32_t take_at(uint32_t first, uint32_t n)
{
	for (uint32_t f = first; f < first + n; f++)
		used[f / 64] |= UINT64_C(1) << (f % 64);
	free_frames -= n;
	hand = first + n < count ? first + n : 0;
	return first;
}

// First free frame in [from, to), or to.
static uint32_t next_free(uint32_t from, uint32_t to)
{
	while (from < to) {
		if (from % 64 == 0 && used[from / 64] == UINT64_MAX)
			from += 64;
		else if (is_used(from))
			from++;
		else
			return from;
	}
	return to;
}

uint32_t tm_frames_take(uint32_t want, uint32_t near, uint32_t *got)
{
	uint32_t best = TM_NO_FRAME, best_n = 0;
	int tries = 0;

	*got = 0;
	if (!free_frames || !want)
		return TM_NO_FRAME;
	if (near < count && (*got = run_at(near, want)) > 0)
		return take_at(near, *got);
	// A run of the whole length if one is found soon, else the longest seen.
	for (uint32_t half = 0; half < 2; half++) {
		uint32_t f = half ? 0 : hand, to = half ? hand : count;
		while ((f = next_free(f, to)) < to) {
			uint32_t n = run_at(f, want);
			if (n > best_n) {
				best = f;
				best_n = n;
			}
			if (best_n == want || ++tries == 256)
				goto found;
			f += n;
		}
	}
found:
	*got = best_n;
	return best == TM_NO_FRAME ? best : take_at(best, best_n);
}

void tm_frames_give(uint32_t first, uint32_t n)
{
	for (uint32_t f = first; f < first + n; f++)
		used[f / 64] &= ~(UINT64_C(1) << (f % 64));
	free_frames += n;
}

uint32_t tm_frames_free(void)
{
	return free_frames;
}

uint32_t tm_frames_used(void)
{
	return count - free_frames;
}
