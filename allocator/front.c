#include "allocator/front.h"
#include "allocator/arena.h"
#include "allocator/jem.h"
#include "allocator/slab.h"

#define REFILL_BYTES ((size_t)16 << 10)

__thread struct tm_front tm_front;

void *tm_front_refill(unsigned code)
{
	size_t n = REFILL_BYTES / tm_code_size[code];
	unsigned got;
	void *p;

	if (!tm_front.limit)
		return tm_slab_take(tm_code_slab(code), &p, 1) ? p : NULL;
	got = tm_slab_take(tm_code_slab(code), tm_front.slot[code], n < TM_FRONT_REFILL ? (unsigned)n : TM_FRONT_REFILL);
	tm_front.n[code] = (uint8_t)got;
	return tm_front_pop(code);
}

void *tm_front_companion(void)
{
	char *value = tm_front.value, *p = tm_front.companion;
	unsigned code = tm_page_code(value);

	tm_front.value = NULL;
	if (p && p + TM_COMPANION == value)
		tm_front.companion = NULL;
	else
		p = code >= TM_CODE_PAIRS && code < TM_CODES ? tm_slab_take_companion(tm_code_slab(code), value) : NULL;
	if (p)
		tm_cell_begin_next();
	return p;
}

// One is kept, for the value in front of which it is will likely be given next: it was freed just before.
static void keep_companion(char *p)
{
	char *old = tm_front.companion;

	tm_front.companion = tm_front.limit ? p : NULL;
	if (!tm_front.limit)
		old = p;
	if (old)
		tm_slab_give_companion(tm_code_slab(tm_page_code(old)), old);
}

static void give_small(void *p, unsigned code)
{
	if (tm_page_code(p) == TM_CODE_CELL)
		tm_cell_give(&p, 1);
	else
		je_sdallocx(p, tm_code_size[code], 0);
}

// What is in a cell, and what of the older half is so, too: one lock for all.
static void spill_cells(void *p, unsigned code)
{
	unsigned n = tm_front.n[code], kept = 0, k = 0;
	void *cells[TM_FRONT_DEPTH / 2 + 1], **slot = tm_front.slot[code];

	cells[k++] = p;
	for (unsigned i = 0; i < n; i++) {
		if (i < n / 2 && tm_page_code(slot[i]) == TM_CODE_CELL)
			cells[k++] = slot[i];
		else
			slot[kept++] = slot[i];
	}
	tm_front.n[code] = (uint8_t)kept;
	tm_cell_give(cells, k);
}

void tm_front_spill(void *p, unsigned code)
{
	unsigned n = tm_front.n[code], half = n / 2;

	if (code == TM_CODE_COMPANION) {
		keep_companion(p);
		return;
	}
	if (code <= TM_CODE_SMALL) {
		if (tm_page_code(p) != TM_CODE_CELL)
			je_sdallocx(p, tm_code_size[code], 0);
		else if (!tm_cell_try_give(p))
			spill_cells(p, code);
		return;
	}
	tm_slab_give(tm_code_slab(code), &p, 1);
	if (!half)
		return;
	// The older half: what was freed last is in the caches.
	tm_slab_give(tm_code_slab(code), tm_front.slot[code], half);
	for (unsigned i = half; i < n; i++)
		tm_front.slot[code][i - half] = tm_front.slot[code][i];
	tm_front.n[code] = (uint8_t)(n - half);
}

void tm_front_open(void)
{
	tm_front.limit = TM_FRONT_DEPTH;
	tm_front.n[TM_CODE_COMPANION] = TM_FRONT_DEPTH;
}

void tm_front_close(void)
{
	void *p;

	tm_front.limit = 0;
	if (tm_front.companion)
		keep_companion(tm_front.companion);
	for (unsigned code = 1; code <= TM_CODE_SMALL; code++) {
		while ((p = tm_front_pop(code)))
			give_small(p, code);
	}
	tm_cell_close();
	for (unsigned code = TM_CODE_SLAB; code < TM_CODES; code++) {
		unsigned n = tm_front.n[code];
		tm_front.n[code] = 0;
		if (n)
			tm_slab_give(tm_code_slab(code), tm_front.slot[code], n);
	}
}
