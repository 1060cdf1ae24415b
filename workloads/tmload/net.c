/* Connecting to the server over TCP or a unix socket. */
#include "workloads/tmload/net.h"
#include "workloads/tmload/options.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

int net_resolve(struct address *a, const struct options *o)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list;
	char port[24];
	int rc;

	memset(a, 0, sizeof(*a));
	if (o->unix_socket) {
		struct sockaddr_un *un = (struct sockaddr_un *)&a->sa;
		if (strlen(o->unix_socket) >= sizeof(un->sun_path)) {
			fprintf(stderr, "tmload: --unix-socket: path is longer than %zu bytes\n",
				sizeof(un->sun_path) - 1);
			return -1;
		}
		un->sun_family = AF_UNIX;
		strcpy(un->sun_path, o->unix_socket);
		a->len = sizeof(*un);
		snprintf(a->text, sizeof(a->text), "%s", o->unix_socket);
		return 0;
	}
	snprintf(port, sizeof(port), "%" PRIu64, o->port);
	snprintf(a->text, sizeof(a->text), "%.128s:%s", o->server, port);
	rc = getaddrinfo(o->server, port, &hints, &list);
	if (rc != 0) {
		fprintf(stderr, "tmload: cannot resolve %s: %s\n", o->server, gai_strerror(rc));
		return -1;
	}
	memcpy(&a->sa, list->ai_addr, list->ai_addrlen);
	a->len = list->ai_addrlen;
	freeaddrinfo(list);
	return 0;
}

/* Open a blocking connection with time limits on connecting, sending and receiving. Returns it or -errno. */
static int open_blocking(const struct address *a, uint64_t timeout_s)
{
	struct timeval limit = {.tv_sec = (time_t)timeout_s};
	int one = 1, fd = socket(a->sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	if (a->sa.ss_family != AF_UNIX)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(fd, (const struct sockaddr *)&a->sa, a->len) != 0) {
		int err = errno == EINPROGRESS || errno == EAGAIN ? ETIMEDOUT : errno;
		close(fd);
		return -err;
	}
	return fd;
}

int net_connect(const struct address *a, uint64_t timeout_s)
{
	int fd = open_blocking(a, timeout_s);

	if (fd >= 0 && fcntl(fd, F_SETFL, O_NONBLOCK) != 0) {
		int err = errno;
		close(fd);
		return -err;
	}
	return fd;
}

/* Ask once. Fills why when the answer is not PONG. */
static int ping(const struct address *a, char *why, size_t size)
{
	char reply[128];
	ssize_t n;
	int fd = open_blocking(a, 1);

	if (fd < 0) {
		snprintf(why, size, "%s", strerror(-fd));
		return -1;
	}
	n = send(fd, "*1\r\n$4\r\nPING\r\n", 14, MSG_NOSIGNAL);
	if (n == 14)
		n = recv(fd, reply, sizeof(reply) - 1, 0);
	if (n < 0)
		snprintf(why, size, "%s", errno == EAGAIN ? "no answer to PING" : strerror(errno));
	close(fd);
	if (n < 0)
		return -1;
	reply[n] = '\0';
	if (strncmp(reply, "+PONG\r\n", 7) == 0)
		return 0;
	reply[strcspn(reply, "\r\n")] = '\0';
	snprintf(why, size, "it answers '%s'", reply);
	return -1;
}

int net_wait_for_server(const struct address *a, uint64_t timeout_s)
{
	struct timespec now, start, pause = {.tv_nsec = 20 * 1000 * 1000};
	char why[192];

	clock_gettime(CLOCK_MONOTONIC, &start);
	while (ping(a, why, sizeof(why)) != 0) {
		clock_gettime(CLOCK_MONOTONIC, &now);
		if ((uint64_t)(now.tv_sec - start.tv_sec) >= timeout_s) {
			fprintf(stderr, "tmload: server %s is not ready after %" PRIu64 " s: %s\n", a->text,
				timeout_s, why);
			return -1;
		}
		nanosleep(&pause, NULL);
	}
	return 0;
}
