#include "workloads/tmprobe/probe.h"

#include <cpuid.h>
#include <emmintrin.h>
#include <time.h>

const char *const op_names[OP_COUNT] = {"read", "ntstore", "clwb"};

/* Leaf 7, EBX. */
enum { CPU_CLFLUSHOPT = 1 << 23, CPU_CLWB = 1 << 24 };

static unsigned int features(void)
{
	static unsigned int found = 1;
	unsigned int a, b, c, d;

	if (found == 1)
		found = __get_cpuid_count(7, 0, &a, &b, &c, &d) ? b & ~1u : 0;
	return found;
}

bool op_usable(enum op op)
{
	return op != OP_CLWB || (features() & (CPU_CLWB | CPU_CLFLUSHOPT));
}

double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Bytes of an instruction, since the compiler may not be told that every CPU has it. */
static inline void clwb(void *p)
{
	__asm__ volatile(".byte 0x66; xsaveopt %0" : "+m"(*(volatile char *)p));
}

static inline void clflushopt(void *p)
{
	__asm__ volatile(".byte 0x66; clflush %0" : "+m"(*(volatile char *)p));
}

static inline void nt_line(unsigned char *p, __m128i v)
{
	for (int i = 0; i < LINE; i += 16)
		_mm_stream_si128((__m128i *)(void *)(p + i), v);
}

static inline void store_line(unsigned char *p, __m128i v)
{
	for (int i = 0; i < LINE; i += 16)
		_mm_store_si128((__m128i *)(void *)(p + i), v);
	__asm__ volatile("" ::: "memory");
}

void op_run(enum op op, unsigned char *p, uint64_t n)
{
	const bool have_clwb = features() & CPU_CLWB;
	unsigned char *end = p + n;

	if (op == OP_READ) {
		for (; p < end; p += LINE)
			(void)*(volatile uint64_t *)(void *)p;
	} else if (op == OP_NT) {
		for (; p < end; p += LINE)
			nt_line(p, _mm_setzero_si128());
	} else if (have_clwb) {
		for (; p < end; p += LINE) {
			store_line(p, _mm_setzero_si128());
			clwb(p);
		}
	} else {
		for (; p < end; p += LINE) {
			store_line(p, _mm_setzero_si128());
			clflushopt(p);
		}
	}
}

/*
 * The next line is computed from the last and from what was read (zero), so an access cannot start before the last is
 * done, and no prefetcher knows it. The generator has full period (a = 1 mod 4, c odd): no line comes twice before all have.
 * Not inlined: the loop on one line, which is subtracted, must be the same instructions.
 */
__attribute__((noinline, noclone)) void chase(const unsigned char *base, uint64_t lines, uint64_t count,
					      uint64_t *at)
{
	uint64_t i = *at, mask = lines - 1;

	while (count--) {
		const uint64_t *p = (const void *)(base + (i & mask) * LINE);

		i = i * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407) +
		    *(const volatile uint64_t *)p;
	}
	*at = i;
}

double latency_random(const unsigned char *base, uint64_t lines, uint64_t count, uint64_t *at)
{
	uint64_t other = 1;
	double begin, loop;

	chase(base, 1, count / 8, &other);
	begin = seconds();
	chase(base, 1, count, &other);
	loop = seconds() - begin;
	chase(base, lines, count / 8, at);
	begin = seconds();
	chase(base, lines, count, at);
	return (seconds() - begin - loop) / (double)count * 1e9;
}

/* Lines in turn, with a fence so that only one is read at a time. stride 0: always the same line. */
__attribute__((noinline, noclone)) static double fenced_reads(const unsigned char *base, uint64_t lines,
							      uint64_t count, uint64_t stride)
{
	uint64_t i = 0;
	double begin = seconds();

	while (count--) {
		const uint64_t *p = (const void *)(base + (i & (lines - 1)) * LINE);

		i += stride + *(const volatile uint64_t *)p;
		__asm__ volatile("lfence" ::: "memory");
	}
	return seconds() - begin;
}

double latency_sequential(const unsigned char *base, uint64_t lines, uint64_t count)
{
	double loop;

	fenced_reads(base, lines, count / 8, 0);
	loop = fenced_reads(base, lines, count, 0);
	fenced_reads(base, lines, count / 8, 1);
	return (fenced_reads(base + count / 8 * LINE, lines / 2, count, 1) - loop) / (double)count * 1e9;
}

enum write_kind { WRITE_NOTHING, WRITE_NT, WRITE_CLWB };

/* Seconds of count lines written in turn, each followed by a fence. */
static double fenced_writes(unsigned char *base, uint64_t lines, uint64_t count, enum write_kind kind)
{
	const bool have_clwb = features() & CPU_CLWB;
	double begin = seconds();

	for (uint64_t i = 0; i < count; i++) {
		unsigned char *p = base + (i & (lines - 1)) * LINE;

		if (kind == WRITE_NT) {
			nt_line(p, _mm_setzero_si128());
		} else if (kind == WRITE_CLWB) {
			store_line(p, _mm_setzero_si128());
			if (have_clwb)
				clwb(p);
			else
				clflushopt(p);
		}
		_mm_sfence();
	}
	return seconds() - begin;
}

/* Latency of store and fence together; what the loop and a fence with nothing to wait for take is subtracted. */
static double latency_write(unsigned char *base, uint64_t lines, uint64_t count, enum write_kind kind)
{
	double loop;

	fenced_writes(base, lines, count / 8, WRITE_NOTHING);
	loop = fenced_writes(base, lines, count, WRITE_NOTHING);
	fenced_writes(base, lines, count / 8, kind);
	return (fenced_writes(base, lines, count, kind) - loop) / (double)count * 1e9;
}

double latency_nt(unsigned char *base, uint64_t lines, uint64_t count)
{
	return latency_write(base, lines, count, WRITE_NT);
}

double latency_clwb(unsigned char *base, uint64_t lines, uint64_t count)
{
	return latency_write(base, lines, count, WRITE_CLWB);
}
