#include "allocator/mmap_space.h"
#include "allocator/core.h"
#include "allocator/far.h"

#define FREE_EXTENTS 1024

static struct space {
	struct extent {
		size_t g, n;
	} extents[FREE_EXTENTS];
	size_t count;
} spaces[2]; // near, far
static size_t far_bump; // bytes handed out of the far area

size_t tm_space_take(size_t n, bool far)
{
	struct space *s = &spaces[far];

	for (size_t i = 0; i < s->count; i++) {
		struct extent *e = &s->extents[i];
		if (e->n < n)
			continue;
		size_t g = e->g;
		e->g += n;
		e->n -= n;
		if (!e->n)
			*e = s->extents[--s->count];
		return g;
	}
	uintptr_t zones_end = tm.base + TM_ZONES * tm.zone_bytes;
	uintptr_t start = far ? zones_end + far_bump : tm.bump[TM_MMAP], limit = far ? tm.base + tm.bytes : zones_end;
	if (n > (limit - start) >> tm.shift)
		return SIZE_MAX;
	if (far)
		far_bump += n << tm.shift;
	else
		tm.bump[TM_MMAP] = start + (n << tm.shift);
	return tm_index(start);
}

// The first granule that has never been handed out, and the first beyond those that ever can be.
static size_t fresh(bool far)
{
	return tm_index(far ? tm.base + TM_ZONES * tm.zone_bytes + far_bump : tm.bump[TM_MMAP]);
}

static size_t limit(bool far)
{
	return tm_index(far ? tm.base + tm.bytes : tm.base + TM_ZONES * tm.zone_bytes);
}

void tm_space_claim(size_t g, size_t n, void (*taken)(size_t g, size_t n))
{
	bool far = tm_far_has(g);
	struct space *s = &spaces[far];
	size_t end = g + n < limit(far) ? g + n : limit(far), next = fresh(far);

	for (size_t i = s->count; i-- > 0;) {
		struct extent e = s->extents[i];
		size_t from = g > e.g ? g : e.g, to = end < e.g + e.n ? end : e.g + e.n;
		if (from >= to)
			continue;
		s->extents[i] = s->extents[--s->count];
		if (e.g < from)
			s->extents[s->count++] = (struct extent){e.g, from - e.g};
		if (to < e.g + e.n && s->count < FREE_EXTENTS)
			s->extents[s->count++] = (struct extent){to, e.g + e.n - to};
		taken(from, to - from);
	}
	if (end <= next)
		return;
	if (far)
		far_bump += (end - next) << tm.shift;
	else
		tm.bump[TM_MMAP] += (end - next) << tm.shift;
	if (g > next)
		tm_space_give(next, g - next);
	g = g > next ? g : next;
	taken(g, end - g);
}

void tm_space_forget(void)
{
	spaces[0].count = spaces[1].count = 0;
	tm.mmap_floor = tm.bump[TM_MMAP];
	tm.far_floor = tm.base + TM_ZONES * tm.zone_bytes + far_bump;
	tm_far_unuse(tm_index(tm.base + TM_ZONES * tm.zone_bytes), TM_FAR_BYTES >> tm.shift);
}

void tm_space_give(size_t g, size_t n)
{
	struct space *s = &spaces[tm_far_has(g)];

	tm_far_unuse(g, n);
	for (size_t i = 0; i < s->count;) {
		struct extent *e = &s->extents[i];
		if (e->g + e->n == g || g + n == e->g) {
			g = g < e->g ? g : e->g;
			n += e->n;
			*e = s->extents[--s->count];
			i = 0;
		} else {
			i++;
		}
	}
	// MariaDB gives back what is not aligned as it wants, and asks for a little more.
	if (tm_far_has(g) && (uintptr_t)tm_address(g + n) == tm.base + TM_ZONES * tm.zone_bytes + far_bump)
		far_bump -= n << tm.shift;
	else if (s->count < FREE_EXTENTS)
		s->extents[s->count++] = (struct extent){g, n};
}
