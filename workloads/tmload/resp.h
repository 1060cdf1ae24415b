/* Incremental parser of the Redis reply protocol (RESP2): no copies, no allocation. */
#ifndef TMLOAD_RESP_H
#define TMLOAD_RESP_H

#include <stddef.h>
#include <stdint.h>

#define RESP_LINE_MAX 256 /* bytes of a status or error line that are kept */

enum resp_kind {
	RESP_MORE,   /* all input is consumed, the reply goes on in the next input */
	RESP_STATUS, /* +text: data, n */
	RESP_ERROR,  /* -text: data, n */
	RESP_INT,    /* :value */
	RESP_NIL,    /* the null bulk string */
	RESP_BULK,   /* a bulk string of value bytes begins */
	RESP_DATA,   /* the next n of its bytes are at data */
	RESP_END,    /* the bulk string is complete */
	RESP_BAD,    /* not RESP2 or not a kind that a key-value client gets; the stream is lost */
};

struct resp_event {
	enum resp_kind kind;
	const char *data; /* valid until the input or the parser is touched */
	size_t n;
	int64_t value;
};

/* Zero-initialised is the start state. */
struct resp {
	enum { RESP_AT_LINE, RESP_IN_BULK, RESP_AT_CRLF } state;
	int64_t bulk_left; /* bytes of the bulk string still to come, or of its CRLF */
	size_t kept;	   /* bytes of an incomplete line in line[] */
	char line[RESP_LINE_MAX];
};

/* Take the next event from [*cur, end) and advance *cur. Call again until it is RESP_MORE or RESP_BAD. */
void resp_next(struct resp *p, const char **cur, const char *end, struct resp_event *ev);

#endif
