// Asking a running process through its control socket; and what the asking commands share.
#include "allocator/cli/cli.h"
#include "allocator/control.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

static char why[512];

const char *cli_why(void)
{
	return why;
}

// Connects to a process that was started by OWNER; -1: it has no control socket, or not for us.
static int reach(pid_t pid, uid_t owner, int patience_s)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct timeval limit = {.tv_sec = patience_s};
	char directory[108];

	for (int n = 0; tm_control_path(n, owner, pid, directory, address.sun_path, sizeof(address.sun_path));
	     n++) {
		int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
		if (!connect(fd, (struct sockaddr *)&address, sizeof(address)))
			return fd;
		close(fd);
	}
	return -1;
}

json_t *cli_ask(pid_t pid, const char *request, int patience_s, const char **raw)
{
	static char text[32768];
	char path[64], line[128];
	struct stat st;
	size_t used = 0;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d", (int)pid);
	if (stat(path, &st)) {
		cli_sweep();
		snprintf(why, sizeof(why), "there is no process %d", (int)pid);
		return NULL;
	}
	int length = snprintf(line, sizeof(line), "%s\n", request);
	// A client that was slow to send has been hung up on: once more.
	for (int tries = 0; tries < 3 && !used; tries++) {
		int fd = reach(pid, st.st_uid, patience_s);
		if (fd < 0 && st.st_uid != geteuid()) // a daemon that was started by us and has changed its user since
			fd = reach(pid, geteuid(), patience_s);
		if (fd < 0)
			break;
		send(fd, line, (size_t)length, MSG_NOSIGNAL);
		while (used < sizeof(text) - 1 && (n = recv(fd, text + used, sizeof(text) - 1 - used, 0)) > 0)
			used += (size_t)n;
		close(fd);
	}
	text[used] = 0;
	if (!used) {
		snprintf(why, sizeof(why),
			 "process %d does not answer; is it yours, and was it started by 'tiermem run'?",
			 (int)pid);
		return NULL;
	}
	json_error_t error;
	json_t *root = json_loads(text, 0, &error);
	const char *refused = json_string_value(json_object_get(root, "error"));
	if (!root || refused) {
		snprintf(why, sizeof(why), "process %d: %s", (int)pid,
			 refused ? refused : "the answer makes no sense");
		json_decref(root);
		return NULL;
	}
	if (raw)
		*raw = text;
	return root;
}

bool cli_pid(const char *text, pid_t *pid)
{
	char *end;
	long n = strtol(text, &end, 10);

	*pid = (pid_t)n;
	if (end != text && !*end && n > 0 && n <= 1 << 30)
		return true;
	cli_error(2, "'%s' is not a process id", text);
	return false;
}

int cli_format(int argc, char **argv, int *i, bool *json)
{
	const char *format;

	if (!strcmp(argv[*i], "--json"))
		format = "json";
	else if (!strncmp(argv[*i], "--format=", 9))
		format = argv[*i] + 9;
	else if (!strcmp(argv[*i], "--format") && *i + 1 < argc)
		format = argv[++*i];
	else
		return 1;
	if (strcmp(format, "human") && strcmp(format, "json"))
		return cli_error(2, "no format '%s'; there are human and json", format);
	*json = *format == 'j';
	return 0;
}

long long cli_count(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

double cli_mib(const json_t *object, const char *key)
{
	return json_number_value(json_object_get(object, key)) / 1048576;
}
