/* Building requests. */
#ifndef TMLOAD_REQUEST_H
#define TMLOAD_REQUEST_H

#include <stddef.h>
#include <stdint.h>

/* Bytes of a request beyond its value, at most (the prefix takes up to PROTO_PREFIX_MAX of them). */
#define REQUEST_OVERHEAD 320

/* Write "SET prefix+key value" with the key's value of len bytes to dst. Returns the bytes written. */
size_t request_set(unsigned char *dst, const char *prefix, size_t prefix_len, uint64_t key, uint64_t len);

/* Write "GET prefix+key" to dst. Returns the bytes written. */
size_t request_get(unsigned char *dst, const char *prefix, size_t prefix_len, uint64_t key);

#endif
