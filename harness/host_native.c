/*
 * A load on the host: the server on the first CPU, the client on the second (or there too). Programs that the host has not
 * run in a chroot of the guest's image. What the server used is its process's CPU clock, which no other program's turn is
 * in, and which the server's ended threads are in. Everything listens on the loopback interface only.
 */
#include "harness/host.h"
#include "harness/proc.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { SERVER_CPU };

void host_add_priority(const struct host *h, struct arguments *a)
{
	if (h->realtime)
		host_add_words(a, HOST_PRIORITY);
}

void host_add_words(struct arguments *a, const char *words)
{
	char *copy = must_strdup(words), *save = NULL;

	for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save))
		arguments_add(a, "%s", w);
	free(copy);
}

int host_wait(pid_t pid, double limit)
{
	double until = now_seconds() + limit;
	int status;

	for (;;) {
		pid_t got = waitpid(pid, &status, WNOHANG);

		if (got == pid)
			return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
		if (proc_interrupted || now_seconds() > until) {
			proc_end(pid, 1);
			return proc_interrupted ? EXIT_SIGNAL : -1;
		}
		usleep(2000);
	}
}

/* A loopback TCP port that is free now, or -1. */
static int free_port(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM, 0), port = -1;

	if (fd >= 0 && !bind(fd, (struct sockaddr *)&a, sizeof(a)) &&
	    !getsockname(fd, (struct sockaddr *)&a, &len))
		port = ntohs(a.sin_port);
	if (fd >= 0)
		close(fd);
	return port;
}

/* The folder of an image's files, taken out without a mount, again when the image is newer. 0 or EXIT_FAIL. */
static int unpack(const struct host_load *l, char *dir)
{
	static const struct {
		const char *name;
		unsigned int minor;
	} devices[] = {{"null", 3}, {"zero", 5}, {"random", 8}, {"urandom", 9}};
	char image[PATH_LEN], stamp[PATH_LEN + 16], command[2 * PATH_LEN], path[PATH_LEN + 64], output[512];
	struct stat of_image, of_stamp;
	int err;

	root_path(image, l->root);
	root_path(dir, "build/this-host/root");
	snprintf(stamp, sizeof(stamp), "%s.stamp", dir);
	if (stat(image, &of_image)) {
		complain("%s is missing; run `%s`", image, l->made);
		return EXIT_FAIL;
	}
	if (!stat(stamp, &of_stamp) && of_stamp.st_mtime > of_image.st_mtime)
		return 0;
	if (geteuid() != 0) {
		complain("the native %s runs in a chroot of the guest's image: that needs root", l->name);
		return EXIT_FAIL;
	}
	fprintf(stderr, "tmbench: taking the files out of %s\n", l->root);
	proc_run(&(struct spawn){.argv = (char *[]){"rm", "-rf", "--one-file-system", dir, NULL}, .cpu = -1});
	err = make_dirs(dir);
	snprintf(command, sizeof(command), "rdump / \"%s\"", dir);
	if (!err)
		err = proc_capture((char *[]){"debugfs", "-R", command, image, NULL}, output, sizeof(output));
	snprintf(path, sizeof(path), "%s/dev", dir);
	if (!err)
		err = make_dirs(path);
	for (size_t i = 0; i < COUNT(devices) && !err; i++) {
		snprintf(path, sizeof(path), "%s/dev/%s", dir, devices[i].name);
		unlink(path);
		err = mknod(path, S_IFCHR | 0666, makedev(1, devices[i].minor)) || chmod(path, 0666) ? -errno
												     : 0;
	}
	if (!err)
		err = write_file(stamp, "", 0, 0644);
	if (err)
		complain("cannot take the files of %s out to %s: %s", image, dir,
			 err < 0 ? strerror(-err) : "debugfs failed");
	return err ? EXIT_FAIL : 0;
}

/* Where the load's programs run. */
static void add_place(const struct host *h, const struct host_load *l, const char *root, struct arguments *a)
{
	host_add_priority(h, a);
	if (!l->in_root)
		return;
	arguments_add(a, "chroot");
	arguments_add(a, "%s", root);
	host_add_words(a, "/usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8");
}

/* Starts the server. Its pid, or -1 after saying why. */
static pid_t start_server(const struct host *h, const struct host_load *l, const char *root, int port,
			  const char *dir)
{
	char log[PATH_LEN + 128], path[2 * PATH_LEN] = "";
	struct arguments a = {0};
	struct spawn s = {.out = log, .err = log, .cpu = SERVER_CPU};
	double until = now_seconds() + 60;
	pid_t pid;

	snprintf(log, sizeof(log), "%s/server.log", dir);
	if (l->socket) { /* its folder is empty in the image: guests have a tmpfs there */
		snprintf(path, sizeof(path), "%s/run/mysqld", root);
		proc_run(&(struct spawn){.argv = (char *[]){"chroot", (char *)root, "install", "-d", "-o",
							    "mysql", "-g", "mysql", "/run/mysqld", NULL},
					 .cpu = -1});
		snprintf(path, sizeof(path), "%s%s", root, l->socket);
		unlink(path);
	}
	add_place(h, l, root, &a);
	host_add_words(&a, l->server);
	arguments_add(&a, "--port");
	arguments_add(&a, "%d", port);
	if (!l->in_root) {
		arguments_add(&a, "--dir");
		arguments_add(&a, "%s", dir);
	}
	s.argv = a.v;
	pid = proc_start(&s);
	arguments_free(&a);
	if (pid < 0) {
		complain("cannot start %s on the host: %s", l->name, strerror(-pid));
		return -1;
	}
	while (l->socket && access(path, F_OK) && !proc_interrupted) {
		if (waitpid(pid, NULL, WNOHANG) == pid || now_seconds() > until) {
			complain("the native server of %s does not start; see %s", l->name, log);
			proc_end(pid, 1);
			return -1;
		}
		usleep(20000);
	}
	return pid;
}

double host_share(const double user[2], const double system[2])
{
	double all = user[1] - user[0] + system[1] - system[0];

	return all > 0 ? (system[1] - system[0]) / all : 0;
}

/* CPU seconds of all clients that have ended. */
static double children_seconds(void)
{
	struct rusage u;

	getrusage(RUSAGE_CHILDREN, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

/* Seconds that a process and all threads it ever had were on a CPU; -1: it has ended. */
static double cpu_seconds(pid_t pid)
{
	struct timespec t;
	clockid_t clock;

	if (clock_getcpuclockid(pid, &clock) || clock_gettime(clock, &t))
		return -1;
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int host_ticks(const char *line, double *user, double *system)
{
	const char *p = strchr(line, ')');

	return p && sscanf(p, ") %*c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %lf %lf", user, system) == 2
		       ? 0
		       : -1;
}

/* The same of a process. */
static void ticks(pid_t pid, double *user, double *system)
{
	char path[64], *line;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	line = read_file(path, NULL);
	*user = *system = 0;
	if (line)
		host_ticks(line, user, system);
	free(line);
}

/* The client once, with these words; *per_s gets its throughput. 0 or an exit code, said why. */
static int run_client(const struct host *h, const struct host_load *l, const char *root, int port,
		      const char *dir, const char *words, double *per_s)
{
	char log[PATH_LEN + 128], tmload[PATH_LEN], text[512];
	struct arguments a = {0};
	struct spawn s = {.out = log, .err = log, .cpu = l->client_cpu};
	char *output;
	pid_t pid;
	int err;

	snprintf(log, sizeof(log), "%s/client.log", dir);
	add_place(h, l, root, &a);
	if (!l->in_root) {
		root_path(tmload, "build/bin/tmload");
		arguments_add(&a, "%s", tmload);
	}
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	snprintf(text, sizeof(text), l->client, port);
#pragma GCC diagnostic pop
	host_add_words(&a, text);
	host_add_words(&a, words);
	s.argv = a.v;
	pid = proc_start(&s);
	err = pid < 0 ? -1 : host_wait(pid, (double)h->timeout);
	arguments_free(&a);
	if (err == EXIT_SIGNAL)
		return err;
	output = err ? NULL : read_file(log, NULL);
	*per_s = output ? host_throughput(l, output) : 0;
	free(output);
	if (*per_s > 0)
		return 0;
	complain("the native client of %s failed; see %s", l->name, log);
	return EXIT_FAIL;
}

int host_native(const struct host *h, struct host_load *l, int repeat)
{
	char dir[PATH_LEN + 64], root[PATH_LEN], work[128];
	int port = free_port(), err = l->in_root ? unpack(l, root) : 0;
	double before, after, children, per_s, user[2], system[2];
	pid_t server;

	if (err)
		return err;
	snprintf(dir, sizeof(dir), "%s/native-%s", h->out, l->name);
	if (port < 0 || make_dirs(dir)) {
		complain("no free port, or cannot make %s", dir);
		return EXIT_FAIL;
	}
	server = start_server(h, l, root, port, dir);
	if (server < 0)
		return EXIT_FAIL;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	snprintf(work, sizeof(work), l->work, (long long)(l->operations / l->divide));
#pragma GCC diagnostic pop
	err = run_client(h, l, root, port, dir, l->warm, &per_s);
	for (int i = 0; i < repeat && !err && l->n_native < HOST_MAX_RUNS; i++) {
		before = cpu_seconds(server);
		children = children_seconds();
		ticks(server, &user[0], &system[0]);
		err = run_client(h, l, root, port, dir, work, &per_s);
		after = cpu_seconds(server);
		ticks(server, &user[1], &system[1]);
		if (!err && (before < 0 || after <= before)) {
			complain("the native server of %s has ended; see %s/server.log", l->name, dir);
			err = EXIT_FAIL;
		}
		if (!l->client_cpu)
			after += children_seconds() - children;
		if (!err)
			l->native[l->n_native++] = (struct host_run){(double)l->operations / (after - before),
								     per_s, host_share(user, system)};
	}
	proc_end(server, 20);
	return err;
}
