#include "allocator/runs.h"
#include "allocator/tier_pmem.h"

void tm_each_run(enum tm_granule_state state, void (*f)(size_t g, size_t n))
{
	for (int z = 0; z < TM_ZONES; z++) {
		size_t g, end;
		for (size_t k = 0; tm_zone_span((enum tm_zone)z, k, &g, &end); k++) {
			for (size_t n; g < end; g += n ? n : 1) {
				for (n = 0; g + n < end && tm.table[g + n].state == state; n++)
					continue;
				if (n)
					f(g, n);
			}
		}
	}
}

void tm_each_frame_run(size_t g, size_t n, void (*f)(size_t g, size_t n, uint32_t frame))
{
	for (size_t i = 0, k; i < n; i += k) {
		uint32_t first = tm.table[g + i].frame;
		for (k = 1; i + k < n && tm_pmem_follows(tm.table[g + i + k - 1].frame, tm.table[g + i + k].frame); k++)
			continue;
		f(g + i, k, first);
	}
}
