/* Building requests in the Redis protocol. */
#include "workloads/tmload/request.h"
#include "workloads/tmload/value.h"

#include <string.h>

/* Write a decimal number so that it ends at end. Returns where it begins. */
static unsigned char *number_before(unsigned char *end, uint64_t n)
{
	do {
		*--end = (unsigned char)('0' + n % 10);
		n /= 10;
	} while (n != 0);
	return end;
}

/* Append a string. Returns the new end. */
static unsigned char *append(unsigned char *p, const void *s, size_t n)
{
	memcpy(p, s, n);
	return p + n;
}

/* Append "$length\r\n". */
static unsigned char *append_bulk_head(unsigned char *p, uint64_t len)
{
	unsigned char digits[20], *end = digits + sizeof(digits), *at = number_before(end, len);

	*p++ = '$';
	p = append(p, at, (size_t)(end - at));
	return append(p, "\r\n", 2);
}

/* Append the key as a bulk string. */
static unsigned char *append_key(unsigned char *p, const char *prefix, size_t prefix_len, uint64_t key)
{
	unsigned char digits[20], *end = digits + sizeof(digits), *at = number_before(end, key);

	p = append_bulk_head(p, prefix_len + (size_t)(end - at));
	p = append(p, prefix, prefix_len);
	p = append(p, at, (size_t)(end - at));
	return append(p, "\r\n", 2);
}

size_t request_set(unsigned char *dst, const char *prefix, size_t prefix_len, uint64_t key, uint64_t len)
{
	unsigned char *p = append(dst, "*3\r\n$3\r\nSET\r\n", 13);
	struct value value;

	p = append_key(p, prefix, prefix_len, key);
	p = append_bulk_head(p, len);
	value_describe(&value, key, len);
	value_write(&value, p);
	p = append(p + len, "\r\n", 2);
	return (size_t)(p - dst);
}

size_t request_get(unsigned char *dst, const char *prefix, size_t prefix_len, uint64_t key)
{
	unsigned char *p = append(dst, "*2\r\n$3\r\nGET\r\n", 13);

	return (size_t)(append_key(p, prefix, prefix_len, key) - dst);
}
