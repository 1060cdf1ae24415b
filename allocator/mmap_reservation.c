#include "allocator/mmap_reservation.h"

#define RESERVATIONS 1024

static struct reservation {
	size_t g, n;
	bool used;
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
	table[count++] = (struct reservation){g, n, false};
	return true;
}

size_t tm_reservations(void)
{
	size_t all = 0;

	for (size_t i = 0; i < count; i++)
		all += table[i].n;
	return all;
}

bool tm_reservation_has(size_t g)
{
	return find(g) != NULL;
}

bool tm_reservation_unused(size_t g, size_t n)
{
	const struct reservation *r = find(g);

	return r && !r->used && n <= r->n - (g - r->g);
}

void tm_reservation_use(size_t g)
{
	struct reservation *r = find(g);

	if (r)
		r->used = true;
}

void tm_reservation_remove(size_t g, size_t n)
{
	for (size_t i = count; i-- > 0;) {
		struct reservation r = table[i];
		if (g >= r.g + r.n || r.g >= g + n)
			continue;
		table[i] = table[--count];
		if (r.g < g)
			table[count++] = (struct reservation){r.g, g - r.g, r.used};
		if (g + n < r.g + r.n && count < RESERVATIONS)
			table[count++] = (struct reservation){g + n, r.g + r.n - (g + n), r.used};
	}
}
