/* Slabs against a plain list of what is in use: nothing twice, all of it committed, and memory that goes back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "allocator/arena.h"
#include "allocator/core.h"
#include "allocator/page_code.h"
#include "allocator/slab.h"

#define ZONE ((size_t)64 << 20)

struct tm_core tm;
uint8_t *tm_pages;
uintptr_t tm_pages_base;
size_t tm_pages_span;

static uint8_t committed[ZONE / TM_PAGE];
static bool full, keeps;

static size_t page(uintptr_t addr)
{
	return (addr - tm.base - TM_BULK * tm.zone_bytes) / TM_PAGE;
}

void *tm_os_reserve_table(size_t size)
{
	return calloc(1, size);
}

static __thread unsigned set;

unsigned tm_arena_set(void)
{
	return set;
}

uintptr_t tm_zone_take(enum tm_zone zone, size_t size, size_t alignment)
{
	uintptr_t p = tm.bump[zone];

	assert_int_equal(zone, TM_BULK);
	assert_int_equal(p % alignment, 0);
	if (p + size > tm.base + (TM_BULK + 1) * tm.zone_bytes)
		return 0;
	tm.bump[zone] = p + size;
	return p;
}

bool tm_commit(uintptr_t addr, size_t size)
{
	if (full)
		return false;
	for (size_t i = page(addr); i < page(addr + size); i++) {
		assert_int_equal(committed[i], 0);
		committed[i] = 1;
	}
	return true;
}

bool tm_decommit(uintptr_t addr, size_t size)
{
	if (keeps)
		return false;
	for (size_t i = page(addr); i < page(addr + size); i++) {
		assert_int_equal(committed[i], 1);
		committed[i] = 0;
	}
	return true;
}

static int prepare(void **state)
{
	tm.base = (uintptr_t)1 << 40;
	tm.zone_bytes = ZONE;
	tm.bump[TM_BULK] = tm.base + TM_BULK * ZONE;
	tm_pages_base = tm.base;
	tm_pages_span = (TM_BULK + 1) * ZONE;
	tm_pages = calloc(1, tm_pages_span / TM_PAGE);
	return !tm_slab_init();
}

static void sizes_fit_and_waste_little(void **state)
{
	for (size_t size = 497; size <= TM_SLAB_MAX; size++) {
		unsigned k = tm_slab_kind(size), most = (unsigned)(TM_SLAB_BYTES / ((size + 15) & ~(size_t)15));
		size_t got = tm_slab_size(k);

		assert_in_range(k, TM_SLAB_FEWEST, TM_SLAB_KINDS - 1);
		assert_true(got >= size && tm_slab_objects(k) * tm_slab_step(k) <= TM_SLAB_BYTES);
		assert_int_equal(tm_slab_objects(k), most); /* pairs take nothing away */
		assert_true(k < TM_SLAB_PAIRS || (tm_slab_step(k) % 32 == 0 && tm_slab_step(k) - got == 16));
		assert_int_equal(tm_slab_kind(got), got == 512 ? 64 : k);
		if (size <= 2048)
			assert_true(got - size <= size / 16 + 16);
		if (!(size & (size - 1)))
			assert_int_equal(got, size);
	}
	assert_int_equal(tm_slab_step(tm_slab_kind(1030)), 1056);
	assert_true(tm_slab_kind(1030) >= TM_SLAB_PAIRS);
}

struct held {
	void *p, *companion;
	unsigned k;
};

static void check(const struct held *h, const struct held *all, size_t n)
{
	uintptr_t p = (uintptr_t)h->p;
	size_t size = tm_slab_size(h->k);

	assert_int_equal(p % 16, 0);
	assert_int_equal(tm_object_code(h->p), tm_slab_code(h->k));
	for (size_t i = page(p); i <= page(p + size - 1); i++)
		assert_true(committed[i] && tm_pages[(p - tm_pages_base) / TM_PAGE] == tm_slab_code(h->k));
	for (size_t i = 0; i < n; i++) {
		uintptr_t q = (uintptr_t)all[i].p;
		if (&all[i] != h)
			assert_true(p + size <= q || q + tm_slab_size(all[i].k) <= p);
	}
}

static size_t committed_bytes(void)
{
	size_t n = 0;

	for (size_t i = 0; i < sizeof(committed); i++)
		n += committed[i];
	return n * TM_PAGE;
}

static void random_use(void **state)
{
	static struct held all[600];
	static const unsigned kinds[] = {64, 62, TM_SLAB_PAIRS, 30, 17, 9, TM_SLAB_KINDS - 1, 4};
	static void *left[200]; /* companions whose objects have gone */
	static unsigned left_kind[200];
	size_t n = 0, n_left = 0, companions = 0, used, held, bytes;
	void *objects[16];

	srand(7);
	for (int round = 0; round < 20000; round++) {
		if (round % 5000 == 0)
			keeps = !keeps; // now and then the memory does not go back
		if (n < 560 && (rand() % 2 || !n)) {
			unsigned k = kinds[rand() % 8], want = 1 + (unsigned)rand() % 16, got;
			full = rand() % 8 == 0;
			got = tm_slab_take(k, objects, want);
			assert_true(got == want || (got < want && full));
			for (unsigned i = 0; i < got; i++) {
				all[n] = (struct held){.p = objects[i], .k = k};
				check(&all[n], all, n);
				n++;
			}
			full = false;
		} else if (rand() % 3 == 0) {
			struct held *h = &all[(size_t)rand() % n];
			void *c = h->k < TM_SLAB_PAIRS ? NULL : tm_slab_take_companion(h->k, h->p);
			if (c) {
				assert_null(h->companion);
				assert_ptr_equal(c, (char *)h->p - 16);
				assert_int_equal(tm_object_code(c), TM_CODE_COMPANION);
				h->companion = c;
				companions++;
			}
		} else {
			size_t i = (size_t)rand() % n;
			void *c = all[i].companion;
			tm_slab_give(all[i].k, &all[i].p, 1);
			if (c && n_left < 200 && rand() % 2) { /* it stays: nobody else gets it, nor its slab */
				left_kind[n_left] = all[i].k;
				left[n_left++] = c;
			} else if (c) {
				tm_slab_give_companion(all[i].k, c);
				companions--;
			}
			all[i] = all[--n];
		}
		if (n_left == 200 || (n_left && rand() % 64 == 0)) {
			n_left--;
			for (size_t i = 0; i < n; i++)
				assert_true(left[n_left] != all[i].companion);
			tm_slab_give_companion(left_kind[n_left], left[n_left]);
			companions--;
		}
		bytes = 0;
		for (size_t i = 0; i < n; i++)
			bytes += tm_slab_size(all[i].k);
		tm_slab_bytes(&used, &held);
		assert_int_equal(used, bytes + companions * 16);
		assert_int_equal(held, committed_bytes());
	}
	keeps = false;
	while (n) {
		n--;
		tm_slab_give(all[n].k, &all[n].p, 1);
		if (all[n].companion)
			tm_slab_give_companion(all[n].k, all[n].companion);
	}
	while (n_left) {
		n_left--;
		tm_slab_give_companion(left_kind[n_left], left[n_left]);
	}
	tm_slab_bytes(&used, &held);
	assert_int_equal(used, 0);
	/* One slab of each class stays, and places that kept theirs. */
	assert_true(held <= tm.bump[TM_BULK] - tm.base - TM_BULK * ZONE);
}

static void the_zone_ends(void **state)
{
	static void *objects[ZONE / 8192 + 64];
	unsigned n = 0, got;

	while ((got = tm_slab_take(4, objects + n, 16)))
		n += got;
	assert_in_range(n, ZONE / 8192 - 512, ZONE / 8192);
	tm_slab_give(4, objects, n);
	assert_int_equal(tm_slab_take(31, objects, 16), 16); /* places of others */
	tm_slab_give(31, objects, 16);
}

/* Whose object has gone, or has a companion already, has none to give. */
static void companions_need_their_object(void **state)
{
	unsigned k = tm_slab_kind(1030);
	void *objects[2], *c;

	assert_int_equal(tm_slab_take(k, objects, 2), 2);
	c = tm_slab_take_companion(k, objects[0]);
	assert_ptr_equal(c, (char *)objects[0] - 16);
	assert_null(tm_slab_take_companion(k, objects[0]));
	tm_slab_give(k, objects, 2);
	assert_null(tm_slab_take_companion(k, objects[1]));
	assert_int_equal(tm_slab_take(k, objects, 2), 2); /* the same places */
	assert_null(tm_slab_take_companion(k, (char *)c + 16));
	tm_slab_give_companion(k, c);
	assert_ptr_equal(tm_slab_take_companion(k, (char *)c + 16), c);
	tm_slab_give_companion(k, c);
	tm_slab_give(k, objects, 2);
}

/* Slabs of threads with sets of their own lie in 2 MiB of their own each, of the same kinds, too; what another thread frees is had by its set again. */
static void sets_grow_apart(void **state)
{
	enum { KINDS = 3, FEW = 20 };
	void *objects[2 * KINDS][FEW + KINDS], *again[FEW + KINDS];
	size_t used, held, before;

	tm_slab_bytes(&before, &held);
	for (unsigned i = 0; i < 2 * KINDS; i++) {
		set = i % 2;
		assert_int_equal(tm_slab_take(FEW + i / 2, objects[i], FEW + i / 2), FEW + i / 2);
	}
	for (unsigned i = 0; i < 2 * KINDS; i++)
		for (unsigned j = 0; j < 2 * KINDS; j++)
			assert_int_equal((uintptr_t)objects[i][0] >> 21 == (uintptr_t)objects[j][0] >> 21, i % 2 == j % 2);
	set = 0;
	tm_slab_give(FEW, &objects[1][5], 1);
	tm_slab_give(FEW, &objects[0][7], 1);
	assert_int_equal(tm_slab_take(FEW, again, 1), 1);
	assert_ptr_equal(again[0], objects[0][7]);
	set = 1;
	assert_int_equal(tm_slab_take(FEW, &objects[1][5], 1), 1);
	assert_int_equal((uintptr_t)objects[1][5] >> 21, (uintptr_t)objects[1][0] >> 21);
	for (unsigned i = 0; i < FEW; i++) /* of both sets in turn */
		again[i] = objects[i % 2][i];
	tm_slab_give(FEW, again, FEW);
	for (unsigned i = 0; i < FEW; i++)
		again[i] = objects[!(i % 2)][i];
	tm_slab_give(FEW, again, FEW);
	for (unsigned i = 2; i < 2 * KINDS; i++)
		tm_slab_give(FEW + i / 2, objects[i], FEW + i / 2);
	set = 0;
	tm_slab_bytes(&used, &held);
	assert_int_equal(used, before);
}

static void neighbours_come_in_order(void **state)
{
	void *objects[8];

	assert_int_equal(tm_slab_take(32, objects, 8), 8);
	for (int i = 1; i < 8; i++)
		assert_ptr_equal((char *)objects[i - 1], (char *)objects[i] + 1024); /* the last is taken first */
	tm_slab_give(32, objects, 8);
}

/* Threads that free each other's objects, and ask for the companions of what may have gone: none is had twice, each is memory in use. */
enum { BOXES = 96, THREADS = 4, ROUNDS = 200000, MINE = 40 };

static _Atomic uintptr_t box[BOXES]; /* an object, and which of the kinds in its lowest bits */
static _Atomic uint8_t had[ZONE / 16];
static atomic_uint errors, taken;

static _Atomic uint8_t *owner(const void *companion)
{
	return &had[((uintptr_t)companion - tm.base - TM_BULK * tm.zone_bytes) / 16];
}

static unsigned kind_now(const void *p)
{
	return tm_code_slab(tm_page_code(p));
}

static void *exchange(void *arg)
{
	static const unsigned kinds[] = {TM_SLAB_PAIRS, TM_SLAB_PAIRS + 15, TM_SLAB_KINDS - 1};
	unsigned seed = (unsigned)(uintptr_t)arg, n = 0;
	void *mine[MINE];

	set = seed;
	for (unsigned round = 0; round < ROUNDS || n; round++) {
		bool draining = round / 500 % 2; /* slabs go back, and come as other kinds */
		unsigned which = (round / 1000 + (rand_r(&seed) % 8 == 0)) % 3;
		void *p = NULL, *c;
		if (!draining && round < ROUNDS && tm_slab_take(kinds[which], &p, 1) != 1)
			errors++;
		uintptr_t old = atomic_exchange(&box[rand_r(&seed) % BOXES], (uintptr_t)p + (p ? which : 0));
		void *object = (void *)(old & ~(uintptr_t)15);
		bool gone = old && rand_r(&seed) % 2;
		if (gone)
			tm_slab_give(kinds[old & 15], &object, 1);
		if (old && n < MINE && round < ROUNDS && (c = tm_slab_take_companion(kind_now(object), object))) {
			errors += atomic_exchange(owner(c), 1) || !committed[page((uintptr_t)c)];
			mine[n++] = c;
			taken++;
		}
		if (old && !gone)
			tm_slab_give(kinds[old & 15], &object, 1);
		if (n && (draining || round >= ROUNDS || rand_r(&seed) % 4 == 0)) {
			c = mine[--n];
			*owner(c) = 0;
			tm_slab_give_companion(kind_now(c), c);
		}
	}
	return NULL;
}

static void companions_of_what_others_free(void **state)
{
	pthread_t thread[THREADS];
	size_t used, before, held;

	tm_slab_bytes(&before, &held);
	for (uintptr_t t = 0; t < THREADS; t++)
		assert_int_equal(pthread_create(&thread[t], NULL, exchange, (void *)(t + 1)), 0);
	for (int t = 0; t < THREADS; t++)
		pthread_join(thread[t], NULL);
	for (int i = 0; i < BOXES; i++) {
		void *object = (void *)(box[i] & ~(uintptr_t)15);
		if (object)
			tm_slab_give(kind_now(object), &object, 1);
	}
	assert_int_equal(errors, 0);
	assert_true(taken > ROUNDS / 4);
	tm_slab_bytes(&used, &held);
	assert_int_equal(used, before);
	assert_int_equal(held, committed_bytes());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes_fit_and_waste_little),
		cmocka_unit_test(sets_grow_apart),
		cmocka_unit_test(random_use),
		cmocka_unit_test(the_zone_ends),
		cmocka_unit_test(companions_need_their_object),
		cmocka_unit_test(companions_of_what_others_free),
		cmocka_unit_test(neighbours_come_in_order),
	};

	return cmocka_run_group_tests(tests, prepare, NULL);
}
