#include "allocator/mmap_reservation.h"
#include "allocator/far.h"

#define RESERVATIONS 1024

static struct reservation {
	size_t g, n;
} table[RESERVATIONS];
static size_t count;

static struct reservation *find(size_t g)
{
	for (size_t i = 0; i < count; i++)
		if (g - table[i].g < table[i].n)
			return &table[i];
	return NULL;
}

bool tm_reservation_add(size_t g, size_t n)
{
	if (count == RESERVATIONS)
		return false;
	table[count++] = (struct reservation){g, n};
	return true;
}

size_t tm_reservations_near(void)
{
	size_t all = 0;

	for (size_t i = 0; i < count; i++)
		all += tm_far_has(table[i].g) ? 0 : table[i].n;
	return all;
}

bool tm_reservation_has(size_t g)
{
	return find(g) != NULL;
}

bool tm_reservation_covers(size_t g, size_t n)
{
	const struct reservation *r = find(g);

	return r && n <= r->n - (g - r->g);
}

void tm_reservation_forget(void)
{
	count = 0;
}

void tm_reservation_remove(size_t g, size_t n, void (*removed)(size_t g, size_t n))
{
	for (size_t i = count; i-- > 0;) {
		struct reservation r = table[i];
		size_t from = g > r.g ? g : r.g, to = g + n < r.g + r.n ? g + n : r.g + r.n;
		if (from >= to)
			continue;
		table[i] = table[--count];
		if (r.g < from)
			table[count++] = (struct reservation){r.g, from - r.g};
		if (to < r.g + r.n && count < RESERVATIONS)
			table[count++] = (struct reservation){to, r.g + r.n - to};
		if (removed)
			removed(from, to - from);
	}
}
