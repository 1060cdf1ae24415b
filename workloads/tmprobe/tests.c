#include "workloads/tmprobe/probe.h"

#include <emmintrin.h>
#include <stdio.h>
#include <string.h>

#include "sim/mark.h"

enum { COUNT_READS = 20000, COUNT_WRITES = 20000, XPLINE = 256, HALF = XPLINE / 2, CACHED_LINES = 256 };

/* The largest power of two of lines in n bytes. */
static uint64_t lines_in(uint64_t n)
{
	uint64_t lines = 1;

	while (lines * 2 * LINE <= n)
		lines *= 2;
	return lines;
}

void mark_measure(const struct settings *s, const struct figure *f, bool begin)
{
	char name[MARK_NAME_MAX + 1];

	if (!s->mark)
		return;
	snprintf(name, sizeof(name), "%s-%s-%u-%llu-%g", f->test, f->op, f->threads,
		 (unsigned long long)f->bytes, f->writes);
	if (begin ? mark_begin(name) : mark_end())
		complain("cannot mark the phase %s", name);
}

static int latency(const struct settings *s, const struct area *a)
{
	static const char *const names[] = {"read-random", "read-sequential", "ntstore", "clwb"};
	const uint64_t lines = lines_in(a->size);

	for (int i = 0; i < 4; i++) {
		struct figure f = {.test = "latency", .op = names[i], .threads = 1, .unit = "ns"};
		uint64_t at = 1;

		if (i == 3 && !op_usable(OP_CLWB))
			continue;
		mark_measure(s, &f, true);
		if (i == 0)
			f.value = latency_random(a->base, lines, COUNT_READS, &at);
		else if (i == 1)
			f.value = latency_sequential(a->base, lines, COUNT_READS);
		else if (i == 2)
			f.value = latency_nt(a->base, lines, COUNT_WRITES);
		else /* lines that are in the caches, as in the study */
			f.value = latency_clwb(a->base, CACHED_LINES, COUNT_WRITES);
		mark_measure(s, &f, false);
		report_figure(s, &f);
	}
	return 0;
}

/* n threads do the same; reports their bandwidth. */
static int measure(const struct settings *s, const struct area *a, struct figure *f, const struct job *job)
{
	struct job jobs[MAX_THREADS];
	struct job_result r;

	for (unsigned int i = 0; i < f->threads; i++)
		jobs[i] = *job;
	mark_measure(s, f, true);
	if (team_run(s, a, jobs, f->threads, &r))
		return -1;
	mark_measure(s, f, false);
	f->value = r.gbps;
	f->unit = "GB/s";
	report_figure(s, f);
	return 0;
}

static int bandwidth(const struct settings *s, const struct area *a)
{
	for (enum op op = 0; op < OP_COUNT; op++) {
		for (int i = 0; op_usable(op) && i < s->threads.n; i++) {
			struct figure f = {.test = "bandwidth", .op = op_names[op]};

			f.threads = (unsigned int)s->threads.v[i];
			if (measure(s, a, &f, &(struct job){.op = op}))
				return -1;
		}
	}
	return 0;
}

/* 1, 4 and 16 threads, as far as the list goes. */
static bool few(const struct settings *s, unsigned int n)
{
	return n <= s->threads.v[s->threads.n - 1];
}

static int access_size(const struct settings *s, const struct area *a)
{
	for (enum op op = 0; op < OP_COUNT; op++) {
		for (unsigned int n = 1; n <= 16 && few(s, n); n *= 4) {
			for (uint64_t size = 64; op_usable(op) && size <= 65536 && size <= s->region;
			     size *= 2) {
				struct figure f = {
					.test = "access", .op = op_names[op], .threads = n, .bytes = size};

				if (measure(s, a, &f, &(struct job){.op = op, .access = size}))
					return -1;
			}
		}
	}
	return 0;
}

/* Writes the first and then the second half of each 256-byte line of a region, rounds times. */
static void write_halves(unsigned char *base, uint64_t size, uint64_t rounds)
{
	while (rounds--)
		for (uint64_t half = 0; half < XPLINE; half += HALF)
			for (uint64_t at = half; at < size; at += XPLINE)
				op_run(OP_NT, base + at, HALF);
	_mm_sfence();
}

static int amplification(const struct settings *s, const struct area *a)
{
	static const uint64_t total = 1 << 21;
	uint64_t step;

	for (uint64_t size = 256; size <= (1 << 21) && size <= a->size; size += step) {
		struct figure f = {.test = "amplification", .op = "ntstore", .threads = 1, .bytes = size};
		uint64_t rounds = size < total ? total / size : 1;
		double begin;

		write_halves(a->base, size, rounds < 4 ? 4 : rounds);
		mark_measure(s, &f, true);
		begin = seconds();
		write_halves(a->base, size, rounds);
		f.value = (double)(rounds * size) / (seconds() - begin) / 1e9;
		f.unit = "GB/s";
		mark_measure(s, &f, false);
		report_figure(s, &f);
		step = size < 16384 || size >= 65536 ? size : 2048;
	}
	return 0;
}

static int working_set(const struct settings *s, const struct area *a)
{
	for (uint64_t size = 4096; size <= a->size; size *= 2) {
		struct figure f = {.test = "chase", .op = "read", .threads = 1, .bytes = size, .unit = "ns"};
		uint64_t lines = size / LINE, at = size * UINT64_C(0x9e3779b97f4a7c15), warm = s->warm / LINE;

		/* Once through what caches may hold, so that they do. */
		chase(a->base, lines, lines < warm ? 2 * lines : warm, &at);
		mark_measure(s, &f, true);
		f.value = latency_random(a->base, lines, COUNT_READS, &at);
		mark_measure(s, &f, false);
		report_figure(s, &f);
	}
	return 0;
}

static int mix(const struct settings *s, const struct area *a)
{
	static const unsigned int ratio[][2] = {{1, 0}, {4, 1}, {3, 1}, {2, 1}, {1, 1}, {0, 1}};

	for (unsigned int n = 1; n <= 16 && few(s, n); n *= 4) {
		for (size_t i = 0; i < sizeof(ratio) / sizeof(*ratio); i++) {
			struct figure f = {.test = "mix", .op = "read+ntstore", .threads = n};

			f.writes = 100.0 * ratio[i][1] / (ratio[i][0] + ratio[i][1]);
			if (measure(s, a, &f, &(struct job){.reads = ratio[i][0], .writes = ratio[i][1]}))
				return -1;
		}
	}
	return 0;
}

/* The latency of one thread's dependent reads beside streams of the others. */
static int loaded(const struct settings *s, const struct area *a)
{
	for (enum op op = 0; op < OP_CLWB; op++) {
		for (int i = 0; i < s->threads.n; i++) {
			unsigned int n = (unsigned int)s->threads.v[i];
			struct figure f = {
				.test = "loaded", .op = op_names[op], .threads = n - 1, .unit = "GB/s"};
			struct job jobs[MAX_THREADS] = {{.chase = true}};
			struct job_result r;

			for (unsigned int k = 1; k < n; k++)
				jobs[k].op = op;
			mark_measure(s, &f, true);
			if (team_run(s, a, jobs, n, &r))
				return -1;
			mark_measure(s, &f, false);
			f.value = r.gbps;
			report_figure(s, &f);
			f.test = "loaded-latency";
			f.value = r.chase_ns;
			f.unit = "ns";
			report_figure(s, &f);
		}
	}
	return 0;
}

static const struct {
	const char *name;
	int (*run)(const struct settings *s, const struct area *a);
} tests[] = {
	{"latency", latency},	 {"bandwidth", bandwidth},
	{"access", access_size}, {"amplification", amplification},
	{"chase", working_set},	 {"mix", mix},
	{"loaded", loaded},
};

enum { TESTS = sizeof(tests) / sizeof(*tests) };

/* Whether a name is in a list "a,b,c"; *names goes on behind the item it looked at. */
static bool next_is(const char **names, const char *name)
{
	size_t n = strcspn(*names, ",");
	bool is = n == strlen(name) && !strncmp(*names, name, n);

	*names += n + ((*names)[n] == ',');
	return is;
}

static bool selected(const char *names, const char *name)
{
	while (*names)
		if (next_is(&names, name))
			return true;
	return false;
}

const char *tests_names(void)
{
	return "latency,bandwidth,access,amplification,chase,mix,loaded";
}

const char *tests_unknown(const char *names)
{
	while (*names) {
		const char *item = names, *at = names;
		bool known = false;

		for (int i = 0; i < TESTS; i++) {
			at = item;
			known |= next_is(&at, tests[i].name);
		}
		if (!known)
			return item;
		names = at;
	}
	return NULL;
}

int tests_run(const struct settings *s, const struct area *a)
{
	for (int i = 0; i < TESTS; i++)
		if (selected(s->tests, tests[i].name) && tests[i].run(s, a))
			return -1;
	return 0;
}
