/* Checkable values: the content is a function of the key index and the length alone. */
#ifndef TMLOAD_VALUE_H
#define TMLOAD_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Layout of a value of len bytes, cut off where it is shorter:
 *   [0, 8)         hash of key and length
 *   [8, 16)        key index
 *   [16, len - 8)  a shared block of 4096 random bytes, repeated, entered at an offset taken from the hash
 *   [len - 8, len) a second hash (only where len >= 24)
 */
struct value {
	uint64_t head[2];
	uint64_t tail;
	uint64_t len;
	const unsigned char *body;
};

/* Fill the shared block. Call once, before any thread uses values. */
void value_setup(void);

/* Describe the value of a key index at a length in bytes. Cheap: nothing is copied. */
void value_describe(struct value *v, uint64_t key, uint64_t len);

/* Write all v->len bytes to dst. */
void value_write(const struct value *v, unsigned char *dst);

/* Tell whether the n bytes at p are the value's from byte off on. False where they reach over its end. */
bool value_check(const struct value *v, uint64_t off, const unsigned char *p, size_t n);

#endif
