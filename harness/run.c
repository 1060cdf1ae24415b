/*
 * tmbench run: the matrix of VMs, some at a time. One thread: it starts a VM whenever a slot is free, looks at the running
 * ones a few times a second, and records each as it ends. A VM that fails is recorded as failed and the others go on, unless
 * it failed before its first phase: then the others would too. An interrupt ends the children and records what was cut off.
 */
#include "harness/commands.h"
#include "harness/kind.h"
#include "harness/meeting.h"
#include "harness/native.h"
#include "harness/options.h"
#include "harness/overlay.h"
#include "harness/probe.h"
#include "harness/proc.h"
#include "harness/progress.h"
#include "harness/qemu.h"
#include "harness/record.h"
#include "harness/report.h"
#include "harness/share.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

struct run_options {
	int64_t scale, repeat, seed, jobs, timeout, requests;
	struct list set;
	const char *config, *phase, *db, *runs, *profile, *progress, *format, *qemu;
	bool keep_logs, no_llc, no_native, full, quick;
};

/* Everything one `tmbench run` holds. */
struct bench {
	struct plan plan;
	const char *program; /* QEMU */
	sqlite3 *db;
	int64_t run;
	struct vm *vms;
	int n_vms, jobs;
	struct progress progress;
	struct meetings meetings;
	int failed;
	bool guest_versions;
	bool stop; /* start no more VMs */
};

/* First word of sha256sum's output. */
static void file_hash(const char *path, char out[72])
{
	char name[PATH_LEN];
	char *argv[] = {"sha256sum", name, NULL};

	snprintf(name, sizeof(name), "%s", path);
	proc_first_line(argv, out, 72);
	out[strcspn(out, " ")] = '\0';
}

/* What runs where: for the database and the report's header. */
static void find_versions(struct versions *v, const struct plan *p)
{
	char root[PATH_LEN], model[128] = "unknown CPU", *cpuinfo, *at;
	char *git[] = {"git", "-C", root, "describe", "--always", "--dirty", "--tags", NULL};
	struct utsname u;

	snprintf(root, sizeof(root), "%s", root_dir());
	proc_first_line(git, v->tiermem, sizeof(v->tiermem));
	file_hash(p->profile, v->profile_sha256);
	file_hash(p->root, v->image_sha256);
	cpuinfo = read_file("/proc/cpuinfo", NULL);
	at = cpuinfo ? strstr(cpuinfo, "model name") : NULL;
	at = at ? strchr(at, ':') : NULL;
	if (at)
		snprintf(model, sizeof(model), "%.*s", (int)strcspn(at + 2, "\n"), at + 2);
	free(cpuinfo);
	uname(&u);
	snprintf(v->host, sizeof(v->host), "%.64s, Linux %.64s, %d CPUs", model, u.release, proc_cpus());
}

/* Add the VM of one cell of the matrix, if it has anything to run. */
static void add_vm(struct bench *b, int variant, int repeat, int database, int config)
{
	const struct scenario *s = b->plan.s;
	struct vm *vm = &b->vms[b->n_vms];
	int i;

	*vm = (struct vm){.config = &s->configs[config], .repeat = repeat, .slot = -1, .go = -1};
	vm->variant = variant < 0 ? NULL : &s->variants[variant];
	vm->database = s->n_databases ? &s->databases[database] : NULL;
	vm->seed = b->plan.seed + repeat - 1;
	vm->llc_kib = plan_llc_kib(&b->plan, vm->variant);
	for (i = 0; i < s->n_phases; i++) {
		if (!vm_runs(vm, &s->phases[i]))
			continue;
		b->n_vms++;
		return;
	}
}

/* Lay out the matrix: the profile's LLC first, repeat by repeat, then the other LLCs once. */
static void make_matrix(struct bench *b)
{
	const struct scenario *s = b->plan.s;
	int variants = b->plan.llc_variants ? s->n_variants : 0, parts = s->n_databases ? s->n_databases : 1;
	int v, r, d, c;

	b->vms = must_realloc(NULL, sizeof(*b->vms) *
					    (size_t)(s->n_configs * parts * (b->plan.repeats + variants)));
	for (v = -1; v < variants; v++) {
		for (r = 1; r <= (v < 0 ? b->plan.repeats : 1); r++) {
			for (d = 0; d < parts; d++) {
				for (c = 0; c < s->n_configs; c++)
					add_vm(b, v, r, d, c);
			}
		}
	}
}

/* Record a VM that has ended, and tell the user when it failed. 0 or -1 (database). */
static int finish_vm(struct bench *b, struct vm *vm)
{
	static const char *names[] = {"running", "running", "ok", "failed", "interrupted"};

	share_compare(b->vms, b->n_vms, vm);
	if (vm->state == VM_FAILED) {
		b->failed++;
		progress_clear(&b->progress);
		vm_explain(vm);
		if (!vm->reached_phase)
			b->stop = true;
	}
	if (vm->state == VM_OK && !b->guest_versions) {
		b->guest_versions = true;
		if (record_guest_versions(b->db, b->run, &b->plan, &vm->metrics))
			return -1;
	}
	if (record_vm_end(b->db, vm->row, names[vm->state], vm->reason, vm->seconds, &vm->metrics))
		return -1;
	metrics_free(&vm->metrics);
	return 0;
}

/* End and record every VM that still runs. */
static void kill_all(struct bench *b, enum vm_state state, const char *reason)
{
	int i;

	for (i = 0; i < b->n_vms; i++) {
		if (b->vms[i].state != VM_RUNNING)
			continue;
		vm_kill(&b->vms[i], state, reason);
		record_vm_end(b->db, b->vms[i].row, state == VM_FAILED ? "failed" : "interrupted", reason,
			      b->vms[i].seconds, NULL);
	}
}

/* Start a waiting VM in a slot. 0 or -1 (database). */
static int launch(struct bench *b, struct vm *vm, int slot)
{
	int pin = b->jobs <= proc_cpus() ? proc_cpu(slot) : -1;

	snprintf(vm->dir, sizeof(vm->dir), "%.900s/%lld/%s%s%s-%d-%s", b->plan.runs_dir, (long long)b->run,
		 vm_part(vm), vm->database ? "-" : "", vm->config->name, vm->repeat, vm_variant(vm));
	vm->row = record_vm_begin(b->db, b->run, vm->config->name, vm->repeat, vm_variant(vm), vm_part(vm),
				  vm->llc_kib, vm->seed, vm->dir);
	if (vm->row < 0)
		return -1;
	vm->slot = slot;
	if (vm_start(vm, &b->plan, b->program, pin))
		return finish_vm(b, vm);
	return 0;
}

/* Fill free slots with waiting VMs, in their order. 0 or -1 (database). */
static int fill_slots(struct bench *b)
{
	int slot, i, running = 0;

	for (i = 0; i < b->n_vms; i++)
		running += b->vms[i].state == VM_RUNNING;
	for (slot = 0; slot < b->jobs && !b->stop; slot++) {
		struct vm *next = NULL;
		bool taken = false;

		for (i = 0; i < b->n_vms; i++) {
			taken = taken || (b->vms[i].state == VM_RUNNING && b->vms[i].slot == slot);
			if (!next && b->vms[i].state == VM_WAITING)
				next = &b->vms[i];
		}
		if (taken || !next || meeting_slots(&b->meetings, next) > b->jobs - running)
			continue;
		if (launch(b, next, slot))
			return -1;
		running += next->state == VM_RUNNING;
	}
	return 0;
}

/* Run the matrix. 0, EXIT_FAIL, or EXIT_SIGNAL. */
static int run_matrix(struct bench *b)
{
	int i, running;

	b->progress.started = now_seconds();
	do {
		if (fill_slots(b))
			goto db_failed;
		usleep(100000);
		if (proc_interrupted) {
			progress_clear(&b->progress);
			kill_all(b, VM_INTERRUPTED, "interrupted");
			return EXIT_SIGNAL;
		}
		running = 0;
		for (i = 0; i < b->n_vms; i++) {
			struct vm *vm = &b->vms[i];

			if (vm->state != VM_RUNNING)
				continue;
			if (!vm_poll(vm, &b->plan))
				running++;
			else if (finish_vm(b, vm))
				goto db_failed;
		}
		meeting_tick(&b->meetings);
		for (i = 0; i < b->n_vms && !running && !b->stop; i++)
			running += b->vms[i].state == VM_WAITING;
		progress_show(&b->progress, &b->plan, b->vms, b->n_vms);
	} while (running);
	progress_clear(&b->progress);
	if (b->stop)
		complain("a VM failed before its first phase; the rest of the matrix is left out");
	return b->failed ? EXIT_FAIL : EXIT_OK;
db_failed:
	progress_clear(&b->progress);
	kill_all(b, VM_FAILED, "the database could not be written");
	return EXIT_FAIL;
}

/* The same load on the host. 0, EXIT_FAIL or EXIT_SIGNAL. */
static int run_native(struct bench *b)
{
	char dir[PATH_LEN], reason[REASON_LEN] = "";
	struct metrics m = {0};
	double start = now_seconds();
	int64_t row;
	int err, stored;

	snprintf(dir, sizeof(dir), "%.900s/%lld/native", b->plan.runs_dir, (long long)b->run);
	row = record_vm_begin(b->db, b->run, "native", 1, "native", "", 0, b->plan.seed, dir);
	if (row < 0)
		return EXIT_FAIL;
	progress_note(&b->progress, "native run of the load on this host");
	err = native_run(&b->plan, dir, &m, reason);
	progress_clear(&b->progress);
	if (err == EXIT_SIGNAL)
		snprintf(reason, sizeof(reason), "interrupted");
	else if (err)
		complain("the native run on this host failed: %s", reason);
	stored = record_vm_end(b->db, row,
			       err == EXIT_SIGNAL ? "interrupted"
			       : err		  ? "failed"
						  : "ok",
			       reason, now_seconds() - start, &m);
	metrics_free(&m);
	if (stored)
		return EXIT_FAIL;
	if (err && err != EXIT_SIGNAL)
		b->failed++;
	return err == EXIT_SIGNAL ? EXIT_SIGNAL : EXIT_OK;
}

/* Run everything that is planned, record, report. The exit code. */
static int bench(struct bench *b, const char *format)
{
	static struct versions v;
	const char *status, *reason;
	char summary[80];
	int code;

	if (qemu_version(b->program, "with --qemu", v.qemu, sizeof(v.qemu)) || qemu_takes_plugins(b->program))
		return EXIT_FAIL;
	find_versions(&v, &b->plan);
	b->run = record_run_begin(b->db, &b->plan, &v);
	if (b->run < 0)
		return EXIT_FAIL;
	make_matrix(b);
	meeting_begin(&b->meetings, &b->plan, b->vms, b->n_vms);
	code = b->plan.native ? run_native(b) : EXIT_OK;
	if (code == EXIT_OK)
		code = run_matrix(b);
	snprintf(summary, sizeof(summary), "%d of the runs failed", b->failed);
	status = code == EXIT_SIGNAL ? "interrupted" : code || b->failed ? "failed" : "ok";
	reason = code == EXIT_SIGNAL ? "interrupted" : b->failed ? summary : code ? "database or disk" : NULL;
	if (record_run_end(b->db, b->run, status, reason) && code == EXIT_OK)
		code = EXIT_FAIL;
	if (b->failed && code == EXIT_OK)
		code = EXIT_FAIL;
	if (code == EXIT_SIGNAL) {
		complain("interrupted; run %lld is recorded as such, its VMs are ended", (long long)b->run);
		return code;
	}
	if (report_print(b->db, b->run, format))
		return EXIT_FAIL;
	return code;
}

/* Take the scenario and everything the options change in it. 0 or an exit code. */
static int prepare(struct scenario *s, struct plan *p, struct run_options *o, const char *name)
{
	int err = scenario_take(s, name, &(struct choice){&o->set, o->config, o->phase, o->full, o->quick});

	if (err)
		return err;
	if (o->timeout)
		s->timeout = o->timeout;
	if (o->profile) {
		/* a path as the user sees it, not inside the source tree */
		char *full = realpath(o->profile, NULL);

		if (!full || strlen(full) >= sizeof(s->profile)) {
			complain("cannot read profile %s: %s", o->profile,
				 full ? "path is too long" : strerror(errno));
			free(full);
			return EXIT_USAGE;
		}
		strcpy(s->profile, full);
		free(full);
	}
	if (o->quick && !o->requests)
		o->requests = s->quick_transactions;
	err = plan_make(p, s, scenario_scale(s, o->scale, o->quick), o->seed, (int)o->repeat, o->requests);
	if (!err && kind_of(s)->ready)
		err = kind_of(s)->ready(p);
	if (!err)
		err = overlay_check(kind_of(s)->overlay);
	p->llc_variants = !o->no_llc;
	p->native = !o->no_native && kind_of(s)->native;
	p->keep_logs = o->keep_logs;
	root_path(p->runs_dir, "results/runs");
	if (o->runs) {
		char *full;

		make_dirs(o->runs);
		full = realpath(o->runs, NULL);
		if (!full && !err) {
			complain("cannot make %s: %s", o->runs, strerror(errno));
			err = EXIT_FAIL;
		}
		snprintf(p->runs_dir, sizeof(p->runs_dir), "%s", full ? full : "");
		free(full);
	}
	return err;
}

int command_run(int argc, char **argv)
{
	static struct scenario s;
	static struct bench b;
	struct run_options o = {.repeat = 1, .seed = 1, .progress = "auto", .format = "human"};
	const struct option table[] = {
		{"scale", OPT_INT, &o.scale, "N", "divide the paper's sizes by N (default: the scenario's)",
		 1, 1000000},
		{"repeat", OPT_INT, &o.repeat, "N",
		 "run the matrix N times, seeds SEED..SEED+N-1, report medians", 1, 100},
		{"seed", OPT_INT, &o.seed, "N", "seed of QEMU and the simulator (1)", 0, INT32_MAX},
		{"jobs", OPT_INT, &o.jobs, "N", "VMs at a time (host CPUs, at most 2)", 1, 64},
		{"requests", OPT_INT, &o.requests, "N", "requests per phase that does not name its own", 1,
		 INT64_MAX / 2},
		{"set", OPT_LIST, &o.set, "SECTION.KEY=VALUE",
		 "change a key of the scenario, or sim.KEY of the simulator", 0, 0},
		{"config", OPT_TEXT, &o.config, "NAME,...", "only these configs", 0, 0},
		{"phase", OPT_TEXT, &o.phase, "NAME,...", "only these phases (the population is always run)",
		 0, 0},
		{"profile", OPT_TEXT, &o.profile, "FILE", "device profile instead of the scenario's", 0, 0},
		{"qemu", OPT_TEXT, &o.qemu, "PROGRAM",
		 "QEMU to run (default: $TMBENCH_QEMU, else the scenario's)", 0, 0},
		{"db", OPT_TEXT, &o.db, "FILE", "database (results/tiermem.db)", 0, 0},
		{"runs", OPT_TEXT, &o.runs, "DIR", "where each VM's files go (results/runs)", 0, 0},
		{"timeout", OPT_INT, &o.timeout, "S", "real seconds for one VM (the scenario's: 900)", 1,
		 1000000},
		{"no-llc-sensitivity", OPT_FLAG, &o.no_llc, NULL, "leave out the VMs with another LLC", 0, 0},
		{"no-native", OPT_FLAG, &o.no_native, NULL, "leave out the native run on this host", 0, 0},
		{"full", OPT_FLAG, &o.full, NULL, "also the phases and configs that the scenario keeps for this",
		 0, 0},
		{"quick", OPT_FLAG, &o.quick, NULL, "a quick look, as the scenario's [quick] says", 0, 0},
		{"keep-logs", OPT_FLAG, &o.keep_logs, NULL, "keep the initrd of VMs that ended well, too", 0,
		 0},
		{"progress", OPT_CHOICE, &o.progress, "auto|always|never", "progress line on stderr", 0, 0},
		{"format", OPT_CHOICE, &o.format, "human|json|csv", "format of the report", 0, 0},
		{0},
	};
	char db[PATH_LEN];
	struct list operands = {0};
	int code = options_parse(table, "tmbench run SCENARIO [options]", argc, argv, &operands);

	if (code)
		return code;
	if (operands.n != 1) {
		char *known = scenario_names();

		complain("run takes one scenario; there are: %s", known);
		free(known);
		return EXIT_USAGE;
	}
	code = prepare(&s, &b.plan, &o, operands.v[0]);
	if (code)
		goto out;
	b.program = o.qemu ? o.qemu : getenv("TMBENCH_QEMU") ? getenv("TMBENCH_QEMU") : s.qemu;
	b.jobs = o.jobs ? (int)o.jobs : proc_cpus() < 2 ? 1 : 2;
	if (b.jobs < share_together(&s)) {
		if (o.jobs) {
			complain("--jobs %d: %s runs %d VMs together", b.jobs, s.name, share_together(&s));
			code = EXIT_USAGE;
			goto out;
		}
		b.jobs = share_together(&s);
	}
	default_db(db);
	b.db = record_open(o.db ? o.db : db);
	code = EXIT_FAIL;
	if (!b.db)
		goto out;
	progress_start(&b.progress, o.progress);
	code = bench(&b, o.format);
	sqlite3_close(b.db);
	meeting_end(&b.meetings);
	free(b.vms);
out:
	text_free(&s.overrides);
	return code;
}
