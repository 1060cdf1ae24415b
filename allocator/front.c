#include "allocator/front.h"
#include "allocator/arena.h"
#include "allocator/jem.h"
#include "allocator/slab.h"

#define REFILL_BYTES ((size_t)16 << 10)

// A value and the structure of 16 bytes that is allocated after it: where the value is kept with its companion, that is put on top of what is kept of 16
// bytes, so malloc has nothing to ask. A companion that is freed right after its value is kept with it. One that is freed at another time came to
// it by chance, and was not worth the instructions: a thread trusts until there were TRUST more of these, then rests for so many refills.
#define TRUST	   16
#define TRUST_MOST 256
#define REST	   4096

__thread struct tm_front tm_front;

static void *with_companion(void *value)
{
	return (void *)((uintptr_t)value | 1);
}

static bool has_companion(const void *p)
{
	return (uintptr_t)p & 1;
}

static char *companion_of(void *p)
{
	return (char *)((uintptr_t)p & ~(uintptr_t)1) - TM_COMPANION;
}

static void give_companion(void *p)
{
	tm_slab_give_companion(tm_code_slab(tm_page_code(p)), p);
}

// The last n that are kept of a kind of pairs are new: their companions with them.
static void take_companions(unsigned code, unsigned n)
{
	if (tm_front.rest) {
		tm_front.rest--;
		return;
	}
	for (void **slot = tm_front.slot[code]; n--; slot++) {
		if (tm_slab_take_companion(tm_code_slab(code), *slot))
			*slot = with_companion(*slot);
	}
}

// What is kept goes back, n of them: first their companions.
static void give_companions(void **slot, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		if (has_companion(slot[i])) {
			char *companion = companion_of(slot[i]);
			slot[i] = companion + TM_COMPANION;
			give_companion(companion);
		}
	}
}

static void free_companion(void *p)
{
	unsigned code = tm_page_code(p), n = tm_front.n[code];
	void *value = (char *)p + TM_COMPANION;

	if (n && tm_front.slot[code][n - 1] == value) {
		tm_front.slot[code][n - 1] = with_companion(value);
		tm_front.trust += tm_front.trust < TRUST_MOST;
		return;
	}
	give_companion(p);
	// Where half of the values have just gone back, it may have been one of them.
	if (tm_front.limit && n != TM_FRONT_DEPTH / 2 && !--tm_front.trust) {
		tm_front.trust = TRUST;
		tm_front.rest = REST;
	}
}

void *tm_front_refill(unsigned code)
{
	size_t n = REFILL_BYTES / tm_code_size[code];
	unsigned got;
	void *p;

	if (!tm_front.limit)
		return tm_slab_take(tm_code_slab(code), &p, 1) ? p : NULL;
	got = tm_slab_take(tm_code_slab(code), tm_front.slot[code], n < TM_FRONT_REFILL ? (unsigned)n : TM_FRONT_REFILL);
	tm_front.n[code] = (uint8_t)got;
	if (code >= TM_CODE_PAIRS)
		take_companions(code, got);
	return tm_front_pop(code);
}

static void give_small(void *p, unsigned code)
{
	unsigned page = tm_page_code(p);

	if (page == TM_CODE_CELL)
		tm_cell_give(&p, 1);
	else if (page >= TM_CODE_PAIRS)
		give_companion(p);
	else
		je_sdallocx(p, tm_code_size[code], 0);
}

// The older half of what is kept of a small class goes back.
static void make_room(unsigned code)
{
	void **slot = tm_front.slot[code];

	for (unsigned i = 0; i < TM_FRONT_DEPTH / 2; i++) {
		give_small(slot[i], code);
		slot[i] = slot[i + TM_FRONT_DEPTH / 2];
	}
	tm_front.n[code] = TM_FRONT_DEPTH / 2;
}

void *tm_front_part(void *p)
{
	const unsigned code = TM_COMPANION / 8;
	char *companion = companion_of(p);

	if (tm_front.n[code] == TM_FRONT_DEPTH)
		make_room(code);
	tm_front_push(companion, code);
	tm_cell_begin_next();
	return companion + TM_COMPANION;
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
		free_companion(p);
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
	give_companions(tm_front.slot[code], half);
	tm_slab_give(tm_code_slab(code), tm_front.slot[code], half);
	for (unsigned i = half; i < n; i++)
		tm_front.slot[code][i - half] = tm_front.slot[code][i];
	tm_front.n[code] = (uint8_t)(n - half);
}

void tm_front_open(void)
{
	tm_front.limit = TM_FRONT_DEPTH;
	tm_front.n[TM_CODE_COMPANION] = TM_FRONT_DEPTH;
	tm_front.trust = TRUST;
}

void tm_front_close(void)
{
	void *p;

	tm_front.limit = 0;
	for (unsigned code = 1; code <= TM_CODE_SMALL; code++) {
		while ((p = tm_front_pop(code)))
			give_small(p, code);
	}
	tm_cell_close();
	for (unsigned code = TM_CODE_SLAB; code < TM_CODES; code++) {
		unsigned n = tm_front.n[code];
		tm_front.n[code] = 0;
		give_companions(tm_front.slot[code], n);
		if (n)
			tm_slab_give(tm_code_slab(code), tm_front.slot[code], n);
	}
}
