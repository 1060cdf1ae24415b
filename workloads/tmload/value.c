/* Checkable values: header and tail hash per key around a shared random block. */
#include "workloads/tmload/value.h"

#include <string.h>

#define BLOCK 4096
#define HEAD  16
#define TAIL  8

/* Twice the period, so that a whole period is contiguous from any starting offset. */
static unsigned char block[2 * BLOCK];

/* Mix 64 bits (the finalizer of splitmix64). */
static uint64_t mix64(uint64_t x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

void value_setup(void)
{
	for (uint64_t i = 0; i < BLOCK / 8; i++) {
		uint64_t word = mix64((i + 1) * 0x9e3779b97f4a7c15u);
		memcpy(block + 8 * i, &word, 8);
	}
	memcpy(block + BLOCK, block, BLOCK);
}

void value_describe(struct value *v, uint64_t key, uint64_t len)
{
	uint64_t hash = mix64(key + len * 0x9e3779b97f4a7c15u + 1);

	v->head[0] = hash;
	v->head[1] = key;
	v->tail = ~hash * 0xd6e8feb86659fd93u;
	v->len = len;
	v->body = block + ((hash >> 40) & (BLOCK - 8));
}

/* Where the body ends: the tail follows if the value is long enough to have one. */
static uint64_t body_end(const struct value *v)
{
	return v->len >= HEAD + TAIL ? v->len - TAIL : v->len;
}

/* Find the piece that byte off lies in: its bytes from off on; returns how many there are. */
static size_t piece(const struct value *v, uint64_t off, const unsigned char **at)
{
	uint64_t end = body_end(v), left, in_block;

	if (off < HEAD) {
		*at = (const unsigned char *)v->head + off;
		return (v->len < HEAD ? v->len : HEAD) - off;
	}
	if (off >= end) {
		*at = (const unsigned char *)&v->tail + (off - end);
		return v->len - off;
	}
	in_block = (off - HEAD) % BLOCK;
	left = end - off;
	*at = v->body + in_block;
	return left < BLOCK - in_block ? left : BLOCK - in_block;
}

void value_write(const struct value *v, unsigned char *dst)
{
	const unsigned char *at;
	size_t n;

	for (uint64_t off = 0; off < v->len; off += n) {
		n = piece(v, off, &at);
		memcpy(dst + off, at, n);
	}
}

bool value_check(const struct value *v, uint64_t off, const unsigned char *p, size_t n)
{
	const unsigned char *at;

	if (off > v->len || n > v->len - off)
		return false;
	while (n > 0) {
		size_t k = piece(v, off, &at);
		if (k > n)
			k = n;
		if (memcmp(p, at, k) != 0)
			return false;
		p += k;
		off += k;
		n -= k;
	}
	return true;
}
