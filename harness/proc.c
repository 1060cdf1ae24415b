/*
 * Every child leads its own process group, so a Ctrl-C at the terminal reaches tmbench alone, which then ends its
 * children and nobody else's. PR_SET_PDEATHSIG covers a tmbench that is killed outright: the kernel kills the child.
 */
#include "harness/proc.h"
#include "harness/util.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

volatile int proc_interrupted;

static void on_signal(int sig)
{
	proc_interrupted = sig;
}

void proc_catch_signals(void)
{
	struct sigaction sa = {.sa_handler = on_signal};

	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGHUP, &sa, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
}

/* Undo tmbench's signal handling in a child. */
static void default_signals(void)
{
	static const int sigs[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGXFSZ};
	size_t i;

	for (i = 0; i < COUNT(sigs); i++)
		signal(sigs[i], SIG_DFL);
}

/* Open a child's output file, or /dev/null, as descriptor FD. 0 or -1. */
static int redirect(const char *path, int fd)
{
	int f = open(path ? path : "/dev/null", O_WRONLY | O_CREAT | (path ? O_TRUNC : 0), 0666);

	if (f < 0 || dup2(f, fd) < 0)
		return -1;
	if (f != fd)
		close(f);
	return 0;
}

/* The child's side of proc_start: never returns, reports errno through REPORT when exec fails. */
static void child(const struct spawn *s, pid_t parent, int report)
{
	int null = open("/dev/null", O_RDONLY);
	int err;

	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(127);
	default_signals();
	if (s->cpu >= 0) {
		cpu_set_t set;

		CPU_ZERO(&set);
		CPU_SET(s->cpu, &set);
		sched_setaffinity(0, sizeof(set), &set);
	}
	if (null < 0 || dup2(null, 0) < 0 || redirect(s->out, 1))
		goto fail;
	if (s->err && s->out && strcmp(s->err, s->out) == 0) {
		if (dup2(1, 2) < 0)
			goto fail;
	} else if (!s->inherit_err && redirect(s->err, 2)) {
		goto fail;
	}
	if (s->preload)
		setenv("LD_PRELOAD", s->preload, 1);
	execvp(s->argv[0], s->argv);
fail:
	err = errno;
	if (write(report, &err, sizeof(err)) < 0)
		_exit(126);
	_exit(127);
}

pid_t proc_start(const struct spawn *s)
{
	pid_t parent = getpid(), pid;
	int report[2], err = 0;
	ssize_t n;

	if (pipe2(report, O_CLOEXEC))
		return -errno;
	pid = fork();
	if (pid < 0) {
		err = errno;
		close(report[0]);
		close(report[1]);
		return -err;
	}
	if (pid == 0)
		child(s, parent, report[1]);
	close(report[1]);
	setpgid(pid, pid);
	do
		n = read(report[0], &err, sizeof(err));
	while (n < 0 && errno == EINTR);
	close(report[0]);
	if (n == sizeof(err)) {
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
		return -err;
	}
	return pid;
}

void proc_end(pid_t pid, double grace)
{
	double until = now_seconds() + grace;
	pid_t got;

	kill(-pid, SIGTERM);
	do {
		got = waitpid(pid, NULL, WNOHANG);
		if (got == 0)
			usleep(10000);
	} while (got == 0 && now_seconds() < until);
	kill(-pid, SIGKILL);
	while (got == 0 || (got < 0 && errno == EINTR))
		got = waitpid(pid, NULL, 0);
}

int proc_run(const struct spawn *s)
{
	pid_t pid = proc_start(s);
	pid_t got = 0;
	int status;

	if (pid < 0)
		return pid;
	while (got == 0) {
		usleep(20000);
		if (proc_interrupted) {
			proc_end(pid, 10);
			return EXIT_SIGNAL;
		}
		got = waitpid(pid, &status, WNOHANG);
		if (got < 0 && errno == EINTR)
			got = 0;
	}
	if (got < 0)
		return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int proc_capture(char *const *argv, char *out, size_t size)
{
	struct spawn s = {.argv = argv, .cpu = -1};
	char path[64];
	int fd = memfd_create("tmbench-output", MFD_CLOEXEC), status, err = 0;
	ssize_t n;
	pid_t pid;

	out[0] = '\0';
	if (fd < 0)
		return -errno;
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)getpid(), fd);
	s.out = s.err = path;
	pid = proc_start(&s);
	if (pid < 0)
		err = pid;
	while (!err && waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			err = -errno;
	if (!err) {
		n = pread(fd, out, size - 1, 0);
		out[n > 0 ? n : 0] = '\0';
	}
	close(fd);
	if (err)
		return err;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void proc_first_line(char *const *argv, char *out, size_t size)
{
	if (proc_capture(argv, out, size) != 0 || !out[0]) {
		snprintf(out, size, "unknown");
		return;
	}
	out[strcspn(out, "\r\n")] = '\0';
}

int proc_cpus(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set))
		return 1;
	return CPU_COUNT(&set);
}

int proc_cpu(int n)
{
	static int first = -1;
	cpu_set_t set;
	int cpu;

	if (sched_getaffinity(0, sizeof(set), &set))
		return -1;
	if (first < 0)
		first = sched_getcpu();
	if (first < 0)
		return -1;
	n %= CPU_COUNT(&set);
	for (cpu = first; !CPU_ISSET(cpu, &set) || n--; cpu = (cpu + 1) % CPU_SETSIZE)
		continue;
	return cpu;
}
