/*
 * tmalloc: what malloc and free cost with a program's own sizes and lifetimes, several threads, and blocks that another thread frees.
 * Whatever allocator is preloaded is measured:
 *   LD_PRELOAD=libmimalloc.so.2 tmalloc --trace workloads/tmalloc/traces/redis.csv --threads 4
 */
#include "harness/options.h"
#include "sim/mark.h"
#include "workloads/tmalloc/trace.h"

#include <errno.h>
#include <gsl/gsl_randist.h>
#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum { THREADS_MAX = 64, SEQUENCE = 1 << 16, MAILBOX_EVERY = 64, MAILBOX_MOST = 256, LIVES = 21 };

/* What a block begins with while it lives; every block has room for it. */
struct block {
	struct block *next;
	uint32_t size, check;
};

/* Blocks that live equally long, oldest first. */
struct queue {
	struct block *head, **tail;
	uint64_t n, most;
};

struct worker {
	const struct settings *s;
	pthread_t id;
	unsigned number;
	uint32_t *
		sequence; /* kinds of blocks, drawn before the clock runs; the top bit: another thread frees it */
	struct queue queue[LIVES];
	_Alignas(64) struct block *_Atomic mailbox;
	atomic_uint in_mailbox; /* MAILBOX_MOST: no more, please */
	_Alignas(64) uint64_t operations, wrong, remote;
	double seconds, cpu;
	struct worker *neighbour;
};

struct settings {
	int64_t threads, operations, remote, seed;
	const char *trace_path, *mark;
	struct trace trace;
	pthread_barrier_t start;
};

static uint32_t check_of(const struct block *b)
{
	return (uint32_t)((uintptr_t)b >> 4) ^ b->size ^ 0x7469656d;
}

/* Ends a block. It must be as it was written: allocators that hand out memory twice are found here. */
static void end_block(struct worker *w, struct block *b)
{
	const unsigned char *last =
		(const unsigned char *)b + (b->size > sizeof(*b) ? b->size : sizeof(*b)) - 1;

	w->wrong += b->check != check_of(b) || (b->size > sizeof(*b) && *last != (b->check & 0xff));
	free(b);
}

static void read_mailbox(struct worker *w)
{
	struct block *b = atomic_exchange(&w->mailbox, NULL);

	while (b) {
		struct block *next = b->next;

		end_block(w, b);
		b = next;
		w->in_mailbox--;
	}
}

/* False: the neighbour is not running just now, or has ended. Memory that waits for it would be no allocator's doing. */
static bool send(struct worker *w, struct block *b)
{
	struct worker *to = w->neighbour;
	struct block *head = atomic_load(&to->mailbox);

	if (to == w || to->in_mailbox >= MAILBOX_MOST)
		return false;
	to->in_mailbox++;
	do
		b->next = head;
	while (!atomic_compare_exchange_weak(&to->mailbox, &head, b));
	w->remote++;
	return true;
}

/* A block of a kind that is written as programs do: all of it when small, its beginning and end when large. */
static struct block *new_block(size_t size)
{
	size_t room = size > sizeof(struct block) ? size : sizeof(struct block);
	struct block *b = malloc(room);

	if (!b)
		return NULL;
	if (room <= 1024)
		memset(b, 0x55, room);
	b->size = (uint32_t)size;
	b->check = check_of(b);
	if (size > sizeof(*b))
		((unsigned char *)b)[room - 1] = b->check & 0xff;
	return b;
}

/* One operation: a new block, and the end of the oldest that has lived long enough. False: out of memory. */
static bool operate(struct worker *w, uint32_t drawn)
{
	uint32_t kind = drawn & 0x7fffffff;
	const struct trace *t = &w->s->trace;
	struct queue *q = &w->queue[__builtin_ctz(t->kind[kind].lifetime)];
	struct block *b = new_block(t->kind[kind].size);

	if (!b)
		return false;
	b->next = NULL;
	*q->tail = b;
	q->tail = &b->next;
	if (++q->n <= q->most)
		return true;
	b = q->head;
	q->head = b->next;
	q->n--;
	if (!q->head)
		q->tail = &q->head;
	if (!(drawn >> 31) || !send(w, b))
		end_block(w, b);
	return true;
}

/* Processor time of this thread in seconds. */
static double thread_cpu(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

/* Fills the queues, then works by the clock. */
static void *work(void *arg)
{
	struct worker *w = arg;
	uint64_t n = (uint64_t)w->s->operations;
	double start;
	bool ok = true;

	for (uint64_t i = 0; ok && i < n / 2; i++)
		ok = operate(w, w->sequence[i % SEQUENCE] & 0x7fffffff);
	pthread_barrier_wait((pthread_barrier_t *)&w->s->start);
	if (!w->number && w->s->mark)
		mark_begin(w->s->mark);
	start = now_seconds();
	w->cpu = -thread_cpu();
	for (uint64_t i = 0; ok && i < n; i++) {
		ok = operate(w, w->sequence[i % SEQUENCE]);
		if (i % MAILBOX_EVERY == 0)
			read_mailbox(w);
	}
	w->seconds = now_seconds() - start;
	w->cpu += thread_cpu();
	w->in_mailbox += MAILBOX_MOST;
	pthread_barrier_wait((pthread_barrier_t *)&w->s->start);
	if (!w->number && w->s->mark)
		mark_end();
	w->operations = ok ? n : 0;
	pthread_barrier_wait((pthread_barrier_t *)&w->s->start);
	read_mailbox(w);
	for (int k = 0; k < LIVES; k++) {
		for (struct block *b = w->queue[k].head, *next; b; b = next) {
			next = b->next;
			end_block(w, b);
		}
	}
	return NULL;
}

/* Draws what a worker allocates, and how many blocks of each lifetime live at a time. */
static void draw(struct worker *w, const struct settings *s)
{
	gsl_rng *rng = gsl_rng_alloc(gsl_rng_taus2);
	double share[TRACE_MAX], of_life[LIVES] = {0};
	gsl_ran_discrete_t *table;

	for (int i = 0; i < s->trace.n; i++) {
		share[i] = s->trace.kind[i].share;
		of_life[__builtin_ctz(s->trace.kind[i].lifetime)] += share[i];
	}
	gsl_rng_set(rng, (unsigned long)s->seed * THREADS_MAX + w->number + 1);
	table = gsl_ran_discrete_preproc((size_t)s->trace.n, share);
	w->sequence = must_realloc(NULL, SEQUENCE * sizeof(*w->sequence));
	for (size_t i = 0; i < SEQUENCE; i++)
		w->sequence[i] = (uint32_t)gsl_ran_discrete(rng, table) |
				 (uint32_t)(gsl_rng_uniform(rng) * 100 < (double)s->remote) << 31;
	for (int k = 0; k < LIVES; k++) {
		w->queue[k].most = (uint64_t)(of_life[k] * (double)(1u << k) / (double)s->threads);
		w->queue[k].tail = &w->queue[k].head;
	}
	gsl_ran_discrete_free(table);
	gsl_rng_free(rng);
}

/* Prints what the workers did. 0 or an exit code. */
static int report(const struct worker *w, const struct settings *s)
{
	uint64_t operations = 0, wrong = 0, remote = 0;
	double seconds = 0, cpu = 0;
	struct rusage usage;
	json_t *doc;

	for (int i = 0; i < s->threads; i++) {
		if (!w[i].operations) {
			complain("out of memory");
			return EXIT_FAIL;
		}
		operations += w[i].operations;
		wrong += w[i].wrong;
		remote += w[i].remote;
		cpu += w[i].cpu;
		seconds = w[i].seconds > seconds ? w[i].seconds : seconds;
	}
	getrusage(RUSAGE_SELF, &usage);
	doc = json_pack("{s:s, s:I, s:I, s:I, s:f, s:f, s:f, s:f, s:I}", "trace", s->trace_path, "threads",
			(json_int_t)s->threads, "operations", (json_int_t)operations, "remote_frees",
			(json_int_t)remote, "seconds", seconds, "operations_s", (double)operations / seconds,
			"cpu_ns", cpu * 1e9 / (double)operations, "rss_mib", (double)usage.ru_maxrss / 1024,
			"wrong", (json_int_t)wrong);
	json_dumpf(doc, stdout, JSON_INDENT(1));
	putchar('\n');
	json_decref(doc);
	if (!wrong)
		return EXIT_OK;
	complain("%llu blocks were overwritten while they were in use", (unsigned long long)wrong);
	return EXIT_FAIL;
}

int main(int argc, char **argv)
{
	static struct settings s = {.threads = 1, .operations = 2000000, .remote = 10, .seed = 1};
	static struct worker workers[THREADS_MAX];
	const struct option table[] = {
		{"trace", OPT_TEXT, &s.trace_path, "FILE",
		 "sizes and lifetimes, as libtmrecord.so writes them", 0, 0},
		{"threads", OPT_INT, &s.threads, "N", "threads (1)", 1, THREADS_MAX},
		{"operations", OPT_INT, &s.operations, "N",
		 "of each thread, a malloc and a free each (2000000); half as many before they are measured",
		 1000, INT64_MAX / 4},
		{"remote", OPT_INT, &s.remote, "PERCENT", "of blocks that the next thread frees (10)", 0,
		 100},
		{"seed", OPT_INT, &s.seed, "N", "what is allocated in which order (1)", 0, INT32_MAX},
		{"mark", OPT_TEXT, &s.mark, "NAME", "in a simulated VM: the measured part is a phase NAME", 0,
		 0},
		{0},
	};
	struct list operands = {0};
	int code = options_parse(table, "tmalloc --trace FILE [OPTION]...", argc, argv, &operands);

	if (code)
		return code;
	if (operands.n || !s.trace_path) {
		complain("%s; tmalloc --help lists all options",
			 operands.n ? operands.v[0] : "want --trace FILE");
		return EXIT_USAGE;
	}
	if (trace_read(&s.trace, s.trace_path))
		return EXIT_USAGE;
	pthread_barrier_init(&s.start, NULL, (unsigned)s.threads);
	for (int i = 0; i < s.threads; i++) {
		workers[i].s = &s;
		workers[i].number = (unsigned)i;
		workers[i].neighbour = &workers[(i + 1) % s.threads];
		draw(&workers[i], &s);
	}
	for (int i = 0; i < s.threads; i++) {
		if (pthread_create(&workers[i].id, NULL, work, &workers[i])) {
			complain("cannot start thread %d: %s", i + 1, strerror(errno));
			return EXIT_FAIL;
		}
	}
	for (int i = 0; i < s.threads; i++)
		pthread_join(workers[i].id, NULL);
	return report(workers, &s);
}
