/* What a thread keeps of freed objects: everything goes back to where it came from, once, whatever the program does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "allocator/arena.h"
#include "allocator/front.h"
#include "allocator/jem.h"
#include "allocator/slab.h"

#define PAGES	16 /* of each source */
#define OBJECTS 400

uint8_t *tm_pages;
uintptr_t tm_pages_base;
size_t tm_pages_span;
uint16_t tm_code_size[TM_CODE_COMPANION + 1];

/* Where objects come from: pairs, values of a slab without companions, cells, jemalloc. One byte for each 16 says who has what begins there. */
enum { PAIRS, VALUES, CELLS, SMALL, SOURCES };
enum { SOURCE_HAS, THREAD_HAS, PROGRAM_HAS };

static _Alignas(TM_PAGE) char memory[SOURCES][PAGES * TM_PAGE];
static uint8_t codes[SOURCES * PAGES], owner[sizeof(memory) / 16];
static unsigned pairs, values; /* kinds */
static unsigned given_together, begun;
static bool cells_are_busy, closed;

static uint8_t *owner_of(const void *p)
{
	assert_int_equal((uintptr_t)p % 16, 0);
	assert_true((uintptr_t)p - tm_pages_base < sizeof(memory));
	return &owner[((uintptr_t)p - tm_pages_base) / 16];
}

static void change(const void *p, int from, int to)
{
	assert_int_equal(*owner_of(p), from);
	*owner_of(p) = (uint8_t)to;
}

static int source_of(const void *p)
{
	return (int)(((uintptr_t)p - tm_pages_base) / sizeof(memory[0]));
}

unsigned tm_slab_take(unsigned k, void **objects, unsigned n)
{
	size_t step = tm_slab_step(k), in_front = step - tm_slab_size(k);
	char *slab = memory[k == pairs ? PAIRS : VALUES];
	unsigned got = 0;

	for (size_t at = in_front; got < n && at + tm_slab_size(k) <= sizeof(memory[0]); at += step) {
		if (*owner_of(slab + at) == SOURCE_HAS) {
			change(slab + at, SOURCE_HAS, THREAD_HAS);
			objects[got++] = slab + at;
		}
	}
	return got;
}

void tm_slab_give(unsigned k, void *const *objects, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		assert_int_equal(source_of(objects[i]), k == pairs ? PAIRS : VALUES);
		change(objects[i], THREAD_HAS, SOURCE_HAS);
	}
}

void *tm_slab_take_companion(unsigned k, const void *object)
{
	char *p = (char *)(uintptr_t)object - TM_COMPANION;

	assert_int_equal(k, pairs);
	if (*owner_of(p) != SOURCE_HAS)
		return NULL;
	change(p, SOURCE_HAS, THREAD_HAS);
	return p;
}

void tm_slab_give_companion(unsigned k, void *p)
{
	assert_int_equal(k, pairs);
	assert_int_equal(tm_object_code(p), TM_CODE_COMPANION);
	change(p, THREAD_HAS, SOURCE_HAS);
}

void tm_cell_give(void **p, unsigned n)
{
	given_together = n > given_together ? n : given_together;
	for (unsigned i = 0; i < n; i++) {
		assert_int_equal(source_of(p[i]), CELLS);
		change(p[i], THREAD_HAS, SOURCE_HAS);
	}
}

bool tm_cell_try_give(void *p)
{
	if (!cells_are_busy)
		tm_cell_give(&p, 1);
	return !cells_are_busy;
}

void tm_cell_begin_next(void)
{
	begun++;
}

void tm_cell_close(void)
{
	closed = true;
}

void je_sdallocx(void *p, size_t size, int flags)
{
	assert_int_equal(source_of(p), SMALL);
	assert_int_equal(size, 16);
	change(p, THREAD_HAS, SOURCE_HAS);
}

static int prepare(void **state)
{
	pairs = tm_slab_kind(1030);
	values = tm_slab_kind(512);
	assert_true(pairs >= TM_SLAB_PAIRS && values < TM_SLAB_PAIRS);
	memset(codes + PAIRS * PAGES, (int)tm_slab_code(pairs), PAGES);
	memset(codes + VALUES * PAGES, (int)tm_slab_code(values), PAGES);
	memset(codes + CELLS * PAGES, TM_CODE_CELL, PAGES);
	memset(codes + SMALL * PAGES, 2, PAGES);
	tm_pages = codes;
	tm_pages_base = (uintptr_t)memory;
	tm_pages_span = sizeof(memory);
	for (unsigned i = 0; i <= TM_CODE_SMALL; i++)
		tm_code_size[i] = (uint16_t)(i * 8);
	tm_code_size[tm_slab_code(pairs)] = (uint16_t)tm_slab_size(pairs);
	tm_code_size[tm_slab_code(values)] = (uint16_t)tm_slab_size(values);
	return 0;
}

static void unknown_addresses_have_no_class(void **state)
{
	int local;

	assert_int_equal(tm_page_code(&local), TM_CODE_NONE);
}

static void a_thread_that_has_not_started_keeps_nothing(void **state)
{
	void *p = tm_front_refill(tm_slab_code(values)); /* but is served */

	assert_non_null(p);
	assert_false(tm_front_push(p, tm_slab_code(values)));
	assert_null(tm_front_pop(tm_slab_code(values)));
	tm_front_spill(p, tm_slab_code(values));
	assert_int_equal(*owner_of(p), SOURCE_HAS);
}

static void the_last_in_is_the_first_out(void **state)
{
	char *objects = memory[CELLS]; /* of cells the ones of 16 bytes */

	tm_front_open();
	for (size_t i = 0; i < TM_FRONT_DEPTH; i++)
		assert_true(tm_front_push(objects + i * 64 + 32, 2));
	assert_false(tm_front_push(objects + TM_FRONT_DEPTH * 64 + 32, 2));
	for (size_t i = TM_FRONT_DEPTH; i; i--)
		assert_ptr_equal(tm_front_pop(2), objects + (i - 1) * 64 + 32);
	assert_null(tm_front_pop(2));
	tm_front_close();
}

static void companions_are_not_kept(void **state)
{
	volatile unsigned code = TM_CODE_COMPANION; /* the compiler must not see that there is no room */

	tm_front_open();
	assert_false(tm_front_push(memory[PAIRS], code));
	assert_int_equal(tm_object_code(memory[PAIRS]), TM_CODE_COMPANION);
	tm_front_close();
}

/* malloc() of a value, as preload_malloc.c has it. */
static void *new_value(unsigned kind)
{
	unsigned code = tm_slab_code(kind);
	void *p = tm_front_pop(code);

	if (!p && !(p = tm_front_refill(code)))
		return NULL;
	if ((uintptr_t)p & 1)
		p = tm_front_part(p);
	change(p, THREAD_HAS, PROGRAM_HAS);
	return p;
}

/* malloc(16): what is kept, else a new one from a cell or from jemalloc. */
static void *new_small(void)
{
	void *p = tm_front_pop(2);
	int source = rand() % 3 ? CELLS : SMALL;

	for (size_t at = 32; !p && at < sizeof(memory[0]); at += 64) {
		if (*owner_of(memory[source] + at) == SOURCE_HAS) {
			p = memory[source] + at;
			change(p, SOURCE_HAS, THREAD_HAS);
		}
	}
	if (p)
		change(p, THREAD_HAS, PROGRAM_HAS);
	return p;
}

static void end(void *p)
{
	unsigned code = tm_object_code(p);

	if (!p)
		return;
	change(p, PROGRAM_HAS, THREAD_HAS);
	if (!tm_front_push(p, code))
		tm_front_spill(p, code);
}

static void all_goes_back_once(void **state)
{
	struct {
		void *value, *structure; /* as Redis has them: allocated and freed in this order; or one of them alone */
	} held[OBJECTS];
	size_t n = 0, companions = 0;

	srand(11);
	tm_front_open();
	for (int round = 0; round < 200000; round++) {
		cells_are_busy = rand() % 4 == 0;
		bool grows = round / 300 % 2, takes = rand() % 10 < (grows ? 7 : 3);
		if (takes && n < OBJECTS) {
			int what = rand() % 5;
			held[n].value = what == 0 ? new_value(values) : what < 4 ? new_value(pairs) : NULL;
			held[n].structure = what > 1 ? new_small() : NULL;
			companions += held[n].structure && tm_object_code(held[n].structure) == TM_CODE_COMPANION;
			n++;
		} else if (n) {
			size_t i = rand() % 2 ? n - 1 : (size_t)rand() % n;
			end(held[i].value);
			end(held[i].structure);
			held[i] = held[--n];
		}
	}
	for (; n; n--) {
		bool late = n > 20; /* in another order */
		end(late ? held[n - 1].structure : held[n - 1].value);
		end(late ? held[n - 1].value : held[n - 1].structure);
	}
	tm_front_close();
	for (size_t i = 0; i < sizeof(owner); i++)
		assert_int_equal(owner[i], SOURCE_HAS);
	assert_true(companions > 100 && begun > 100 && given_together > 1 && closed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unknown_addresses_have_no_class),
		cmocka_unit_test(a_thread_that_has_not_started_keeps_nothing),
		cmocka_unit_test(the_last_in_is_the_first_out),
		cmocka_unit_test(companions_are_not_kept),
		cmocka_unit_test(all_goes_back_once),
	};

	return cmocka_run_group_tests(tests, prepare, NULL);
}
