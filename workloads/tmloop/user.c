#include "workloads/tmloop/loop.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SORTED = 1024, KEYS = 1024, BUCKETS = 1024 };

/* Lets the heap's element at i sink among the first n. */
static void sink(uint32_t *v, unsigned int i, unsigned int n)
{
	for (;;) {
		unsigned int child = 2 * i + 1;
		uint32_t t;

		if (child >= n)
			return;
		if (child + 1 < n && v[child + 1] > v[child])
			child++;
		if (v[i] >= v[child])
			return;
		t = v[i];
		v[i] = v[child];
		v[child] = t;
		i = child;
	}
}

uint64_t loop_sort(uint64_t n)
{
	static uint32_t v[SORTED];
	static uint64_t state = 1;
	uint64_t sum = 0;

	while (n--) {
		for (int i = 0; i < SORTED; i++)
			v[i] = (uint32_t)loop_random(&state);
		for (unsigned int i = SORTED / 2; i-- > 0;)
			sink(v, i, SORTED);
		for (unsigned int end = SORTED - 1; end > 0; end--) {
			uint32_t t = v[0];

			v[0] = v[end];
			v[end] = t;
			sink(v, 0, end);
		}
		sum += v[SORTED / 2];
	}
	return sum;
}

uint64_t loop_text(uint64_t n)
{
	static const char *const words[] = {"get", "set", "select", "where", "between", "order", "a", "id"};
	static uint64_t state = 2;
	uint64_t sum = 0;

	while (n--) {
		char line[96], *at;
		uint64_t r = loop_random(&state);

		snprintf(line, sizeof(line), "%s %lu %08x\n", words[r & 7], (unsigned long)r,
			 (unsigned int)r);
		at = strchr(line, ' ');
		if (at)
			sum += strtoul(at + 1, &at, 10) + strtoul(at, NULL, 16) + strlen(line);
	}
	return sum;
}

struct entry {
	struct entry *next;
	uint32_t hash, length;
	char key[32];
};

static uint32_t hash(const char *s, uint32_t length)
{
	uint32_t h = 2166136261u;

	while (length--)
		h = (h ^ (unsigned char)*s++) * 16777619u;
	return h;
}

static uint32_t make_key(char *out, uint64_t number)
{
	return (uint32_t)snprintf(out, 32, "key:%0*lu", (int)(12 + number % 12), (unsigned long)number);
}

uint64_t loop_lookup(uint64_t n)
{
	static struct entry entries[KEYS], *bucket[BUCKETS];
	static char asked[KEYS][32];
	static bool filled;
	static uint64_t state = 3;
	uint64_t sum = 0;

	for (unsigned int i = 0; !filled && i < KEYS; i++) {
		struct entry *e = &entries[i];

		e->length = make_key(e->key, i * 2654435761u);
		memcpy(asked[i], e->key, sizeof(e->key));
		e->hash = hash(e->key, e->length);
		e->next = bucket[e->hash % BUCKETS];
		bucket[e->hash % BUCKETS] = e;
	}
	filled = true;
	while (n--) {
		const char *key = asked[loop_random(&state) % KEYS];
		uint32_t length = (uint32_t)strlen(key), h = hash(key, length);
		const struct entry *e = bucket[h % BUCKETS];

		while (e && (e->hash != h || e->length != length || memcmp(e->key, key, length) != 0))
			e = e->next;
		sum += (uint64_t)(e - entries);
	}
	return sum;
}
