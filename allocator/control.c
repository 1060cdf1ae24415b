// The control socket: DIR/PID.sock in a directory only its owner can enter; a client sends one line and gets one JSON document.
//
// Nobody can hold up the worker, which serves it: all descriptors are non-blocking, an answer fits into the socket's buffer
// (a client that does not read loses it), and lines are capped. Who does not end his line in time is hung up on, or earlier
// when another needs his place; so is everybody who is neither the owner nor root (SO_PEERCRED).
#include "allocator/control.h"
#include "allocator/core.h"
#include "allocator/move.h"
#include "allocator/stats.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define REQUEST_MAX 64
#define PATIENCE_NS UINT64_C(2000000000)
#define DEAF_NS	    UINT64_C(1000000000)

static int listener = -1;
static uint64_t deaf_until; // no descriptors left: connections wait
static struct sockaddr_un address = {.sun_family = AF_UNIX};

static struct client {
	int fd; // -1: nobody
	uint64_t until_ns;
	size_t n;
	char line[REQUEST_MAX];
} clients[TM_CONTROL_CLIENTS];

// Makes the directory if it is not there; false: it is not ours alone.
static bool private_directory(const char *path)
{
	struct stat st;

	mkdir(path, 0700);
	return !lstat(path, &st) && S_ISDIR(st.st_mode) && st.st_uid == geteuid() && !(st.st_mode & 077);
}

void tm_control_init(void)
{
	char directory[108];

	for (int i = 0; i < TM_CONTROL_CLIENTS; i++)
		clients[i].fd = -1;
	for (int n = 0;
	     tm_control_path(n, geteuid(), tm.pid, directory, address.sun_path, sizeof(address.sun_path));
	     n++) {
		if (!private_directory(directory))
			continue;
		int fd = tm_os_high_fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
		unlink(address.sun_path);
		if (fd >= 0 && !bind(fd, (struct sockaddr *)&address, sizeof(address)) && !listen(fd, 256)) {
			listener = fd;
			return;
		}
		if (fd >= 0)
			tm_os_close(fd);
	}
	tm_log("no place for a control socket: 'tiermem stats' cannot reach this process");
}

void tm_control_close(void)
{
	if (listener >= 0)
		unlink(address.sun_path);
}

// A forked child may have the descriptor as well: only shutdown() tells the client that this is all.
static void hang_up(struct client *c)
{
	shutdown(c->fd, SHUT_RDWR);
	tm_os_close(c->fd);
	c->fd = -1;
}

static void answer(struct client *c, const char *text, size_t length)
{
	ssize_t ignored = send(c->fd, text, length, MSG_NOSIGNAL | MSG_DONTWAIT);
	(void)ignored;
	hang_up(c);
}

static void refuse(struct client *c, const char *why)
{
	char text[512];
	int n = snprintf(text, sizeof(text), "{\"error\":\"%s\"}\n", why);

	answer(c, text, n < (int)sizeof(text) ? (size_t)n : sizeof(text) - 1);
}

// Who asked for a migration is answered when it is over; if he leaves, it ends.
static struct client *mover;

static void report(void)
{
	const struct tm_move_job *job = tm_move_job();
	uint64_t total = 0;
	char text[512];

	for (int z = 0; z < TM_ZONES; z++)
		total += job->moved[z];
	int n = snprintf(text, sizeof(text),
			 "{\"ok\":true,\"to\":\"%s\",\"moved_bytes\":%llu,\"small\":%llu,\"buffer\":%llu,"
			 "\"bulk\":%llu,\"mmap\":%llu,\"why\":%s%s%s}\n",
			 job->to_dram ? "dram" : "pmem", (unsigned long long)total << tm.shift,
			 (unsigned long long)job->moved[TM_SMALL] << tm.shift,
			 (unsigned long long)job->moved[TM_BUFFER] << tm.shift,
			 (unsigned long long)job->moved[TM_BULK] << tm.shift,
			 (unsigned long long)job->moved[TM_MMAP] << tm.shift, job->why ? "\"" : "",
			 job->why ? job->why : "null", job->why ? "\"" : "");
	answer(mover, text, (size_t)n);
	mover = NULL;
}

// "migrate dram|pmem SIZE"
static bool migrate(struct client *c, const char *what)
{
	bool to_dram = !strncmp(what, "dram ", 5);
	char why[400];
	uint64_t bytes;

	if ((!to_dram && strncmp(what, "pmem ", 5)) || !tm_parse_size(what + 5, &bytes)) {
		refuse(c, "it takes a tier and a size");
	} else if (!tm_move_start(to_dram, bytes, why, sizeof(why))) {
		refuse(c, why);
	} else {
		mover = c;
		c->until_ns = UINT64_MAX;
	}
	return mover == c;
}

// "quota SIZE"
static bool quota(struct client *c, const char *size)
{
	static const char ok[] = "{\"ok\":true}\n";
	char why[400];
	uint64_t bytes;

	if (!tm_parse_size(size, &bytes))
		refuse(c, "the quota is not a size");
	else if (!tm_move_quota(bytes, why, sizeof(why)))
		refuse(c, why);
	else
		answer(c, ok, sizeof(ok) - 1);
	return true;
}

// Does what the client's line, terminated, asks for. True: work for the worker.
static bool request(struct client *c)
{
	static char text[16384];

	if (!strcmp(c->line, "stats") || !strcmp(c->line, "stats capture"))
		answer(c, text, tm_stats_json(text, sizeof(text), c->line[5] != 0));
	else if (!strncmp(c->line, "quota ", 6))
		return quota(c, c->line + 6);
	else if (!strncmp(c->line, "migrate ", 8))
		return migrate(c, c->line + 8);
	else
		refuse(c, "unknown request");
	return false;
}

// Reads what is there of the line.
static bool receive(struct client *c)
{
	if (c == mover) { // has nothing more to say
		tm_move_cancel();
		hang_up(c);
		mover = NULL;
		return false;
	}
	ssize_t n = recv(c->fd, c->line + c->n, REQUEST_MAX - c->n, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n <= 0) {
		hang_up(c);
		return false;
	}
	c->n += (size_t)n;
	char *end = memchr(c->line, '\n', c->n);
	if (end && !memchr(c->line, 0, (size_t)(end - c->line))) {
		*end = 0;
		return request(c);
	}
	if (end || c->n == REQUEST_MAX)
		refuse(c, end ? "unknown request" : "the request is too long");
	return false;
}

// A place for one more client: free, or that of who has waited longest.
static struct client *place(void)
{
	struct client *oldest = clients;

	for (struct client *c = clients; c < clients + TM_CONTROL_CLIENTS; c++) {
		if (c->fd < 0)
			return c;
		if (c->until_ns < oldest->until_ns)
			oldest = c;
	}
	hang_up(oldest);
	return oldest;
}

static bool welcome(uint64_t now)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0) {
		if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
			deaf_until = now + DEAF_NS;
		return false;
	}
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) ||
	    (peer.uid != geteuid() && peer.uid != 0)) {
		close(fd);
		return false;
	}
	struct client *c = place();
	*c = (struct client){.fd = tm_os_high_fd(fd), .until_ns = now + PATIENCE_NS};
	return receive(c); // its line is there already, as a rule
}

uint64_t tm_control_polls(struct pollfd *fds, uint64_t now)
{
	uint64_t wait = deaf_until > now ? deaf_until - now : UINT64_MAX;

	fds[0] = (struct pollfd){.fd = deaf_until > now ? -1 : listener, .events = POLLIN};
	for (int i = 0; i < TM_CONTROL_CLIENTS; i++) {
		const struct client *c = &clients[i];
		fds[1 + i] = (struct pollfd){.fd = c->fd, .events = c == mover ? POLLRDHUP : POLLIN};
		if (c->fd < 0)
			continue;
		uint64_t left = c->until_ns > now ? c->until_ns - now : 0;
		if (left < wait)
			wait = left;
	}
	return wait;
}

bool tm_control_serve(const struct pollfd *fds, uint64_t now)
{
	bool work = false;

	if (mover && !tm_move_job()->running)
		report();
	for (int i = 0; i < TM_CONTROL_CLIENTS; i++) {
		struct client *c = &clients[i];
		if (c->fd >= 0 && fds[1 + i].fd == c->fd && fds[1 + i].revents)
			work |= receive(c);
		if (c->fd >= 0 && now >= c->until_ns)
			hang_up(c);
	}
	if (fds[0].revents & POLLIN)
		work |= welcome(now);
	return work;
}

void tm_control_forked(void)
{
	for (int i = 0; i < TM_CONTROL_CLIENTS; i++) {
		if (clients[i].fd >= 0)
			tm_os_close(clients[i].fd);
		clients[i].fd = -1;
	}
	if (listener >= 0)
		tm_os_close(listener);
	listener = -1;
	mover = NULL;
	deaf_until = 0;
}
