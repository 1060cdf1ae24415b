#include "harness/kind.h"
#include "harness/overlay.h"
#include "harness/proc.h"
#include "harness/qemu.h"
#include "harness/share.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#define CONSOLE_LINES 15

static const char *const logs[] = {"console.log", "results.log", "stats.jsonl", "qemu.log", HEAT_FILE};

const char *vm_variant(const struct vm *vm)
{
	return vm->variant ? vm->variant->name : "default";
}

const char *vm_part(const struct vm *vm)
{
	return vm->database ? vm->database->name : "";
}

bool vm_runs(const struct vm *vm, const struct phase *ph)
{
	return config_runs(vm->config, ph) && !strcmp(ph->database, vm_part(vm));
}

/* Path of a file in the VM's directory; valid until the next call. */
static const char *in_dir(const struct vm *vm, const char *name)
{
	static char path[PATH_LEN + 64];

	snprintf(path, sizeof(path), "%s/%.60s", vm->dir, name);
	return path;
}

/* Record a failure. */
static void fail(struct vm *vm, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(vm->reason, sizeof(vm->reason), fmt, ap);
	va_end(ap);
	vm->reason[strcspn(vm->reason, "\r\n")] = '\0';
	vm->state = VM_FAILED;
}

/* The command line as a shell script for a person to repeat. 0 or -errno. */
static int write_command(const struct vm *vm, const struct arguments *a, const char *preload)
{
	struct text t = {0};
	int i, err;

	if (preload)
		text_add(&t, "LD_PRELOAD='%s'", preload);
	for (i = 0; i < a->n; i++) {
		text_add(&t, "%s", t.len ? " \\\n\t" : "");
		text_add_quoted(&t, a->v[i]);
	}
	text_add(&t, "\n");
	err = write_file(in_dir(vm, "command"), t.s, t.len, 0644);
	text_free(&t);
	return err;
}

/*
 * Before QEMU: make the VM's copy of a file. QEMU gets it as a descriptor, and the name is gone before QEMU starts, so no end of any
 * kind leaves the copy behind. Words of A so far (the environment of QEMU) stay in front of its command line.
 */
static void begin_with_copy(struct arguments *a, const struct plan *p, const struct vm *vm)
{
	static const char script[] =
		"cp --reflink=auto --sparse=always \"$1\" \"$2\" && exec " KIND_COPY_FD "<>\"$2\" " KIND_COPY_FD_READ
		"<\"$2\" || {\n"
		"\trm -f \"$2\"\n"
		"\techo \"tmbench: cannot copy $1; is there room for it?\" >&2\n"
		"\texit 1\n"
		"}\n"
		"rm -f \"$2\"\n"
		"shift 2\n"
		"exec \"$@\"\n";
	char from[PATH_LEN], to[PATH_LEN];

	kind_of(p->s)->copies(p, vm, from, to);
	arguments_add(a, "sh");
	arguments_add(a, "-c");
	arguments_add(a, "%s", script);
	arguments_add(a, "sh");
	arguments_add(a, "%s", from);
	arguments_add(a, "%s", in_dir(vm, to));
}

int vm_start(struct vm *vm, const struct plan *p, const char *program, int cpu)
{
	char out[PATH_LEN + 64], what[PATH_LEN + 64];
	const struct kind *k = kind_of(p->s);
	struct text script = {0};
	struct arguments a = {0};
	struct spawn s;
	size_t i;
	int err;

	vm->started = now_seconds();
	k->script(&script, p, vm);
	err = make_dirs(vm->dir);
	for (i = 0; i < COUNT(logs); i++) /* of another database's run with the same number */
		unlink(in_dir(vm, logs[i]));
	if (!err && share_meets(vm, p->s))
		err = share_open(vm);
	if (!err) {
		snprintf(what, sizeof(what), "%s", in_dir(vm, "run"));
		err = write_file(what, script.s, script.len, 0755);
	} else {
		snprintf(what, sizeof(what), "%s", vm->dir);
	}
	if (!err)
		err = overlay_write(in_dir(vm, "initrd"), p->initrd, k->overlay, script.s, script.len, what);
	text_free(&script);
	if (err) {
		fail(vm, "cannot write %s: %s", what, strerror(-err));
		return -1;
	}
	s = (struct spawn){.out = out, .err = out, .preload = p->plugin, .cpu = cpu};
	if (k->copies)
		begin_with_copy(&a, p, vm);
	if (k->before) {
		k->before(&a, p, vm);
		s.preload = NULL; /* QEMU's only, not that of what becomes it */
	}
	qemu_arguments(&a, p, program, vm);
	err = write_command(vm, &a, s.preload);
	snprintf(out, sizeof(out), "%s", in_dir(vm, "qemu.log"));
	s.argv = a.v;
	vm->pid = err ? err : proc_start(&s);
	arguments_free(&a);
	if (vm->pid < 0) {
		fail(vm, "cannot start %s: %s", program, strerror(-vm->pid));
		return -1;
	}
	vm->state = VM_RUNNING;
	vm->last_sign = now_seconds();
	return 0;
}

/* Processor time of a process so far, in seconds; 0 if it is gone. */
static double cpu_seconds(pid_t pid)
{
	unsigned long user = 0, sys = 0;
	char path[64], *stat_line, *p;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	stat_line = read_file(path, NULL);
	p = stat_line ? strrchr(stat_line, ')') : NULL;
	if (p)
		sscanf(p, ") %*c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %lu %lu", &user, &sys);
	free(stat_line);
	return (double)(user + sys) / (double)sysconf(_SC_CLK_TCK);
}

/* Follow a running VM's output: phase, end, panic. */
static void follow(struct vm *vm)
{
	double now = now_seconds();
	double cpu = cpu_seconds(vm->pid);
	bool grown = false;
	struct stat st;
	char *log, *at;
	size_t i;

	for (i = 0; i < COUNT(logs); i++) {
		if (stat(in_dir(vm, logs[i]), &st) || (long)st.st_size == vm->sizes[i])
			continue;
		vm->sizes[i] = (long)st.st_size;
		grown = true;
	}
	if (grown || cpu - vm->cpu_seen >= 1) { /* a sign of life: output, or a second of work */
		vm->last_sign = now;
		vm->cpu_seen = cpu;
	}
	if (!grown)
		return;
	log = read_file(in_dir(vm, "console.log"), NULL);
	if (log) {
		char phase[NAME_LEN] = "";
		int n = 0;

		for (at = log; (at = strstr(at, "tmbench-guest: phase ")) != NULL; n++) {
			at += strlen("tmbench-guest: phase ");
			if (strcspn(at, "\r\n") < NAME_LEN && at[strcspn(at, "\r\n")])
				snprintf(phase, sizeof(phase), "%.*s", (int)strcspn(at, "\r\n"), at);
		}
		if (n > vm->phases_done + 1 || (n && !vm->phase[0])) {
			vm->phases_done = n - 1;
			vm->phase_started = now;
			vm->reached_phase = true;
		}
		snprintf(vm->phase, sizeof(vm->phase), "%s", phase);
		if (!vm->panic && strstr(log, "Kernel panic"))
			vm->panic = now;
		for (vm->meetings = 0, at = log; (at = strstr(at, "tmbench-guest: meet")) != NULL; at++)
			vm->meetings++;
		free(log);
	}
	log = read_file(in_dir(vm, "results.log"), NULL);
	if (log && !vm->guest_end && strstr(log, "@@exit"))
		vm->guest_end = now;
	free(log);
}

/* Copy the first line of a file that contains FIND (from FIND on) into OUT of REASON_LEN bytes. */
static bool line_with(const struct vm *vm, const char *file, const char *find, char *out)
{
	char *log = read_file(in_dir(vm, file), NULL), *at = log ? strstr(log, find) : NULL;

	if (at)
		snprintf(out, REASON_LEN, "%.*s", (int)strcspn(at, "\r\n"), at);
	free(log);
	return at != NULL;
}

/* Whether the file system of the VM's directory is (nearly) full. */
static bool disk_full(const struct vm *vm)
{
	struct statvfs v;

	return statvfs(vm->dir, &v) == 0 && v.f_bavail * v.f_frsize < 65536;
}

/* Why a VM ended, from its logs and QEMU's wait status; collects the metrics of one that ended well. */
static void conclude(struct vm *vm, const struct plan *p, int status)
{
	char line[REASON_LEN], last[REASON_LEN];
	bool told;

	share_close(vm);
	vm->seconds = now_seconds() - vm->started;
	told = line_with(vm, "qemu.log", "tmbench: ", last) || line_with(vm, "qemu.log", "qemu", last);
	if (line_with(vm, "qemu.log", "tmsim:", line) && status != 0)
		fail(vm, "the simulator gave up: %.400s", line);
	else if (line_with(vm, "console.log", "Kernel panic", line))
		fail(vm, "guest kernel panic: %.400s", line);
	else if (WIFSIGNALED(status))
		fail(vm, "QEMU was killed by signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
	else if (disk_full(vm))
		fail(vm, "the disk is full; make room for %s", vm->dir);
	else if (WEXITSTATUS(status) != 0)
		fail(vm, "QEMU ended with status %d: %.400s", WEXITSTATUS(status),
		     told ? last : "see qemu.log");
	else if (!line_with(vm, "results.log", "@@exit", line))
		fail(vm, "the guest ended without its exit status (%s)",
		     vm->reached_phase ? "in the middle of its phases" : "before its first phase");
	else if (strcmp(line, "@@exit 0") != 0)
		fail(vm, "the guest's run ended with %s: %.400s", line + 2,
		     line_with(vm, "console.log", "tmbench-guest: error: ", last)
			     ? last + strlen("tmbench-guest: error: ")
			     : "see its console");
	else if (results_vm(&vm->metrics, p, vm, vm->reason))
		vm->state = VM_FAILED;
	else
		vm->state = VM_OK;
	if (vm->state == VM_OK && !p->keep_logs) {
		unlink(in_dir(vm, "initrd"));
		unlink(in_dir(vm, HEAT_FILE)); /* the database has it */
	}
}

void vm_kill(struct vm *vm, enum vm_state state, const char *reason)
{
	if (vm->state != VM_RUNNING)
		return;
	proc_end(vm->pid, 2);
	share_close(vm);
	vm->seconds = now_seconds() - vm->started;
	fail(vm, "%s", reason);
	vm->state = state;
}

bool vm_poll(struct vm *vm, const struct plan *p)
{
	double now = now_seconds();
	char reason[REASON_LEN];
	int status;
	pid_t got = waitpid(vm->pid, &status, WNOHANG);

	follow(vm);
	if (got == vm->pid) {
		conclude(vm, p, status);
		return true;
	}
	reason[0] = '\0';
	if (vm->unwanted[0])
		memcpy(reason, vm->unwanted, sizeof(reason));
	else if (vm->panic && now - vm->panic > 5)
		line_with(vm, "console.log", "Kernel panic", reason);
	else if (now - vm->started > (double)p->s->timeout)
		snprintf(reason, sizeof(reason),
			 "time-out: not done after %d s of real time (%s); --timeout allows more",
			 (int)p->s->timeout, vm->phase[0] ? vm->phase : "booting");
	else if (vm->guest_end && now - vm->guest_end > fmax(30, (double)p->s->stall))
		snprintf(reason, sizeof(reason), "QEMU did not end within %.0f s of the guest's end",
			 fmax(30, (double)p->s->stall));
	else if (now - vm->last_sign > (double)p->s->stall)
		snprintf(reason, sizeof(reason), "hung: neither output nor work for %d s (%s)",
			 (int)p->s->stall, vm->phase[0] ? vm->phase : "booting");
	if (!reason[0])
		return false;
	vm_kill(vm, VM_FAILED, reason);
	return true;
}

/* Print the last lines of a log, indented; control characters dropped. */
static void print_tail(const char *log, int lines)
{
	const char *at = log + strlen(log);
	bool bol = true;

	while (at > log && at[-1] == '\n')
		at--;
	while (at > log && lines > 0)
		if (*--at == '\n' && --lines == 0)
			at++;
	for (; *at; at++) {
		if (bol)
			fputs("  | ", stderr);
		bol = *at == '\n';
		if (*at == '\n' || *at == '\t' || (unsigned char)*at >= ' ')
			fputc(*at, stderr);
	}
	if (!bol)
		fputc('\n', stderr);
}

void vm_explain(const struct vm *vm)
{
	char *log;

	complain("%s%s%s (repeat %d, LLC %s) failed: %s", vm_part(vm), vm->database ? " " : "",
		 vm->config->name, vm->repeat, vm_variant(vm), vm->reason);
	log = read_file(in_dir(vm, "console.log"), NULL);
	if (log && log[0]) {
		fprintf(stderr, "  last lines of the guest's console:\n");
		print_tail(log, CONSOLE_LINES);
	}
	free(log);
	fprintf(stderr, "  logs: %s\n", vm->dir);
}
