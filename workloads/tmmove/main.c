/*
 * tmmove: how fast tiermem moves memory, and how long the program waits that uses it meanwhile. To be started by `tiermem run`, with a
 * policy that moves nothing itself:
 *   tiermem run --dram 1G --policy static -- tmmove --threads 1
 */
#include "allocator/api/tiermem.h"
#include "harness/options.h"
#include "workloads/tmmove/touch.h"

#include <gsl/gsl_randist.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PAGE = 4096, ROUNDS_MAX = 100000 };

struct settings {
	int64_t threads, pause_us, seconds, seed;
	int64_t size, batch; /* bytes */
	bool random;
};

/* What one direction took. */
struct direction {
	double seconds;
	uint64_t bytes, calls;
	struct op_stats waits;
};

static void fill_order(size_t *order, size_t n, const struct settings *s)
{
	gsl_rng *rng = gsl_rng_alloc(gsl_rng_taus2);

	for (size_t i = 0; i < n; i++)
		order[i] = i;
	gsl_rng_set(rng, (unsigned long)s->seed + 1);
	if (s->random)
		gsl_ran_shuffle(rng, order, n, sizeof(*order));
	gsl_rng_free(rng);
}

/* Mappings of this process; 0: unknown. */
static size_t mappings(void)
{
	FILE *f = fopen("/proc/self/maps", "re");
	size_t n = 0;

	for (int c; f && (c = getc(f)) != EOF;)
		n += c == '\n';
	if (f)
		fclose(f);
	return n;
}

/* Moves all of it, batch by batch. False after saying why. */
static bool sweep(struct touch *t, const struct settings *s, const size_t *order, int advice,
		  struct direction *d, size_t *most_mappings)
{
	size_t n = (size_t)(s->size / s->batch);
	uint64_t before = d->bytes;

	for (size_t i = 0; i < n; i++) {
		unsigned char *at = t->base + order[i] * (size_t)s->batch;
		double start;
		ssize_t moved;

		t->from = (size_t)(at - t->base);
		t->len = (size_t)s->batch;
		start = now_seconds();
		moved = tiermem_advise(at, (size_t)s->batch, advice);
		d->seconds += now_seconds() - start;
		if (moved < 0) {
			complain("%s", tiermem_error());
			return false;
		}
		d->bytes += (uint64_t)moved;
		d->calls++;
		if (i == n / 2 && !*most_mappings)
			*most_mappings = mappings();
	}
	if (d->bytes > before)
		return true;
	complain("nothing moved to %s: the DRAM quota and PMEM must both have room for %lld bytes",
		 advice == TIERMEM_HOT ? "DRAM" : "PMEM", (long long)s->size);
	return false;
}

static json_t *waits(const struct op_stats *w)
{
	return json_pack("{s:I, s:f, s:f, s:f, s:f}", "count", (json_int_t)w->count, "p50_us",
			 (double)op_stats_percentile(w, 50) * 1e-3, "p99_us",
			 (double)op_stats_percentile(w, 99) * 1e-3, "p999_us",
			 (double)op_stats_percentile(w, 99.9) * 1e-3, "max_us", (double)w->max_ns * 1e-3);
}

static json_t *direction(const struct direction *d, uint64_t granule)
{
	return json_pack("{s:I, s:I, s:f, s:f, s:f, s:o}", "bytes", (json_int_t)d->bytes, "calls",
			 (json_int_t)d->calls, "seconds", d->seconds, "gb_s",
			 (double)d->bytes * 1e-9 / d->seconds, "granule_us",
			 d->seconds * 1e6 / ((double)d->bytes / (double)granule), "access", waits(&d->waits));
}

/* Moves memory down and up for s->seconds. 0 or an exit code. */
static int measure(struct touch *t, const struct settings *s, uint64_t granule)
{
	static struct direction demote, promote, warm;
	static struct op_stats still;
	size_t n = (size_t)(s->size / s->batch), most_mappings = 0, none = 1;
	size_t *order = must_realloc(NULL, n * sizeof(*order));
	uint64_t wrong;
	double end;
	json_t *doc;

	fill_order(order, n, s);
	if (touch_start(t, (int)s->threads)) {
		complain("cannot start %lld threads", (long long)s->threads);
		return EXIT_FAIL;
	}
	/* Staging, frames and the threads' own memory are there from now on. */
	if (!sweep(t, s, order, TIERMEM_COLD, &warm, &none) || !sweep(t, s, order, TIERMEM_HOT, &warm, &none))
		return EXIT_FAIL;
	t->len = 0;
	t->measure = true;
	nanosleep(&(struct timespec){.tv_nsec = 500000000}, NULL);
	touch_take(t, &still);
	op_stats_init(&demote.waits);
	op_stats_init(&promote.waits);
	end = now_seconds() + (double)s->seconds;
	for (int i = 0; i < ROUNDS_MAX && (!i || now_seconds() < end); i++) {
		static struct op_stats taken;

		if (!sweep(t, s, order, TIERMEM_COLD, &demote, &most_mappings))
			return EXIT_FAIL;
		touch_take(t, &taken);
		op_stats_merge(&demote.waits, &taken);
		if (!sweep(t, s, order, TIERMEM_HOT, &promote, &most_mappings))
			return EXIT_FAIL;
		touch_take(t, &taken);
		op_stats_merge(&promote.waits, &taken);
	}
	wrong = touch_end(t);
	doc = json_pack("{s:I, s:I, s:I, s:s, s:I, s:o, s:o, s:o, s:I, s:I}", "granule", (json_int_t)granule,
			"size", (json_int_t)s->size, "batch", (json_int_t)s->batch, "order",
			s->random ? "random" : "linear", "threads", (json_int_t)s->threads, "still",
			waits(&still), "demote", direction(&demote, granule), "promote",
			direction(&promote, granule), "mappings", (json_int_t)most_mappings, "wrong",
			(json_int_t)wrong);
	json_dumpf(doc, stdout, JSON_INDENT(1));
	putchar('\n');
	json_decref(doc);
	free(order);
	if (!wrong)
		return EXIT_OK;
	complain("%llu accesses found another value than the one written last: memory was lost",
		 (unsigned long long)wrong);
	return EXIT_FAIL;
}

/* Bytes of an option; 0 after saying what is wrong. */
static int64_t size_of(const char *option, const char *text)
{
	int64_t bytes;

	if (!parse_size(text, &bytes) && bytes > 0 && bytes % PAGE == 0)
		return bytes;
	complain("--%s %s: want a size that is a multiple of 4K, such as 64M", option, text);
	return 0;
}

int main(int argc, char **argv)
{
	struct settings s = {.threads = 1, .seconds = 2, .seed = 1};
	struct tiermem_stats stats = {.size = sizeof(stats)};
	const char *size = "128M", *batch = "1M", *order = "linear";
	const struct option table[] = {
		{"size", OPT_TEXT, &size, "BYTES", "memory to move (128M)", 0, 0},
		{"batch", OPT_TEXT, &batch, "BYTES", "moved by one call, at least a granule (1M)", 0, 0},
		{"order", OPT_CHOICE, &order, "linear|random", "of batches (linear)", 0, 0},
		{"threads", OPT_INT, &s.threads, "N", "threads that access it meanwhile (1)", 1,
		 TOUCH_MAX_THREADS},
		{"pause", OPT_INT, &s.pause_us, "US", "microseconds between two accesses of a thread (0)", 0,
		 999999},
		{"seconds", OPT_INT, &s.seconds, "S", "least duration (2)", 0, 3600},
		{"seed", OPT_INT, &s.seed, "N", "of the random order (1)", 0, INT32_MAX},
		{0},
	};
	struct list operands = {0};
	struct touch t = {0};
	int code = options_parse(table, "tiermem run --policy static -- tmmove [OPTION]...", argc, argv,
				 &operands);

	if (code)
		return code;
	if (operands.n) {
		complain("'%s' is no option; tmmove --help lists them", operands.v[0]);
		return EXIT_USAGE;
	}
	s.random = !strcmp(order, "random");
	s.size = size_of("size", size);
	s.batch = s.size ? size_of("batch", batch) : 0;
	if (!s.batch)
		return EXIT_USAGE;
	tiermem_stats(&stats);
	if (!stats.managed) {
		complain("tiermem does not manage this process: start it with "
			 "`tiermem run --policy static -- tmmove`");
		return EXIT_USAGE;
	}
	if (s.batch % (int64_t)stats.granule || s.size % s.batch) {
		complain("--size must be a multiple of --batch, and that of the granule (%llu bytes)",
			 (unsigned long long)stats.granule);
		return EXIT_USAGE;
	}
	t.size = (size_t)s.size;
	t.pause_us = (unsigned)s.pause_us;
	t.base = tiermem_alloc(t.size, TIERMEM_DRAM);
	if (!t.base) {
		complain("%s", tiermem_error());
		return EXIT_FAIL;
	}
	memset(t.base, 0, t.size);
	return measure(&t, &s, stats.granule);
}
