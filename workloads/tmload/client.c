/* One connection: sends requests while its pipeline has room, checks replies as they come in. */
#include "workloads/tmload/worker.h"
#include "workloads/tmload/request.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void on_readable(evutil_socket_t fd, short what, void *arg);
static void on_writable(evutil_socket_t fd, short what, void *arg);
static void on_due(evutil_socket_t fd, short what, void *arg);

static const char *const op_name[OP_KINDS] = {"SET", "GET"};

/* How many requests the connection will send. */
static uint64_t requests_of(const struct run *run, uint64_t id)
{
	const struct options *o = run->opt;
	uint64_t share;

	if (o->test_time)
		return UINT64_MAX;
	if (!o->all_keys)
		return o->requests;
	share = key_share(run->dist[OP_SET].count, id, run->connections);
	return requests_for_share(share, o->ratio[0], o->ratio[1]);
}

int conn_init(struct conn *c, struct worker *w, uint64_t id, int fd)
{
	const struct options *o = w->run->opt;
	uint64_t slots = 1;

	c->worker = w;
	c->fd = fd;
	c->id = id;
	c->left = requests_of(w->run, id);
	while (slots < o->pipeline)
		slots *= 2;
	c->mask = slots - 1;
	c->ring = calloc(slots, sizeof(*c->ring));
	c->rng = gsl_rng_alloc(gsl_rng_taus2);
	if (!c->ring || !c->rng)
		return -1;
	gsl_rng_set(c->rng, stream_seed(o->seed, o->distinct_seed ? id : 0));
	for (int i = 0; i < OP_KINDS; i++)
		keycursor_init(&c->cursor[i], &w->run->dist[i], id, w->run->connections);
	event_assign(&c->readable, w->base, fd, EV_READ | EV_PERSIST, on_readable, c);
	event_assign(&c->writable, w->base, fd, EV_WRITE, on_writable, c);
	event_assign(&c->due, w->base, -1, 0, on_due, c);
	return 0;
}

void conn_free(struct conn *c)
{
	if (c->fd >= 0) {
		event_del(&c->readable);
		event_del(&c->writable);
		event_del(&c->due);
		close(c->fd);
		c->fd = -1;
	}
	if (c->rng)
		gsl_rng_free(c->rng);
	free(c->ring);
	free(c->rest);
}

/* The connection has done its part: no more events. The socket stays open, as the server sees it. */
static void finish(struct conn *c)
{
	event_del(&c->readable);
	event_del(&c->due);
	c->left = 0;
	c->worker->open--;
}

/* The connection is lost: count what it leaves unanswered and end the run. */
static void lost(struct conn *c, uint64_t *counter, const char *what)
{
	struct worker *w = c->worker;
	uint64_t unanswered = c->tail - c->head;

	(*counter)++;
	w->stats.errors.missing += unanswered;
	run_fail(w->run, "connection %" PRIu64 " to %s: %s (%" PRIu64 " replies missing)", c->id,
		 w->run->address.text, what, unanswered);
	finish(c);
	c->head = c->tail;
}

/* Choose the next request and append it to the thread's send buffer at `at`. Returns its bytes. */
static size_t next_request(struct conn *c, size_t at, uint64_t now)
{
	struct worker *w = c->worker;
	const struct options *o = w->run->opt;
	struct pending *p = &c->ring[c->tail++ & c->mask];

	p->op = c->turn < o->ratio[0] ? OP_SET : OP_GET;
	if (++c->turn == o->ratio[0] + o->ratio[1])
		c->turn = 0;
	p->key = keygen_next(&w->run->dist[p->op], &c->cursor[p->op], c->rng);
	p->sent_ns = now;
	if (p->op == OP_SET) {
		uint64_t len = o->size_min;
		if (o->size_max > len)
			len += uniform_below(c->rng, o->size_max - len + 1);
		p->bytes = request_set(w->send_buf + at, o->key_prefix, w->prefix_len, p->key, len);
	} else {
		p->bytes = request_get(w->send_buf + at, o->key_prefix, w->prefix_len, p->key);
	}
	return p->bytes;
}

/* With --rate-limiting: whether a request may go now; else be called again when it may. */
static bool rate_allows(struct conn *c, uint64_t now)
{
	uint64_t rate = c->worker->run->opt->rate, interval;

	if (rate == 0)
		return true;
	if (c->due_ns == 0)
		c->due_ns = now;
	if (now < c->due_ns) {
		struct timeval wait = {.tv_sec = (time_t)((c->due_ns - now) / 1000000000u),
				       .tv_usec = (suseconds_t)((c->due_ns - now) % 1000000000u / 1000 + 1)};
		if (!event_pending(&c->due, EV_TIMEOUT, NULL))
			event_add(&c->due, &wait);
		return false;
	}
	/* A connection that fell behind catches up, but no more than 100 ms. */
	interval = 1000000000u / rate;
	if (now - c->due_ns > 100000000u)
		c->due_ns = now - 100000000u;
	c->due_ns += interval;
	return true;
}

/* Keep what the socket did not take, and wait until it takes more. Returns 0, or -1 without memory. */
static int keep_rest(struct conn *c, const unsigned char *p, size_t n)
{
	if (c->rest_room < n) {
		unsigned char *more = realloc(c->rest, n);
		if (!more)
			return -1;
		c->rest = more;
		c->rest_room = n;
	}
	memcpy(c->rest, p, n);
	c->rest_len = n;
	c->rest_at = 0;
	event_add(&c->writable, NULL);
	return 0;
}

/* Send to the socket. Returns the bytes taken, 0 if it is full, or -1 after lost(). */
static ssize_t send_some(struct conn *c, const unsigned char *p, size_t n)
{
	ssize_t sent = send(c->fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (sent >= 0)
		return sent;
	if (errno == EAGAIN || errno == EINTR)
		return 0;
	lost(c, &c->worker->stats.errors.connection,
	     errno == EPIPE || errno == ECONNRESET ? "closed by the server" : strerror(errno));
	return -1;
}

/* Send requests while the pipeline has room and the socket takes them; finish when all are answered. */
static void fill(struct conn *c, uint64_t now)
{
	struct worker *w = c->worker;
	const struct options *o = w->run->opt;

	while (c->rest_len == 0) {
		size_t len = 0;
		ssize_t sent;

		while (c->left > 0 && !w->draining && c->tail - c->head < o->pipeline &&
		       len + REQUEST_OVERHEAD + o->size_max <= w->send_room && rate_allows(c, now)) {
			len += next_request(c, len, now);
			c->left--;
		}
		if (len == 0)
			break;
		sent = send_some(c, w->send_buf, len);
		if (sent < 0)
			return;
		if ((size_t)sent < len && keep_rest(c, w->send_buf + sent, len - (size_t)sent) != 0) {
			lost(c, &w->stats.errors.connection, "not enough memory to send");
			return;
		}
	}
	if (c->head == c->tail && (c->left == 0 || w->draining))
		finish(c);
}

/* A whole reply has come. */
static void complete(struct conn *c, uint64_t now)
{
	struct worker *w = c->worker;
	struct pending *p = &c->ring[c->head++ & c->mask];

	/* Stamps are shared: make sure that the difference is not negative. */
	op_stats_add(&w->stats.op[p->op], now > p->sent_ns ? now - p->sent_ns : 0, p->bytes + c->reply_bytes);
	if (c->wrong)
		w->stats.errors.wrong++;
	c->reply_bytes = 0;
	c->wrong = false;
}

/* Count the reply as wrong, and print it. */
static void wrong_reply(struct conn *c, const char *what, const char *text, size_t n)
{
	const struct pending *p = &c->ring[c->head & c->mask];

	c->wrong = true;
	run_report(c->worker->run, "%s %s%" PRIu64 ": %s%.*s", op_name[p->op],
		   c->worker->run->opt->key_prefix, p->key, what, (int)n, text ? text : "");
}

/* Handle one parser event. Returns false if the stream cannot be followed any more. */
static bool handle(struct conn *c, const struct resp_event *ev, uint64_t now)
{
	const struct pending *p = &c->ring[c->head & c->mask];
	struct op_stats *op = &c->worker->stats.op[p->op];

	if (c->head == c->tail)
		return false; /* nothing was asked */
	switch (ev->kind) {
	case RESP_STATUS:
		if (p->op != OP_SET || ev->n != 2 || memcmp(ev->data, "OK", 2) != 0)
			wrong_reply(c, "unexpected reply: ", ev->data, ev->n);
		complete(c, now);
		return true;
	case RESP_ERROR:
		wrong_reply(c, "the server says: ", ev->data, ev->n);
		complete(c, now);
		return true;
	case RESP_INT:
		wrong_reply(c, "unexpected reply: a number", NULL, 0);
		complete(c, now);
		return true;
	case RESP_NIL:
		if (p->op == OP_GET)
			op->misses++;
		else
			wrong_reply(c, "unexpected reply: nil", NULL, 0);
		complete(c, now);
		return true;
	case RESP_BULK:
		c->bulk_at = 0;
		if (p->op != OP_GET)
			wrong_reply(c, "unexpected reply: a string", NULL, 0);
		else
			value_describe(&c->value, p->key, (uint64_t)ev->value);
		return true;
	case RESP_DATA:
		if (!c->wrong && c->worker->run->opt->verify &&
		    !value_check(&c->value, c->bulk_at, (const unsigned char *)ev->data, ev->n)) {
			char text[64];
			int n = snprintf(text, sizeof(text), "%" PRIu64 " bytes", c->value.len);
			wrong_reply(c, "wrong value of ", text, (size_t)n);
		}
		c->bulk_at += ev->n;
		return true;
	case RESP_END:
		if (p->op == OP_GET)
			op->hits++;
		complete(c, now);
		return true;
	case RESP_MORE:
	case RESP_BAD:
		break;
	}
	return false;
}

/* Bytes have come, or the connection is gone. */
static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;
	struct worker *w = c->worker;
	const char *cur = (const char *)w->recv_buf, *end, *before;
	struct resp_event ev;
	uint64_t now;
	ssize_t n = recv(fd, w->recv_buf, RECV_ROOM, MSG_DONTWAIT);

	if (n <= 0) {
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		lost(c, &w->stats.errors.connection,
		     n == 0 || errno == ECONNRESET ? "closed by the server" : strerror(errno));
		return;
	}
	now = worker_now(w);
	c->heard_ns = now;
	w->end_ns = now;
	for (end = cur + n;;) {
		before = cur;
		resp_next(&c->resp, &cur, end, &ev);
		c->reply_bytes += (uint64_t)(cur - before);
		if (ev.kind == RESP_MORE)
			break;
		if (ev.kind == RESP_BAD || !handle(c, &ev, now)) {
			lost(c, &w->stats.errors.protocol,
			     ev.kind == RESP_BAD ? "the reply is not RESP2" : "a reply without a request");
			return;
		}
	}
	atomic_store_explicit(&w->done, w->stats.op[OP_SET].count + w->stats.op[OP_GET].count,
			      memory_order_relaxed);
	fill(c, now);
}

/* The socket takes bytes again. */
static void on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;
	ssize_t n = send_some(c, c->rest + c->rest_at, c->rest_len);

	if (n < 0)
		return;
	c->rest_at += (size_t)n;
	c->rest_len -= (size_t)n;
	if (c->rest_len > 0)
		event_add(&c->writable, NULL);
	else
		fill(c, worker_now(c->worker));
}

/* --rate-limiting allows the next request. */
static void on_due(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;

	fill(c, worker_now(c->worker));
}

void conn_start(struct conn *c)
{
	uint64_t now = worker_now(c->worker);

	event_add(&c->readable, NULL);
	c->heard_ns = now;
	fill(c, now);
}

void conn_drain(struct conn *c)
{
	if (c->left > 0 && c->head == c->tail)
		finish(c);
}

void conn_check_timeout(struct conn *c, uint64_t now_ns, uint64_t limit_ns)
{
	uint64_t since;

	if (c->head == c->tail)
		return;
	since = c->ring[c->head & c->mask].sent_ns;
	if (c->heard_ns > since)
		since = c->heard_ns;
	if (now_ns > since + limit_ns) {
		char text[64];
		snprintf(text, sizeof(text), "no reply for %" PRIu64 " s", limit_ns / 1000000000u);
		lost(c, &c->worker->stats.errors.connection, text);
	}
}
