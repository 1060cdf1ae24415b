/* A load thread: its event loop and the connections in it. */
#ifndef TMLOAD_WORKER_H
#define TMLOAD_WORKER_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <gsl/gsl_rng.h>

#include "workloads/tmload/resp.h"
#include "workloads/tmload/run.h"
#include "workloads/tmload/value.h"

/* A request that waits for its reply. */
struct pending {
	uint64_t key, sent_ns;
	uint64_t bytes; /* of the request */
	int op;		/* OP_SET or OP_GET */
};

/* One connection. */
struct conn {
	struct worker *worker;
	int fd;	     /* -1: closed */
	uint64_t id; /* over all threads */
	struct event readable, writable, due;
	/* What to send next. */
	gsl_rng *rng;
	struct keycursor cursor[OP_KINDS];
	uint64_t turn;	 /* place in the group of SETs and GETs that --ratio repeats */
	uint64_t left;	 /* requests still to be sent */
	uint64_t due_ns; /* not before, with --rate-limiting */
	/* Requests under way, a ring of a power of two. */
	struct pending *ring;
	uint64_t head, tail, mask;
	uint64_t heard_ns; /* last time that bytes came */
	/* The reply that is coming in. */
	struct resp resp;
	struct value value;
	uint64_t bulk_at; /* bytes of the bulk string seen */
	uint64_t reply_bytes;
	bool wrong;
	/* Bytes that the socket did not take yet. */
	unsigned char *rest;
	size_t rest_len, rest_at, rest_room;
};

struct worker {
	struct run *run;
	unsigned index;
	int cpu; /* to bind to, or -1 */
	pthread_t thread;
	struct event_base *base;
	struct event tick, end;
	struct conn *conns;
	uint64_t open; /* connections that are not finished */
	bool draining; /* the time is over: wait for replies, send nothing */
	uint64_t now_ns;
	unsigned now_uses; /* how often now_ns may still be used in this wake-up */
	size_t prefix_len;
	/* Shared by the thread's connections to keep the client's cache footprint small. */
	unsigned char *send_buf, *recv_buf;
	size_t send_room;
	uint64_t start_ns, end_ns;
	_Atomic uint64_t done; /* requests, for the progress line */
	struct stats stats;
};

#define RECV_ROOM ((size_t)64 << 10)

/* The thread's main function; arg is a struct worker with run, index and cpu set. */
void *worker_main(void *arg);

/*
 * Monotonic time in ns. Within a wake-up a few calls share one reading of the clock, which is a slow system
 * call in some VMs: up to about 40 us late, but the same for a reply and the request that follows it, so not
 * biased.
 */
uint64_t worker_now(struct worker *w);

/* Give a connected socket its events and its share of the requests. Returns 0, or -1 without memory. */
int conn_init(struct conn *c, struct worker *w, uint64_t id, int fd);

/* Send the first requests. */
void conn_start(struct conn *c);

/* With w->draining set: finish the connection if nothing is under way. */
void conn_drain(struct conn *c);

/* Fail the run if the oldest request has waited too long. */
void conn_check_timeout(struct conn *c, uint64_t now_ns, uint64_t limit_ns);

/* Close and free. */
void conn_free(struct conn *c);

#endif
