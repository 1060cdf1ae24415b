/*
 * One VM of tmbench speed. The guest writes a line to its second serial port before and after the measured part; QEMU
 * appends what it gets to a file, and the host's clock is read when the line is there (looked for every 2 ms).
 */
#include "harness/arguments.h"
#include "harness/overlay.h"
#include "harness/proc.h"
#include "harness/speed.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* One VM while it runs. */
struct machine {
	const struct speed *s;
	struct speed_cell *cell;
	char dir[PATH_LEN / 2];
	pid_t pid;
};

/* Processor time: of QEMU, and of everything on the host that is not idle. */
struct usage {
	double seconds, qemu, host;
};

/* Path of a file in the VM's folder; valid until the next call. */
static const char *in_dir(const struct machine *m, const char *name)
{
	static char path[PATH_LEN];

	snprintf(path, sizeof(path), "%s/%s", m->dir, name);
	return path;
}

static void write_script(const struct machine *m, struct text *t)
{
	const struct speed_load *l = m->cell->load;
	int64_t threads = speed_threads(m->s, l), connections = speed_connections(m->s, l);
	int vcpus = m->cell->vcpus, last = threads < vcpus ? (int)threads : vcpus - 1;
	bool model = m->cell->mode == SPEED_ON || m->cell->mode == SPEED_STRICT;

	text_add(t, "#!/bin/sh\n# Made by tmbench speed.\n");
	text_add(t, "fail() { echo \"tmbench-guest: error: $*\"; exit 1; }\n");
	text_add(t, "requests=%lld vcpus=%d server_cpus=0 client_cpus=%d-%d\n",
		 (long long)(m->s->requests ? m->s->requests : l->requests), vcpus, vcpus > 1 ? 1 : 0, last);
	text_add(t, "threads=%lld connections=%lld\n", (long long)threads, (long long)connections);
	text_add(t, "%s", l->setup);
	text_add(t,
		 "tmmark model %s || fail 'tmmark'\necho @@work begin >/dev/ttyS1\ntmmark begin measured\n",
		 model ? "on" : "off");
	text_add(t, "%s", l->work);
	text_add(t, "tmmark end\necho @@work end >/dev/ttyS1\n");
}

static void command_line(const struct machine *m, struct arguments *a)
{
	static const char *const fixed[] = {"-nodefaults",
					    "-no-user-config",
					    "-no-reboot",
					    "-machine",
					    "q35,nvdimm=on",
					    "-accel",
					    "tcg,thread=multi",
					    "-rtc",
					    "base=2024-01-01T00:00:00,clock=vm",
					    "-seed",
					    "1",
					    "-display",
					    "none",
					    NULL};
	char root[PATH_LEN], kernel[PATH_LEN], e[3][2 * PATH_LEN];
	const struct speed *s = m->s;
	struct stat st = {0};
	bool tsc = !strcmp(s->clock, "tsc");

	root_path(root, m->cell->load->root);
	root_path(kernel, "build/guest/vmlinuz");
	stat(root, &st);
	arguments_add(a, "%s", s->qemu);
	for (size_t i = 0; fixed[i]; i++)
		arguments_add(a, "%s", fixed[i]);
	arguments_add(a, "-cpu");
	arguments_add(a, "max,%s-erms,-fsrm", tsc ? "" : "-tsc,");
	arguments_add(a, "-smp");
	arguments_add(a, "%d", m->cell->vcpus);
	arguments_add(a, "-m");
	arguments_add(a, "%lldM,slots=4,maxmem=16G", (long long)m->cell->load->ram_mib);
	arguments_add(a, "-object");
	arguments_add(a, "memory-backend-file,id=rootmem,share=off,mem-path=%s,size=%lld",
		      qemu_escaped(e[0], root), (long long)st.st_size);
	arguments_add(a, "-device");
	arguments_add(a, "nvdimm,memdev=rootmem,id=nv0");
	arguments_add(a, "-kernel");
	arguments_add(a, "%s", kernel);
	arguments_add(a, "-initrd");
	arguments_add(a, "%s", in_dir(m, "initrd"));
	arguments_add(a, "-append");
	arguments_add(a, "console=ttyS0 panic=-1 clocksource=%s nokaslr random.trust_cpu=on cryptomgr.notests quiet",
		      tsc ? "tsc tsc=reliable" : "hpet tsc=unstable");
	for (int i = 0; i < 2; i++) {
		arguments_add(a, "-serial");
		arguments_add(a, "file:%s", in_dir(m, i ? "results.log" : "console.log"));
	}
	if (m->cell->mode == SPEED_PLAIN)
		return;
	arguments_add(a, "-plugin");
	arguments_add(a, "%s,profile=%s,stats=%s/stats.jsonl,strict=%s", qemu_escaped(e[0], s->plugin),
		      qemu_escaped(e[1], s->profile), qemu_escaped(e[2], m->dir),
		      m->cell->mode == SPEED_STRICT ? "on" : "off");
}

/* Makes the folder and its files, and starts QEMU. 0, or -1 after saying why. */
static int start(struct machine *m)
{
	char what[PATH_LEN + 64], initrd[PATH_LEN], log[PATH_LEN];
	struct arguments a = {0};
	struct text script = {0};
	struct spawn spawn;
	int err = make_dirs(m->dir);

	snprintf(what, sizeof(what), "%s", m->dir);
	root_path(initrd, "build/guest/initrd.img");
	write_script(m, &script);
	unlink(in_dir(m, "results.log"));
	unlink(in_dir(m, "stats.jsonl"));
	if (!err)
		err = overlay_write(in_dir(m, "initrd"), initrd,
				    m->cell->load->parts ? m->cell->load->parts : overlay_tiermem, script.s,
				    script.len, what);
	text_free(&script);
	if (err) {
		complain("cannot write %s: %s", what, strerror(-err));
		return -1;
	}
	command_line(m, &a);
	snprintf(log, sizeof(log), "%s", in_dir(m, "qemu.log"));
	spawn = (struct spawn){.argv = a.v, .out = log, .err = log, .cpu = -1};
	if (m->cell->mode != SPEED_PLAIN)
		spawn.preload = m->s->plugin;
	m->pid = proc_start(&spawn);
	arguments_free(&a);
	if (m->pid < 0)
		complain("cannot start %s: %s", m->s->qemu, strerror(-m->pid));
	return m->pid < 0 ? -1 : 0;
}

static struct usage usage_now(pid_t pid)
{
	double user = 0, nice = 0, sys = 0, idle, wait, irq = 0, softirq = 0, steal = 0, utime = 0, stime = 0;
	double tick = (double)sysconf(_SC_CLK_TCK);
	char path[64], *text, *p;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	text = read_file(path, NULL);
	p = text ? strrchr(text, ')') : NULL;
	if (p)
		sscanf(p, ") %*c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %lf %lf", &utime, &stime);
	free(text);
	text = read_file("/proc/stat", NULL);
	if (text)
		sscanf(text, "cpu %lf %lf %lf %lf %lf %lf %lf %lf", &user, &nice, &sys, &idle, &wait, &irq,
		       &softirq, &steal);
	free(text);
	return (struct usage){now_seconds(), (utime + stime) / tick,
			      (user + nice + sys + irq + softirq + steal) / tick};
}

/* Whether the guest has written this line. */
static bool written(const struct machine *m, const char *line)
{
	char *log = read_file(in_dir(m, "results.log"), NULL);
	bool found = log && strstr(log, line);

	free(log);
	return found;
}

/* Follows the VM to its end, whose wait status goes to *status. 0, or an exit code after saying why. */
static int follow(const struct machine *m, struct usage *begin, struct usage *end, int *status)
{
	double started = now_seconds();

	while (waitpid(m->pid, status, WNOHANG) != m->pid) {
		if (!begin->seconds && written(m, "@@work begin"))
			*begin = usage_now(m->pid);
		else if (begin->seconds && !end->seconds && written(m, "@@work end"))
			*end = usage_now(m->pid);
		if (proc_interrupted) {
			proc_end(m->pid, 2);
			complain("interrupted");
			return EXIT_SIGNAL;
		}
		if (now_seconds() - started > (double)m->s->timeout) {
			proc_end(m->pid, 2);
			complain("a VM is not done after %lld s; --timeout allows more; its logs are in %s",
				 (long long)m->s->timeout, m->dir);
			return EXIT_FAIL;
		}
		usleep(2000);
	}
	return 0;
}

/* The measured phase in the simulator's statistics. 0 or -1. */
static int read_phase(const struct machine *m, struct speed_run *r)
{
	const char *phase = m->cell->load->phase ? m->cell->load->phase : "measured";
	char *log = read_file(in_dir(m, "stats.jsonl"), NULL), *save = NULL;
	json_t *event, *vcpu;
	int err = -1;
	size_t i;

	for (char *line = log ? strtok_r(log, "\n", &save) : NULL; line; line = strtok_r(NULL, "\n", &save)) {
		const char *name;

		event = json_loads(line, 0, NULL);
		name = json_string_value(json_object_get(event, "name"));
		if (name && !strcmp(name, phase)) {
			r->simulated = (json_number_value(json_object_get(event, "end_ns")) -
					json_number_value(json_object_get(event, "begin_ns"))) /
				       1e9;
			json_array_foreach(json_object_get(event, "vcpus"), i, vcpu) r->instructions +=
				json_number_value(json_object_get(vcpu, "instructions"));
			err = 0;
		}
		json_decref(event);
	}
	free(log);
	return err;
}

/* The last line of a log that says something, for a person. */
static void say_last_line(const struct machine *m, const char *name)
{
	char *log = read_file(in_dir(m, name), NULL), *save = NULL, *last = NULL;

	for (char *line = log ? strtok_r(log, "\r\n", &save) : NULL; line;
	     line = strtok_r(NULL, "\r\n", &save))
		last = line;
	if (last)
		fprintf(stderr, "  %s: %.300s\n", name, last);
	free(log);
}

int speed_vm(const struct speed *s, struct speed_cell *cell)
{
	struct machine m = {.s = s, .cell = cell};
	struct usage begin = {0}, end = {0};
	struct speed_run r = {0};
	int status = 0, err;

	snprintf(m.dir, sizeof(m.dir), "%.300s/%s-%d-%s", s->out, cell->load->name, cell->vcpus,
		 speed_mode_names[cell->mode]);
	if (start(&m))
		return EXIT_FAIL;
	err = follow(&m, &begin, &end, &status);
	if (err)
		return err;
	if (!WIFEXITED(status) || WEXITSTATUS(status) || !end.seconds || !written(&m, "@@exit 0") ||
	    (cell->mode != SPEED_PLAIN && read_phase(&m, &r))) {
		if (begin.seconds && !end.seconds && written(&m, "@@exit 0"))
			complain(
				"the VM ended before the host looked at its last line: the host is too busy");
		complain("the VM with %s, %d vCPUs, %s failed; its logs are in %s", cell->load->name,
			 cell->vcpus, speed_mode_names[cell->mode], m.dir);
		say_last_line(&m, "qemu.log");
		say_last_line(&m, "console.log");
		return EXIT_FAIL;
	}
	r.seconds = end.seconds - begin.seconds;
	r.cpu_seconds = end.qemu - begin.qemu;
	r.others = (end.host - begin.host - r.cpu_seconds) / (r.seconds * (double)proc_cpus());
	if (r.others < 0)
		r.others = 0;
	cell->runs[cell->n++] = r;
	unlink(in_dir(&m, "initrd"));
	return 0;
}
