/* Cells against a plain list of what is in use: nothing twice, together what was asked for together, and pages that go back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdlib.h>

#include "allocator/arena.h"
#include "allocator/cell.h"
#include "allocator/core.h"
#include "allocator/front.h"

#define ZONE ((size_t)64 << 20)

struct tm_core tm;
uint8_t *tm_pages;
uintptr_t tm_pages_base;
size_t tm_pages_span;
__thread struct tm_front tm_front;

static uint8_t committed[ZONE / TM_PAGE];
static bool full;

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

	assert_int_equal(zone, TM_SMALL);
	tm.bump[zone] = p + size;
	return p + size > tm.base + tm.zone_bytes ? 0 : p;
}

bool tm_commit(uintptr_t addr, size_t size)
{
	for (size_t i = (addr - tm.base) / TM_PAGE; !full && i < (addr + size - tm.base) / TM_PAGE; i++) {
		assert_int_equal(committed[i], 0);
		committed[i] = 1;
	}
	return !full;
}

bool tm_decommit(uintptr_t addr, size_t size)
{
	assert_int_equal(size, TM_PAGE);
	assert_int_equal(committed[(addr - tm.base) / TM_PAGE], 1);
	committed[(addr - tm.base) / TM_PAGE] = 0;
	return true;
}

static int prepare(void **state)
{
	tm.base = tm.bump[TM_SMALL] = (uintptr_t)1 << 40;
	tm.zone_bytes = ZONE;
	tm_pages_base = tm.base;
	tm_pages_span = ZONE;
	tm_pages = calloc(1, ZONE / TM_PAGE);
	tm_front.limit = 16;
	return !tm_cell_init();
}

/* As malloc does. */
static void *take(unsigned code)
{
	void *p = tm_front_pop(code);

	return p ? p : tm_cell_take(code);
}

/* As a thread that ends. */
static void end(void)
{
	void *p;

	for (unsigned code = 2; code <= 4; code += 2)
		while ((p = tm_front_pop(code)))
			tm_cell_give(&p, 1);
	tm_cell_close();
}

static size_t line(const void *p)
{
	return (uintptr_t)p / 64;
}

static void what_is_asked_for_together_lies_together(void **state)
{
	void *temporary = take(4);

	assert_null(temporary); /* one of 32 bytes begins no cell */
	for (int i = 0; i < 1000; i++) {
		void *object = take(2), *key = take(2), *entry = take(4);

		assert_true(object && key && entry && line(object) == line(key) && line(key) == line(entry));
		assert_true(tm_cell_code(object) == 2 && tm_cell_code(key) == 2 && tm_cell_code(entry) == 4);
	}
	end();
}

static void *first_of_another_set(void *arg)
{
	void *p;

	set = 1;
	tm_front.limit = 16;
	p = take(2);
	tm_cell_give(&p, 1);
	end();
	return p;
}

/* Threads with sets of their own begin in 2 MiB of their own each. */
static void sets_grow_apart(void **state)
{
	void *mine = take(2), *other;
	pthread_t t;

	assert_int_equal(pthread_create(&t, NULL, first_of_another_set, NULL), 0);
	pthread_join(t, &other);
	assert_int_not_equal((uintptr_t)mine >> 21, (uintptr_t)other >> 21);
	tm_cell_give(&mine, 1);
	end();
}

/* Keys and entries whose objects lie with their values: each pair has its line, and when all have gone nothing stays. */
static void what_lies_elsewhere_leaves_its_place_empty(void **state)
{
	enum { N = 5000 };
	static void *key[N], *entry[N];
	size_t used, held, before, held_before;

	end();
	tm_cell_bytes(&before, &held_before);
	for (int i = 0; i < N; i++) {
		tm_cell_begin_next();
		key[i] = take(2);
		entry[i] = take(4);
		if (i < N / 10) /* they may get what others have left */
			continue;
		assert_true(key[i] && entry[i] && line(key[i]) == line(entry[i]));
		assert_true(line(key[i]) != line(key[i - 1]));
	}
	for (int i = N - 1; i >= 0; i--) { /* the page that the thread is at first */
		if (key[i] && i % 2)
			tm_cell_give(&key[i], 1);
		if (entry[i])
			tm_cell_give(&entry[i], 1);
		if (key[i] && i % 2 == 0)
			tm_cell_give(&key[i], 1);
	}
	end();
	tm_cell_bytes(&used, &held);
	assert_int_equal(used, before);
	assert_int_equal(held, held_before);
}

static void who_wants_one_size_only_wastes_little(void **state)
{
	size_t used, held, before, held_before;
	unsigned got = 0;

	tm_cell_bytes(&before, &held_before);
	for (int i = 0; i < 16000; i++)
		got += take(4) != NULL;
	for (int i = 0; i < 16000; i++)
		got += take(2) != NULL;
	tm_cell_bytes(&used, &held);
	assert_true(held - held_before < 16000 * 16 / 4);
	end();
}

static void random_use(void **state)
{
	static void *all[3000];
	size_t n = 0, used, held, committed_pages = 0, bytes = 0, before;

	tm_cell_bytes(&before, &held);
	srand(3);
	for (int round = 0; round < 200000; round++) {
		full = round % 1000 < 10;
		if (n < 3000 && rand() % 100 < (round / 20000 % 2 ? 45 : 60)) {
			void *p = take(rand() % 3 ? 2 : 4);
			if (!p)
				continue;
			uintptr_t a = (uintptr_t)p;
			assert_true(committed[(a - tm.base) / TM_PAGE]);
			assert_int_equal(tm_pages[(a - tm.base) / TM_PAGE], TM_CODE_CELL);
			assert_int_equal(a % (tm_cell_code(p) == 4 ? 32 : 16), 0);
			for (size_t i = 0; i < n && round % 50 == 0; i++)
				assert_ptr_not_equal(all[i], p);
			all[n++] = p;
		} else if (n) {
			size_t i = (size_t)rand() % n;
			tm_cell_give(&all[i], 1);
			all[i] = all[--n];
		}
	}
	full = false;
	for (size_t i = 0; i < n; i++) { /* nothing twice */
		for (size_t k = i + 1; k < n; k++)
			assert_ptr_not_equal(all[i], all[k]);
		bytes += tm_cell_code(all[i]) == 4 ? 32 : 16;
	}
	end();
	tm_cell_bytes(&used, &held);
	while (n)
		tm_cell_give(&all[--n], 1);
	tm_cell_bytes(&before, &held);
	assert_int_equal(used - before, bytes);
	for (size_t i = 0; i < ZONE / TM_PAGE; i++)
		committed_pages += committed[i];
	assert_true(committed_pages * TM_PAGE <= held + 72 * TM_PAGE);
}

static void *other_thread(void *arg)
{
	void *p[300];

	tm_front.limit = 16;
	for (int i = 0; i < 300; i++)
		p[i] = take(i % 3 == 2 ? 4 : 2);
	for (int i = 0; i < 300; i++)
		if (p[i])
			tm_cell_give(&p[i], 1);
	tm_front.limit = 0;
	end();
	assert_null(take(2));
	return NULL;
}

static void threads_that_end_leave_nothing(void **state)
{
	size_t used, held, used_after, held_after;

	tm_cell_bytes(&used, &held);
	for (int i = 0; i < 50; i++) {
		pthread_t t;
		assert_int_equal(pthread_create(&t, NULL, other_thread, NULL), 0);
		pthread_join(t, NULL);
	}
	tm_cell_bytes(&used_after, &held_after);
	assert_int_equal(used_after, used);
	assert_true(held_after <= held);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sets_grow_apart),
		cmocka_unit_test(what_is_asked_for_together_lies_together),
		cmocka_unit_test(what_lies_elsewhere_leaves_its_place_empty),
		cmocka_unit_test(who_wants_one_size_only_wastes_little),
		cmocka_unit_test(random_use),
		cmocka_unit_test(threads_that_end_leave_nothing),
	};

	return cmocka_run_group_tests(tests, prepare, NULL);
}
