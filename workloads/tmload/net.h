/* Connecting to the server. */
#ifndef TMLOAD_NET_H
#define TMLOAD_NET_H

#include <stdint.h>
#include <sys/socket.h>

struct options;

/* The server's address, resolved once. */
struct address {
	struct sockaddr_storage sa;
	socklen_t len;
	char text[160]; /* for messages */
};

/* Resolve the server or socket path of the options. Returns 0, or -1 after a line on stderr. */
int net_resolve(struct address *a, const struct options *o);

/* Connect, waiting up to timeout_s. Returns a nonblocking socket, or -errno. */
int net_connect(const struct address *a, uint64_t timeout_s);

/* Wait until the server answers PING. Returns 0, or -1 after a line on stderr once the time is over. */
int net_wait_for_server(const struct address *a, uint64_t timeout_s);

#endif
