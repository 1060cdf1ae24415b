/*
 * Servers execute more code than the first-level instruction cache and the branch predictor's tables hold. 1,024 functions of
 * 256 bytes, each a few branches and loads, called in an order that repeats only after 4,096 calls.
 */
#include "workloads/tmloop/loop.h"

enum { FUNCTIONS = 1024, ORDER = 4096 };

static uint64_t words[512];

#define ONE(n)                                                                                               \
	__attribute__((noinline, aligned(256))) static uint64_t f##n(uint64_t x)                             \
	{                                                                                                    \
		uint64_t y = words[(x + 0x##n) & 511];                                                       \
                                                                                                             \
		if ((x ^ y) & (1u << (0x##n & 15)))                                                          \
			y += x * (2 * 0x##n + 1);                                                            \
		if (y & 0x##n)                                                                               \
			x ^= words[(y >> 5) & 511] + 0x##n;                                                  \
		words[(x >> 3) & 511] = y;                                                                   \
		if (y > x)                                                                                   \
			y -= (x >> 2) ^ 0x##n;                                                               \
		return x + (y << (0x##n & 7)) + 0x1##n;                                                      \
	}
#define SIXTEEN(d, M)                                                                                        \
	M(d##0)                                                                                              \
	M(d##1) M(d##2) M(d##3) M(d##4) M(d##5) M(d##6) M(d##7) M(d##8) M(d##9) M(d##a) M(d##b) M(d##c)      \
		M(d##d) M(d##e) M(d##f)
#define ROW(d, M) SIXTEEN(d, M)
#define PAGE(p, M)                                                                                           \
	ROW(p##0, M)                                                                                         \
	ROW(p##1, M) ROW(p##2, M) ROW(p##3, M) ROW(p##4, M) ROW(p##5, M) ROW(p##6, M) ROW(p##7, M)           \
		ROW(p##8, M) ROW(p##9, M) ROW(p##a, M) ROW(p##b, M) ROW(p##c, M) ROW(p##d, M) ROW(p##e, M)   \
			ROW(p##f, M)
#define ALL(M)	PAGE(0, M) PAGE(1, M) PAGE(2, M) PAGE(3, M)
#define NAME(n) f##n,

ALL(ONE)

static uint64_t (*const functions[FUNCTIONS])(uint64_t) = {ALL(NAME)};

uint64_t loop_calls(uint64_t n)
{
	static uint16_t order[ORDER];
	uint64_t state = 5, x = 1, at = 0;

	for (int i = 0; i < ORDER; i++)
		order[i] = (uint16_t)(loop_random(&state) % FUNCTIONS);
	for (; n; n--, at += FUNCTIONS)
		for (int i = 0; i < FUNCTIONS; i++)
			x = functions[order[(at + (uint64_t)i) % ORDER]](x);
	return x;
}
