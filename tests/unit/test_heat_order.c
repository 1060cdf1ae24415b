/* Which granules trade places. */
#include "allocator/heat_order.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static void sorted_by_heat_then_address(void **state)
{
	struct tm_heat v[] = {{1, 5}, {3, 2}, {1, 4}, {3, 1}, {2, 9}};

	tm_heat_sort(v, 5, true);
	assert_int_equal(v[0].g, 1);
	assert_int_equal(v[1].g, 2);
	assert_int_equal(v[2].g, 9);
	assert_int_equal(v[3].g, 4);
	tm_heat_sort(v, 5, false);
	assert_int_equal(v[0].g, 4);
	assert_int_equal(v[1].g, 5);
	assert_int_equal(v[4].g, 2);
}

static void chance_is_not_heat(void **state)
{
	assert_false(tm_heat_worth(0, 0, 0));
	assert_false(tm_heat_worth(5, 0, 0.1f));
	assert_true(tm_heat_worth(8, 0, 0.1f));
	assert_false(tm_heat_worth(8, 0, 2)); /* the hottest of thousands with a mean of 2 */
	assert_true(tm_heat_worth(30, 8, 1));
	assert_false(tm_heat_worth(27, 8, 10));
	assert_false(tm_heat_worth(1900, 1000, 10)); /* certainly hotter, but not by a factor of two */
	assert_true(tm_heat_worth(2100, 1000, 10));
}

/* Equal heat, counted: of 4000 granules on two tiers hardly any trade places, however long one counts. */
static void equal_heat_stays(void **state)
{
	enum { N = 2000 };
	static struct tm_heat hot[N], cold[N], v[N], w[N];
	uint64_t seed = 88172645463325252u;

	for (int mean = 1; mean <= 50; mean++) {
		unsigned trades = 0;

		for (int k = 0; k < 2 * N; k++) {
			seed ^= seed << 13;
			seed ^= seed >> 7;
			seed ^= seed << 17;
			(seed & 1 << 20 ? hot : cold)[(seed >> 32) % N].heat++;
		}
		for (size_t i = 0; i < N; i++) {
			v[i] = hot[i];
			w[i] = cold[i];
		}
		tm_heat_sort(v, N, true);
		tm_heat_sort(w, N, false);
		while (trades < N && tm_heat_worth(v[trades].heat, w[trades].heat, (float)mean))
			trades++;
		assert_in_range(trades, 0, 2);
		assert_true(v[0].heat > v[N - 1].heat);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(sorted_by_heat_then_address),
					   cmocka_unit_test(chance_is_not_heat), cmocka_unit_test(equal_heat_stays)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
