/* Incremental parser of RESP2: lines are read in place where they are whole, else gathered in the parser. */
#include "workloads/tmload/resp.h"

#include <stdbool.h>
#include <string.h>

#define BULK_MAX ((int64_t)1 << 40)

/* Read a decimal of n characters, with an optional minus sign. */
static bool parse_int(const char *s, size_t n, int64_t *out)
{
	bool negative = n > 0 && s[0] == '-';
	int64_t v = 0;
	size_t i = negative ? 1 : 0;

	if (i == n || n > 18)
		return false;
	for (; i < n; i++) {
		if (s[i] < '0' || s[i] > '9')
			return false;
		v = v * 10 + (s[i] - '0');
	}
	*out = negative ? -v : v;
	return true;
}

/* Turn a whole line (without its CRLF) into an event. */
static void take_line(struct resp *p, const char *s, size_t n, struct resp_event *ev)
{
	ev->kind = RESP_BAD;
	ev->data = s + 1;
	ev->n = n - 1;
	switch (s[0]) {
	case '+':
		ev->kind = RESP_STATUS;
		return;
	case '-':
		ev->kind = RESP_ERROR;
		return;
	case ':':
		if (parse_int(s + 1, n - 1, &ev->value))
			ev->kind = RESP_INT;
		return;
	case '$':
		if (!parse_int(s + 1, n - 1, &ev->value) || ev->value < -1 || ev->value > BULK_MAX)
			return;
		if (ev->value == -1) {
			ev->kind = RESP_NIL;
			return;
		}
		ev->kind = RESP_BULK;
		p->bulk_left = ev->value;
		p->state = RESP_IN_BULK;
		return;
	default:
		return;
	}
}

/* Append to the gathered line; what does not fit is dropped from its text but not from its end. */
static void gather(struct resp *p, const char *s, size_t n)
{
	size_t room = RESP_LINE_MAX - p->kept;

	if (n > room) {
		char before = room > 0 ? s[room - 1] : p->line[RESP_LINE_MAX - 1];
		memcpy(p->line + p->kept, s, room);
		p->line[RESP_LINE_MAX - 2] = n >= 2 ? s[n - 2] : before;
		p->line[RESP_LINE_MAX - 1] = s[n - 1];
		p->kept = RESP_LINE_MAX;
		return;
	}
	memcpy(p->line + p->kept, s, n);
	p->kept += n;
}

/* Read one line: in place, or through p->line when it is spread over inputs. */
static void next_line(struct resp *p, const char **cur, const char *end, struct resp_event *ev)
{
	const char *s = *cur, *nl = memchr(s, '\n', (size_t)(end - s));
	size_t n;

	if (nl == NULL) {
		/* Anything else than RESP must not be swallowed until a newline happens to come. */
		if (p->kept == 0 && s < end && strchr("+-:$", s[0]) == NULL) {
			ev->kind = RESP_BAD;
			return;
		}
		gather(p, s, (size_t)(end - s));
		*cur = end;
		ev->kind = RESP_MORE;
		return;
	}
	n = (size_t)(nl + 1 - s);
	*cur = nl + 1;
	if (p->kept > 0) {
		gather(p, s, n);
		s = p->line;
		n = p->kept;
		p->kept = 0;
	}
	if (n < 3 || s[n - 2] != '\r') {
		ev->kind = RESP_BAD;
		return;
	}
	take_line(p, s, n - 2, ev);
}

void resp_next(struct resp *p, const char **cur, const char *end, struct resp_event *ev)
{
	size_t n = (size_t)(end - *cur);

	ev->n = 0;
	if (p->state == RESP_IN_BULK && p->bulk_left == 0) {
		p->state = RESP_AT_CRLF;
		p->bulk_left = 2;
	}
	if (n == 0) {
		ev->kind = RESP_MORE;
		return;
	}
	switch (p->state) {
	case RESP_AT_LINE:
		next_line(p, cur, end, ev);
		return;
	case RESP_IN_BULK:
		if ((int64_t)n > p->bulk_left)
			n = (size_t)p->bulk_left;
		ev->kind = RESP_DATA;
		ev->data = *cur;
		ev->n = n;
		*cur += n;
		p->bulk_left -= (int64_t)n;
		return;
	case RESP_AT_CRLF:
		ev->kind = RESP_MORE;
		while (*cur < end && p->bulk_left > 0) {
			if (*(*cur)++ != "\n\r"[p->bulk_left - 1]) {
				ev->kind = RESP_BAD;
				return;
			}
			p->bulk_left--;
		}
		if (p->bulk_left == 0) {
			p->state = RESP_AT_LINE;
			ev->kind = RESP_END;
		}
		return;
	}
}
