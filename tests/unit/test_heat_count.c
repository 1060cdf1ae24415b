/* Heat of counted memory: kinds and neighbours that count together, what is assumed of new memory, and changes that are noticed. */
#include "allocator/class_heat.h"
#include "allocator/heat_count.h"
#include "allocator/heat_file.h"
#include "allocator/heat_rate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define ZONE ((size_t)32 << 20)
#define IN_ZONE (ZONE / TM_PAGE)

struct tm_core tm;
uint8_t *tm_pages;
uintptr_t tm_pages_base;
size_t tm_pages_span;

static const size_t used[TM_ZONES] = {256, 128, 512, 0};
static size_t more, many; /* granules of buffers, of values that come later */

void *tm_os_reserve_table(size_t size)
{
	return calloc(1, size);
}

size_t tm_zone_first(enum tm_zone zone)
{
	return zone * IN_ZONE;
}

bool tm_zone_span(enum tm_zone zone, size_t k, size_t *from, size_t *end)
{
	*from = zone * IN_ZONE;
	*end = *from + used[zone] + (zone == TM_BUFFER ? more : zone == TM_BULK ? many : 0);
	return !k;
}

enum tm_zone tm_zone_of(size_t g)
{
	return (enum tm_zone)(g / IN_ZONE);
}

void tm_heat_file_take(size_t g, uint32_t n)
{
	fail();
}

static size_t granule(enum tm_zone zone, size_t i)
{
	return zone * IN_ZONE + i;
}

static void use(enum tm_zone zone, size_t i, enum tm_granule_state state)
{
	struct tm_granule *t = &tm.table[granule(zone, i)];

	if (t->state == TM_EMPTY)
		tm.count.granules[state == TM_PMEM][zone]++;
	t->state = (uint8_t)state;
}

static void take(enum tm_zone zone, size_t i, uint32_t n)
{
	if (n)
		tm_heat_take(granule(zone, i), n);
}

static int prepare(void **state)
{
	tm.shift = 12;
	tm.granule = TM_PAGE;
	tm.zone_bytes = ZONE;
	tm.bytes = TM_ZONES * ZONE;
	tm.table = calloc(TM_ZONES * IN_ZONE, sizeof(*tm.table));
	tm_pages = calloc(TM_ZONES * IN_ZONE, 1);
	tm_pages_span = tm.bytes;
	for (int z = 0; z < TM_ZONES; z++)
		for (size_t i = 0; i < used[z]; i++)
			use((enum tm_zone)z, i, TM_DRAM);
	return !tm_heat_prepare(false);
}

static float rate(enum tm_zone zone, size_t i)
{
	return tm_heat_rate(granule(zone, i));
}

static void nothing_is_known_at_first(void **state)
{
	assert_true(tm_heat_new(granule(TM_SMALL, 0)));
	assert_true(rate(TM_SMALL, 0) >= tm_heat_mean());
	tm_heat_look();
	assert_false(tm_heat_new(granule(TM_SMALL, 0)));
	assert_true(rate(TM_SMALL, 0) == rate(TM_SMALL, 1));
	assert_false(tm_heat_known());
}

/* While little is known a buffer that was never counted is as hot as the rest. */
static void small_ones_and_buffers_are_assumed_warm(void **state)
{
	for (size_t i = 0; i < used[TM_BULK]; i++)
		take(TM_BULK, i, 1);
	assert_true(tm_heat_new(granule(TM_BUFFER, used[TM_BUFFER])));
	assert_true(rate(TM_BUFFER, used[TM_BUFFER]) >= tm_heat_mean());
	assert_true(rate(TM_SMALL, IN_ZONE - 1) > tm_heat_mean());
}

/* Values are alike by the dozen, buffers have a hot first page each; of small ones the second half is never touched. */
static void kinds_have_rates_of_their_own(void **state)
{
	for (int round = 0; round < 20; round++) {
		for (size_t i = 0; i < used[TM_BULK]; i++)
			take(TM_BULK, i, i < used[TM_BULK] / 2 ? 2 : i % 4 == 0);
		for (size_t i = 0; i < used[TM_BUFFER]; i += 8)
			take(TM_BUFFER, i, 3);
		for (size_t i = 0; i < used[TM_SMALL] / 2; i++)
			take(TM_SMALL, i, 1);
	}
	tm_heat_look();
	assert_true(tm_heat_known());
	assert_int_equal(tm_heat_together(granule(TM_BULK, 0)), 8);
	assert_int_equal(tm_heat_together(granule(TM_BUFFER, 0)), 1);
	assert_true(rate(TM_SMALL, 0) > rate(TM_BULK, 0)); /* half as many misses, but each is waited for */
	assert_true(rate(TM_BULK, 0) > 3 * rate(TM_BULK, 500));
	assert_true(rate(TM_BUFFER, 8) > rate(TM_BULK, 0));
	assert_true(rate(TM_BUFFER, 9) < rate(TM_BULK, 500));
	assert_true(rate(TM_SMALL, 255) < rate(TM_BULK, 0));
	assert_true(tm_heat_cold(granule(TM_BULK, 500)) > 0 && tm_heat_cold(granule(TM_BULK, 0)) < 0);
}

/* Buffers were cold on average: so are new ones, at once. Small ones were not. */
static void what_is_new_has_the_heat_of_its_kind(void **state)
{
	more = 64;
	for (size_t i = 0; i < more; i++)
		use(TM_BUFFER, used[TM_BUFFER] + i, TM_PMEM);
	assert_true(tm_heat_new(granule(TM_BUFFER, used[TM_BUFFER])));
	assert_true(rate(TM_BUFFER, used[TM_BUFFER]) < tm_heat_mean());
	assert_true(rate(TM_SMALL, IN_ZONE - 1) > tm_heat_mean());
	tm_heat_look();
	assert_false(tm_heat_new(granule(TM_BUFFER, used[TM_BUFFER])));
	assert_true(rate(TM_BUFFER, used[TM_BUFFER]) < rate(TM_BUFFER, 8));
}

/* The hot half of the values is of one size, the cold half of another, and a few of a third. New ones are expected to be as hot. */
static void size_classes_are_learned(void **state)
{
	unsigned hot = tm_slab_code(31), cold = tm_slab_code(10), rare = tm_slab_code(7);
	size_t next_hot = granule(TM_BULK, IN_ZONE - 1), next_cold = next_hot - 1, next_rare = next_hot - 2;

	for (size_t i = 0; i < used[TM_BULK]; i++)
		tm_pages[granule(TM_BULK, i)] = (uint8_t)(i < 5 ? rare : i < used[TM_BULK] / 2 ? hot : cold);
	tm_pages[next_hot] = (uint8_t)hot;
	tm_pages[next_cold] = (uint8_t)cold;
	tm_pages[next_rare] = (uint8_t)rare;
	assert_true(tm_heat_rate(next_hot) == tm_heat_rate(next_cold));
	tm_heat_look();
	assert_true(tm_heat_rate(next_hot) > 3 * tm_heat_rate(next_cold));
	assert_true(tm_heat_rate(next_rare) < tm_heat_rate(next_hot) && tm_heat_rate(next_rare) > tm_heat_rate(next_cold));
	tm_class_judge(rate(TM_BULK, 0)); /* DRAM is full of hot ones: */
	assert_int_equal(tm_class_place[cold], TM_CLASS_PMEM);
	assert_int_equal(tm_class_place[hot], TM_CLASS_ANY);
	assert_int_equal(tm_class_place[rare], TM_CLASS_ANY);
	tm_class_judge(rate(TM_BULK, 500)); /* of cold ones, too */
	assert_int_equal(tm_class_place[cold], TM_CLASS_ANY);
	assert_int_equal(tm_class_place[hot], TM_CLASS_DRAM);
}

/* One delay tells nothing; many that are four times as long do. */
static void size_classes_are_learned_from_delays(void **state)
{
	unsigned slow = tm_slab_code(12), quick = tm_slab_code(13);
	size_t a = granule(TM_BULK, IN_ZONE - 8), b = a + 1;

	tm_pages[a] = (uint8_t)slow;
	tm_pages[b] = (uint8_t)quick;
	for (int i = 0; i < 200; i++) {
		double chance = i % 2 ? 1.2 : -1.2;
		tm_class_delay(a, 1.4 + chance);
		tm_class_delay(b, -1.4 + chance);
		tm_class_delay(granule(TM_BULK, IN_ZONE - 1), chance);
		assert_true(i > 8 || tm_class_place[slow] == TM_CLASS_ANY);
	}
	assert_int_equal(tm_class_place[slow], TM_CLASS_PMEM);
	assert_int_equal(tm_class_place[quick], TM_CLASS_DRAM);
	assert_int_equal(tm_class_place[tm_slab_code(31)], TM_CLASS_ANY);
	tm_class_reset();
	assert_int_equal(tm_class_place[slow], TM_CLASS_ANY);
}

/* Of so many misses, percent are of granules on PMEM: the second half of the values. */
static bool window(unsigned n, unsigned percent)
{
	for (unsigned i = 0; i < n; i++)
		take(TM_BULK, i % 100 < percent ? 256 + i % 256 : i % 256, 1);
	return tm_heat_changed();
}

static void a_change_is_noticed_early(void **state)
{
	for (size_t i = 256; i < 512; i++)
		use(TM_BULK, i, TM_PMEM);
	tm.count.granules[0][TM_BULK] -= 256;
	tm.count.granules[1][TM_BULK] += 256;
	assert_false(window(10000, 95)); /* hot memory has yet to come home, */
	assert_false(window(10000, 6));	 /* has come, */
	assert_false(window(100, 60));
	float before = tm_heat_mean();
	assert_true(window(200, 60)); /* and is no longer hot */
	assert_true(tm_heat_mean() < before / 4);
	for (int i = 0; i < 20; i++)
		assert_false(window(2000, 30 + i % 3));
	for (int i = 0; i < 20; i++)
		assert_false(window(300, 36)); /* within chance, for so few; and then it is usual */
}

static uint64_t next(void)
{
	static uint64_t seed = 88172645463325252u;

	seed ^= seed << 13;
	seed ^= seed >> 7;
	return seed ^= seed << 17;
}

/* Where all are alike, looks that are a second apart find nothing to move, however few or many samples came between them. */
static void chance_makes_no_difference(void **state)
{
	const size_t values = used[TM_BULK] + (many = 7000);

	for (size_t i = used[TM_BULK]; i < values; i++)
		use(TM_BULK, i, TM_DRAM);
	for (unsigned n = 500; n < 20000; n *= 3) {
		tm_heat_forget();
		for (int look = 0; look < 8; look++) {
			size_t differ = 0;
			for (unsigned i = 0; i < n; i++)
				take(TM_BULK, next() % values, 1);
			tm_heat_look();
			float together = (float)tm_heat_together(granule(TM_BULK, 0)), least = rate(TM_BULK, 0);
			for (size_t i = 0; i < values; i++)
				least = rate(TM_BULK, i) < least ? rate(TM_BULK, i) : least;
			for (size_t i = 0; i < values; i++)
				differ += tm_heat_worth(rate(TM_BULK, i) * together, least * together);
			assert_in_range(differ, 0, values / 64);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_known_at_first),		 cmocka_unit_test(small_ones_and_buffers_are_assumed_warm),
		cmocka_unit_test(kinds_have_rates_of_their_own),	 cmocka_unit_test(what_is_new_has_the_heat_of_its_kind),
		cmocka_unit_test(size_classes_are_learned),
		cmocka_unit_test(size_classes_are_learned_from_delays),
		cmocka_unit_test(a_change_is_noticed_early),		 cmocka_unit_test(chance_makes_no_difference),
	};
	return cmocka_run_group_tests(tests, prepare, NULL);
}
