#include "harness/native.h"
#include "harness/guest_script.h"
#include "harness/proc.h"
#include "harness/qemu.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* A loopback TCP port that is free now, or -1. */
static int free_port(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM, 0), port = -1;

	if (fd < 0)
		return -1;
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0 &&
	    getsockname(fd, (struct sockaddr *)&a, &len) == 0)
		port = ntohs(a.sin_port);
	close(fd);
	return port;
}

/* Wait for a child, ending it on an interrupt or after LIMIT seconds. Its exit status, -1, or EXIT_SIGNAL. */
static int wait_child(pid_t pid, double limit)
{
	double until = now_seconds() + limit;
	int status;

	for (;;) {
		pid_t got = waitpid(pid, &status, WNOHANG);

		if (got == pid)
			return WIFEXITED(status) && WEXITSTATUS(status) != EXIT_SIGNAL ? WEXITSTATUS(status)
										       : -1;
		if (proc_interrupted || now_seconds() > until) {
			proc_end(pid, 1);
			return proc_interrupted ? EXIT_SIGNAL : -1;
		}
		usleep(5000);
	}
}

/* One phase of load. 0, -1 with the REASON, or EXIT_SIGNAL. */
static int one_phase(const struct plan *p, const struct phase *ph, int port, const char *dir,
		     struct metrics *m, char *reason)
{
	const struct scenario *s = p->s;
	char tmload[PATH_LEN], json[PATH_LEN + 64], log[PATH_LEN + 64];
	struct text t = {0};
	struct arguments a = {0};
	struct spawn sp;
	char *save = NULL, *w, *doc;
	int err;
	pid_t pid;

	root_path(tmload, "build/bin/tmload");
	snprintf(json, sizeof(json), "%s/%s.json", dir, ph->name);
	snprintf(log, sizeof(log), "%s/%s.log", dir, ph->name);
	arguments_add(&a, "%s", tmload);
	text_add(&t, "-s 127.0.0.1 -p %d -t %d -c %d --wait-for-server 20 ", port, (int)s->native_threads,
		 (int)s->native_clients);
	load_arguments(&t, p, ph, plan_requests(p, ph, false), s->native_threads * s->native_clients, p->seed,
		       "");
	for (w = strtok_r(t.s, " ", &save); w; w = strtok_r(NULL, " ", &save))
		arguments_add(&a, "%s", w);
	arguments_add(&a, "%s", json);
	sp = (struct spawn){.argv = a.v, .out = log, .err = log, .cpu = proc_cpu((int)s->native_client_cpu)};
	pid = proc_start(&sp);
	err = pid < 0 ? pid : wait_child(pid, (double)s->timeout);
	arguments_free(&a);
	text_free(&t);
	if (err == EXIT_SIGNAL)
		return err;
	if (err) {
		snprintf(reason, REASON_LEN, "phase %s: tmload failed; see %.400s", ph->name, log);
		return -1;
	}
	doc = read_file(json, NULL);
	if (!doc) {
		snprintf(reason, REASON_LEN, "phase %s: tmload left no result", ph->name);
		return -1;
	}
	err = results_tmload(m, ph->name, doc, reason);
	free(doc);
	return err;
}

int native_run(const struct plan *p, const char *dir, struct metrics *m, char *reason)
{
	char port_text[16], log[PATH_LEN + 64], dir_copy[PATH_LEN];
	char *argv[] = {"redis-server", "--port", port_text, "--bind", "127.0.0.1", "--save", "",
			"--appendonly", "no",	  "--dir",   dir_copy, NULL};
	struct spawn s = {.argv = argv, .cpu = proc_cpu((int)p->s->native_server_cpu)};
	int port = free_port(), err = 0, i;
	pid_t server;

	if (port < 0 || make_dirs(dir)) {
		snprintf(reason, REASON_LEN, "no free port, or cannot make %.400s", dir);
		return -1;
	}
	snprintf(port_text, sizeof(port_text), "%d", port);
	snprintf(dir_copy, sizeof(dir_copy), "%s", dir);
	snprintf(log, sizeof(log), "%s/redis.log", dir);
	s.out = s.err = log;
	server = proc_start(&s);
	if (server < 0) {
		snprintf(reason, REASON_LEN, "cannot start redis-server on the host: %s", strerror(-server));
		return -1;
	}
	for (i = 0; i < p->s->n_phases && !err; i++)
		if (p->s->phases[i].selected)
			err = one_phase(p, &p->s->phases[i], port, dir, m, reason);
	proc_end(server, 5);
	return err;
}
