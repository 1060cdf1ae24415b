#include "workloads/tmmove/touch.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PAGE = 4096 };

/* One thread writes each page: pages i with i % threads == number. What it wrote last is in `written`. */
struct touch_thread {
	struct touch *t;
	pthread_t id;
	uint64_t number, wrong;
	uint64_t *written;
	atomic_bool end;
	pthread_mutex_t lock; /* of stats, held for each access: taken by touch_take() only besides */
	struct op_stats stats;
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static uint64_t next(uint64_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	return *x ^= *x << 17;
}

/* A page of this thread's own in [from, from + len), or the next one after it. */
static size_t own_page(const struct touch_thread *me, size_t from, size_t len, uint64_t random)
{
	size_t pages = me->t->size / PAGE, threads = (size_t)me->t->threads,
	       page = from / PAGE + random % (len / PAGE);

	page += (me->number + threads - page % threads) % threads;
	return page < pages ? page : (size_t)me->number;
}

static void *run(void *arg)
{
	struct touch_thread *me = arg;
	struct touch *t = me->t;
	uint64_t x = 88172645463325252u + me->number * 1442695040888963407u;

	for (uint64_t i = 0; !me->end; i++) {
		size_t from = t->from, len = t->len;
		bool there = i % 2 == 0 || !len;
		size_t page =
			there && len ? own_page(me, from, len, next(&x)) : own_page(me, 0, t->size, next(&x));
		volatile uint64_t *word = (volatile uint64_t *)(t->base + page * PAGE + next(&x) % 8 * 512);
		uint64_t *expected =
			&me->written[page / (size_t)t->threads * 8 + (((uintptr_t)word & (PAGE - 1)) / 512)];
		uint64_t start = now_ns();
		uint64_t found = *word;
		*word = *expected + 1;
		uint64_t took = now_ns() - start;

		me->wrong += found != *expected;
		++*expected;
		if (there && t->measure) {
			pthread_mutex_lock(&me->lock);
			op_stats_add(&me->stats, took, 16);
			pthread_mutex_unlock(&me->lock);
		}
		if (t->pause_us)
			nanosleep(&(struct timespec){.tv_nsec = (long)t->pause_us * 1000}, NULL);
	}
	return NULL;
}

int touch_start(struct touch *t, int threads)
{
	size_t words = (t->size / PAGE / (size_t)threads + 1) * 8;

	t->thread = calloc((size_t)threads, sizeof(*t->thread));
	if (!t->thread)
		return ENOMEM;
	t->threads = threads;
	for (int i = 0; i < threads; i++) {
		struct touch_thread *me = &t->thread[i];

		me->t = t;
		me->number = (uint64_t)i;
		me->written = calloc(words, sizeof(*me->written));
		op_stats_init(&me->stats);
		pthread_mutex_init(&me->lock, NULL);
	}
	for (int i = 0; i < threads; i++) {
		struct touch_thread *me = &t->thread[i];
		int err = me->written ? pthread_create(&me->id, NULL, run, me) : ENOMEM;

		if (err)
			return err; /* the program ends */
	}
	return 0;
}

void touch_take(struct touch *t, struct op_stats *out)
{
	op_stats_init(out);
	for (int i = 0; i < t->threads; i++) {
		struct touch_thread *me = &t->thread[i];

		pthread_mutex_lock(&me->lock);
		op_stats_merge(out, &me->stats);
		op_stats_init(&me->stats);
		pthread_mutex_unlock(&me->lock);
	}
}

uint64_t touch_end(struct touch *t)
{
	uint64_t wrong = 0;

	for (int i = 0; i < t->threads; i++)
		t->thread[i].end = true;
	for (int i = 0; i < t->threads; i++) {
		pthread_join(t->thread[i].id, NULL);
		wrong += t->thread[i].wrong;
		free(t->thread[i].written);
		pthread_mutex_destroy(&t->thread[i].lock);
	}
	free(t->thread);
	return wrong;
}
