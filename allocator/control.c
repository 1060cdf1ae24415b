// The control socket: DIR/PID.sock in a directory only its owner can enter; a client sends one line, "stats", and gets
// the JSON document. Clients of other users are refused by SO_PEERCRED, slow ones by time-outs, long ones by the cap.
#include "allocator/control.h"
#include "allocator/core.h"
#include "allocator/stats.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define REQUEST_MAX 64

static int listener = -1;
static struct sockaddr_un address = {.sun_family = AF_UNIX};

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

	for (int n = 0;
	     tm_control_path(n, geteuid(), tm.pid, directory, address.sun_path, sizeof(address.sun_path));
	     n++) {
		if (!private_directory(directory))
			continue;
		int fd = tm_os_high_fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
		unlink(address.sun_path);
		if (fd >= 0 && !bind(fd, (struct sockaddr *)&address, sizeof(address)) && !listen(fd, 4)) {
			listener = fd;
			return;
		}
		if (fd >= 0)
			close(fd);
	}
	tm_log("no place for a control socket: 'tiermem stats' cannot reach this process");
}

int tm_control_fd(void)
{
	return listener;
}

void tm_control_close(void)
{
	if (listener >= 0)
		unlink(address.sun_path);
}

void tm_control_serve(void)
{
	static char text[8192];
	char request[REQUEST_MAX];
	struct ucred peer;
	socklen_t size = sizeof(peer);
	struct timeval limit = {.tv_sec = 1};
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		return;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (!getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) &&
	    (peer.uid == geteuid() || peer.uid == 0)) {
		ssize_t n = recv(fd, request, sizeof(request), 0);
		size_t length;
		if (n == 6 && !memcmp(request, "stats\n", 6))
			length = tm_stats_json(text, sizeof(text));
		else
			length = (size_t)snprintf(text, sizeof(text), "{\"error\":\"unknown request\"}\n");
		for (size_t done = 0; done < length;) {
			ssize_t w = send(fd, text + done, length - done, MSG_NOSIGNAL);
			if (w <= 0)
				break;
			done += (size_t)w;
		}
	}
	close(fd);
}
