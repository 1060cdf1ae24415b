#include "harness/share.h"
#include "harness/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define LOOK_MEETING 0.3 /* real seconds between two looks at the VMs' statistics */
#define LOOK_AFTER   2

/* One `tiermem quota`. */
struct order {
	struct vm *vm;
	int64_t bytes;
};

struct share_group {
	struct vm *vms; /* in a row */
	int n;
	int met;		    /* meetings that are over */
	const struct phase *phase; /* of the next one, NULL: there is none */
	/* of the present one: first those who give, then those who get */
	struct order orders[MAX_CONFIGS];
	int n_orders, turn; /* turn -1: not begun */
	pid_t asking;	    /* the client of the order whose turn it is; 0: none runs */
	bool asked;
	double least, progress; /* DRAM of who gives, and when it last became less */
	double looked, answered, highest; /* answered 0: nobody was asked in this meeting */
};

/* The quota that QUOTA, as in a scenario, gives a config: unscaled bytes. -1: none. */
static int64_t quota_for(const char *quota, const char *config)
{
	size_t len = strlen(config);
	char size[TEXT_LEN];
	int64_t bytes;
	const char *p;

	for (p = quota; *p; p += strcspn(p, " "), p += strspn(p, " ")) {
		if (strncmp(p, config, len) != 0 || p[len] != ':')
			continue;
		snprintf(size, sizeof(size), "%.*s", (int)strcspn(p + len + 1, " "), p + len + 1);
		return parse_size(size, &bytes) ? -1 : bytes;
	}
	return -1;
}

/* Whether a config has a part of the budget. */
static bool takes_part(const struct config *c)
{
	return c->tiermem && c->selected;
}

/* A phase's name as the file has it. */
static const char *name_in_file(const struct phase *ph)
{
	return ph->name + (ph->database[0] ? strlen(ph->database) + 1 : 0);
}

/* The words of a phase's quota: each a config with tiermem and a size. 0 or EXIT_USAGE. */
static int check_words(const struct scenario *s, const struct phase *ph)
{
	char config[TEXT_LEN];
	const char *p;
	int i;

	for (p = ph->quota; *p; p += strcspn(p, " "), p += strspn(p, " ")) {
		snprintf(config, sizeof(config), "%.*s", (int)strcspn(p, ": "), p);
		for (i = 0; i < s->n_configs; i++)
			if (s->configs[i].tiermem && !strcmp(s->configs[i].name, config))
				break;
		if (i < s->n_configs && quota_for(p, config) >= 0)
			continue;
		complain("%s: [phase %s] quota = %s: write CONFIG:SIZE words, with the names of configs with tiermem",
			 s->file, name_in_file(ph), ph->quota);
		return EXIT_USAGE;
	}
	return 0;
}

/* Follow the quotas of one database's VMs through its phases: never more than the budget. 0 or EXIT_USAGE. */
static int check_sums(const struct scenario *s, const char *database)
{
	int64_t quotas[MAX_CONFIGS], sum, q;
	char all[24], budget[24];
	int p, c;

	for (p = -1; p < s->n_phases; p++) {
		const struct phase *ph = p < 0 ? NULL : &s->phases[p];

		if (ph && (!ph->selected || strcmp(ph->database, database) != 0))
			continue;
		for (c = 0, sum = 0; c < s->n_configs; c++) {
			q = ph ? quota_for(ph->quota, s->configs[c].name) : s->configs[c].dram;
			if (q >= 0)
				quotas[c] = q;
			sum += takes_part(&s->configs[c]) ? quotas[c] : 0;
		}
		if (sum <= s->budget)
			continue;
		format_size(all, (double)sum);
		format_size(budget, (double)s->budget);
		if (ph)
			complain("%s: [phase %s] quota = %s: %s together are more than [share] budget, %s",
				 s->file, name_in_file(ph), ph->quota, all, budget);
		else
			complain("%s: dram of the configs: %s together are more than [share] budget, %s",
				 s->file, all, budget);
		return EXIT_USAGE;
	}
	return 0;
}

int share_check(const struct scenario *s)
{
	int i;

	for (i = 0; i < s->n_phases; i++) {
		const struct phase *ph = &s->phases[i];

		if (ph->quota[0] && !s->budget)
			return scenario_lacks(s, "[share] budget, which a phase with quota needs,");
		if (s->budget && strstr(ph->test, "write")) {
			complain("%s: [phase %s] test = %s: VMs that share DRAM only read, so that their "
				 "tables can be compared",
				 s->file, name_in_file(ph), ph->test);
			return EXIT_USAGE;
		}
		if (check_words(s, ph))
			return EXIT_USAGE;
	}
	for (i = 0; s->budget && i < s->n_databases; i++)
		if (check_sums(s, s->databases[i].name))
			return EXIT_USAGE;
	return 0;
}

int share_together(const struct scenario *s)
{
	int i, n = 0;

	for (i = 0; i < s->n_configs && s->budget; i++)
		n += takes_part(&s->configs[i]);
	return n;
}

bool share_meets_before(const struct vm *vm, const struct phase *ph)
{
	return ph->quota[0] && vm->config->tiermem && vm_runs(vm, ph);
}

bool share_meets(const struct vm *vm, const struct scenario *s)
{
	int i;

	for (i = 0; i < s->n_phases; i++)
		if (share_meets_before(vm, &s->phases[i]))
			return true;
	return false;
}

/* The VM's end of the pipe is DIR/go, which QEMU opens as DIR/go.in and DIR/go.out. */
static void port_path(char *path, const struct vm *vm, const char *end)
{
	snprintf(path, PATH_LEN + 64, "%s/go.%s", vm->dir, end);
}

int share_open(struct vm *vm)
{
	char in[PATH_LEN + 64], out[PATH_LEN + 64];

	port_path(in, vm, "in");
	port_path(out, vm, "out");
	unlink(in);
	unlink(out);
	if (mkfifo(in, 0600) || mkfifo(out, 0600))
		return -errno;
	vm->go = open(in, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	return vm->go < 0 ? -errno : 0;
}

void share_close(struct vm *vm)
{
	char path[PATH_LEN + 64];

	if (vm->go < 0)
		return;
	close(vm->go);
	vm->go = -1;
	port_path(path, vm, "in");
	unlink(path);
	port_path(path, vm, "out");
	unlink(path);
}

/* The phase of the next meeting, after PH (NULL: the first). */
static const struct phase *next_meeting(const struct share *sh, const struct share_group *g, const struct phase *ph)
{
	const struct scenario *s = sh->plan->s;
	const struct phase *end = s->phases + s->n_phases;

	for (ph = ph ? ph + 1 : s->phases; ph < end; ph++)
		if (share_meets_before(g->vms, ph))
			return ph;
	return NULL;
}

void share_begin(struct share *sh, const struct plan *p, struct vm *vms, int n)
{
	int i;

	*sh = (struct share){.plan = p};
	sh->groups = must_realloc(NULL, sizeof(*sh->groups) * (size_t)(n + 1));
	for (i = 0; i < n; i++) {
		struct share_group *g = sh->n_groups ? &sh->groups[sh->n_groups - 1] : NULL;

		vms[i].group = -1;
		if (!p->s->budget || !vms[i].config->tiermem)
			continue;
		if (!g || g->vms->repeat != vms[i].repeat || g->vms->variant != vms[i].variant ||
		    g->vms->database != vms[i].database) {
			g = &sh->groups[sh->n_groups++];
			*g = (struct share_group){.vms = &vms[i], .turn = -1};
			g->phase = next_meeting(sh, g, NULL);
		}
		vms[i].group = sh->n_groups - 1;
		g->n = (int)(&vms[i] - g->vms) + 1; /* with a baseline in between, if that is where it stands */
	}
}

void share_end(struct share *sh)
{
	int i;

	for (i = 0; i < sh->n_groups; i++)
		if (sh->groups[i].asking > 0)
			proc_end(sh->groups[i].asking, 0);
	free(sh->groups);
	*sh = (struct share){0};
}

/* The next VM of a group after VM (NULL: the first); NULL: no more. */
static struct vm *member(const struct share_group *g, struct vm *vm)
{
	for (vm = vm ? vm + 1 : g->vms; vm < g->vms + g->n; vm++)
		if (vm->group == g->vms->group)
			return vm;
	return NULL;
}

int share_slots(const struct share *sh, const struct vm *vm)
{
	struct vm *m = NULL;
	int n = 0;

	if (vm->group < 0)
		return 1;
	while ((m = member(&sh->groups[vm->group], m)) != NULL) {
		if (m->state != VM_WAITING)
			return 1; /* it has begun */
		n++;
	}
	return n;
}

/* A meeting cannot be held: its VMs are to end. */
static void fail(struct share_group *g, const char *fmt, ...)
{
	char reason[REASON_LEN];
	struct vm *vm = NULL;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(reason, sizeof(reason), fmt, ap);
	va_end(ap);
	while ((vm = member(g, vm)) != NULL)
		snprintf(vm->unwanted, sizeof(vm->unwanted), "%s", reason);
	g->phase = NULL;
}

/* Ask a VM's tiermem where its memory is; the answer goes to DOC. */
static bool look(struct vm *vm, char *doc, size_t size)
{
	char program[PATH_LEN], pid[24];
	char *argv[] = {program, "stats", pid, "--json", NULL};
	json_t *root, *dram, *quota;
	json_error_t e;
	bool ok;

	root_path(program, "build/bin/tiermem");
	snprintf(pid, sizeof(pid), "%d", (int)vm->pid);
	if (proc_capture(argv, doc, size) != 0)
		return false;
	root = json_loads(doc, 0, &e);
	quota = json_object_get(root, "dram_quota_bytes");
	dram = json_object_get(json_object_get(json_object_get(root, "tiers"), "dram"), "bytes");
	ok = json_is_integer(quota) && json_is_integer(dram);
	if (ok) {
		vm->quota = json_integer_value(quota);
		vm->dram = json_integer_value(dram);
	}
	json_decref(root);
	return ok;
}

/* Look at all VMs of a group; at the begin of a meeting their statistics are kept. False: one does not answer (now). */
static bool look_at_all(struct share *sh, struct share_group *g, bool keep)
{
	int64_t dram = 0, quotas = 0, budget = sh->plan->s->budget / sh->plan->scale;
	char path[PATH_LEN + 64], has[24], may[24];
	static char doc[32768];
	struct vm *vm = NULL;

	while ((vm = member(g, vm)) != NULL) {
		if (!look(vm, doc, sizeof(doc)))
			return false;
		dram += vm->dram;
		quotas += vm->quota;
		snprintf(path, sizeof(path), "%s/tiermem-%s.json", vm->dir, vm->phase);
		if (keep && vm->phase[0] && write_file(path, doc, strlen(doc), 0644))
			return false;
	}
	if ((double)dram > g->highest)
		g->highest = (double)dram;
	while ((vm = member(g, vm)) != NULL)
		vm->highest = g->highest;
	if (dram > budget || quotas > budget) {
		format_size(has, (double)(dram > budget ? dram : quotas));
		format_size(may, (double)budget);
		fail(g, "DRAM that is shared: the VMs %s %s together, and the budget is %s",
		     dram > budget ? "had" : "were to have", has, may);
		return false;
	}
	return true;
}

/* Make the list of orders: who gives before who gets. */
static void give_orders(struct share *sh, struct share_group *g)
{
	struct vm *vm;
	int pass;

	g->n_orders = g->turn = 0;
	for (pass = 0; pass < 2; pass++) {
		for (vm = member(g, NULL); vm; vm = member(g, vm)) {
			int64_t bytes = quota_for(g->phase->quota, vm->config->name);

			if (bytes < 0)
				continue;
			bytes = plan_quota(sh->plan, vm->config, bytes);
			if (pass ? bytes > vm->quota : bytes < vm->quota)
				g->orders[g->n_orders++] = (struct order){vm, bytes};
		}
	}
}

/* Start `tiermem quota` of the order whose turn it is. */
static void start_order(struct share_group *g, const struct order *o, double now)
{
	char program[PATH_LEN], pid[24], bytes[24], out[PATH_LEN + 64];
	char *argv[] = {program, "quota", pid, bytes, NULL};
	struct spawn s = {.argv = argv, .out = out, .err = out, .cpu = -1};

	root_path(program, "build/bin/tiermem");
	snprintf(pid, sizeof(pid), "%d", (int)o->vm->pid);
	snprintf(bytes, sizeof(bytes), "%lld", (long long)o->bytes);
	snprintf(out, sizeof(out), "%s/quota.log", o->vm->dir);
	g->asking = proc_start(&s);
	g->asked = true;
	g->least = INFINITY;
	g->progress = now;
	if (g->asking < 0)
		fail(g, "cannot start %s: %s", program, strerror(-g->asking));
}

/* What the client of an order said, if it was refused. */
static void refused(struct share_group *g, const struct order *o)
{
	char path[PATH_LEN + 64], *said;

	snprintf(path, sizeof(path), "%s/quota.log", o->vm->dir);
	said = read_file(path, NULL);
	fail(g, "%s refused its quota: %.*s", o->vm->config->name, (int)strcspn(said ? said : "", "\n"), said ? said : "");
	free(said);
}

/* Go on with the order whose turn it is, after a look. True: it is carried out. */
static bool carry_out(struct share *sh, struct share_group *g, struct order *o, double now)
{
	char has[24], may[24];

	if (!g->asked) {
		start_order(g, o, now);
		return false;
	}
	if (g->asking > 0) {
		if (waitpid(g->asking, NULL, WNOHANG) == g->asking)
			g->asking = 0; /* what it did is seen by the next look */
		return false;
	}
	if (o->vm->quota != o->bytes) {
		refused(g, o);
		return false;
	}
	if (o->vm->dram <= o->bytes) {
		g->asked = false;
		return true;
	}
	if ((double)o->vm->dram < g->least) {
		g->least = (double)o->vm->dram;
		g->progress = now;
	}
	if (now - g->progress > (double)sh->plan->s->stall) {
		format_size(has, (double)o->vm->dram);
		format_size(may, (double)o->bytes);
		fail(g, "%s still has %s in DRAM, more than its quota of %s", o->vm->config->name, has, may);
	}
	return false;
}

/* The meeting is over. */
static void dismiss(struct share *sh, struct share_group *g)
{
	struct vm *vm = NULL;

	while ((vm = member(g, vm)) != NULL)
		if (write(vm->go, "go\n", 3) != 3) {
			fail(g, "cannot write to the serial port of %s: %s", vm->config->name, strerror(errno));
			return;
		}
	g->met++;
	g->turn = -1;
	g->answered = 0;
	g->phase = next_meeting(sh, g, g->phase);
}

/* Whether a group is all there: 1 in a meeting, 0 not. When one is gone that was to come, the others fail. */
static bool present(struct share_group *g)
{
	struct vm *vm = NULL;
	bool all = true;

	while ((vm = member(g, vm)) != NULL) {
		if (g->phase && vm->state > VM_RUNNING) {
			fail(g, "%s, with which it shares DRAM, ended before their meeting was over", vm->config->name);
			return false;
		}
		all = all && vm->state == VM_RUNNING && (!g->phase || vm->meetings > g->met);
	}
	return all;
}

static void tick(struct share *sh, struct share_group *g, double now)
{
	bool here = present(g);

	if (!here || (!g->phase && !g->met))
		return;
	if (!g->phase && now - g->looked < LOOK_AFTER)
		return;
	if (!g->answered)
		g->answered = now;
	if (now - g->looked < LOOK_MEETING)
		return;
	g->looked = now;
	if (!look_at_all(sh, g, g->phase && g->turn < 0)) {
		if (g->phase && now - g->answered > (double)sh->plan->s->stall)
			fail(g, "tiermem in a VM that shares DRAM does not answer");
		return;
	}
	g->answered = now;
	if (!g->phase)
		return;
	if (g->turn < 0)
		give_orders(sh, g);
	if (g->turn < g->n_orders && carry_out(sh, g, &g->orders[g->turn], now))
		g->turn++;
	if (g->phase && g->turn == g->n_orders)
		dismiss(sh, g);
}

void share_tick(struct share *sh)
{
	int i;

	for (i = 0; i < sh->n_groups; i++)
		tick(sh, &sh->groups[i], now_seconds());
}

int share_results(struct metrics *m, const struct plan *p, const struct vm *vm, char *reason)
{
	const struct phase *last = NULL;
	char path[PATH_LEN + 64], *doc;
	double errors = 0;
	int i, err = 0;

	if (!p->s->budget)
		return 0;
	for (i = 0; i < p->s->n_phases; i++)
		if (vm_runs(vm, &p->s->phases[i]))
			last = &p->s->phases[i];
	for (i = 0; i < p->s->n_phases && !err; i++) {
		const struct phase *ph = &p->s->phases[i];

		if (!vm_runs(vm, ph))
			continue;
		if (metrics_get(m, ph->name, "errors", &errors) && errors > 0) {
			snprintf(reason, REASON_LEN, "phase %s: sysbench met %.0f errors", ph->name, errors);
			return -1;
		}
		if (ph == last)
			snprintf(path, sizeof(path), "%s/tiermem.json", vm->dir);
		else
			snprintf(path, sizeof(path), "%s/tiermem-%s.json", vm->dir, ph->name);
		doc = vm->config->tiermem ? read_file(path, NULL) : NULL;
		if (doc)
			err = results_tiermem(m, ph->name, doc, reason);
		free(doc);
	}
	if (vm->config->tiermem)
		metrics_add(m, vm_part(vm), "dram_together_highest", "bytes", vm->highest);
	return err;
}
