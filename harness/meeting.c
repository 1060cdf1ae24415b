#include "harness/meeting.h"
#include "harness/proc.h"
#include "harness/share.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define LOOK_MEETING 0.3 /* real seconds between two looks at the VMs' statistics */
#define LOOK_AFTER   2

/* One `tiermem quota`. */
struct order {
	struct vm *vm;
	int64_t bytes;
};

struct group {
	struct vm *vms; /* in a row */
	int n;
	int met;		   /* meetings that are over */
	const struct phase *phase; /* of the next one, NULL: there is none */
	/* of the present one: first those who give, then those who get */
	struct order orders[MAX_CONFIGS];
	int n_orders, turn; /* turn -1: not begun */
	pid_t asking;	    /* the client of the order whose turn it is; 0: none runs */
	bool asked;
	double least, progress;		  /* DRAM of who gives, and when it last became less */
	double looked, answered, highest; /* answered 0: nobody was asked in this meeting */
};

/* The phase of the next meeting, after PH (NULL: the first). */
static const struct phase *next_meeting(const struct meetings *all, const struct group *g,
					const struct phase *ph)
{
	const struct scenario *s = all->plan->s;
	const struct phase *end = s->phases + s->n_phases;

	for (ph = ph ? ph + 1 : s->phases; ph < end; ph++)
		if (share_meets_before(g->vms, ph))
			return ph;
	return NULL;
}

void meeting_begin(struct meetings *all, const struct plan *p, struct vm *vms, int n)
{
	int i;

	*all = (struct meetings){.plan = p};
	all->groups = must_realloc(NULL, sizeof(*all->groups) * (size_t)(n + 1));
	for (i = 0; i < n; i++) {
		struct group *g = all->n_groups ? &all->groups[all->n_groups - 1] : NULL;

		vms[i].group = -1;
		if (!p->s->budget || !vms[i].config->tiermem)
			continue;
		if (!g || g->vms->repeat != vms[i].repeat || g->vms->variant != vms[i].variant ||
		    g->vms->database != vms[i].database) {
			g = &all->groups[all->n_groups++];
			*g = (struct group){.vms = &vms[i], .turn = -1};
			g->phase = next_meeting(all, g, NULL);
		}
		vms[i].group = all->n_groups - 1;
		g->n = (int)(&vms[i] - g->vms) +
		       1; /* with a baseline in between, if that is where it stands */
	}
}

void meeting_end(struct meetings *all)
{
	int i;

	for (i = 0; i < all->n_groups; i++)
		if (all->groups[i].asking > 0)
			proc_end(all->groups[i].asking, 0);
	free(all->groups);
	*all = (struct meetings){0};
}

/* The next VM of a group after VM (NULL: the first); NULL: no more. */
static struct vm *member(const struct group *g, struct vm *vm)
{
	for (vm = vm ? vm + 1 : g->vms; vm < g->vms + g->n; vm++)
		if (vm->group == g->vms->group)
			return vm;
	return NULL;
}

int meeting_slots(const struct meetings *all, const struct vm *vm)
{
	struct vm *m = NULL;
	int n = 0;

	if (vm->group < 0)
		return 1;
	while ((m = member(&all->groups[vm->group], m)) != NULL) {
		if (m->state != VM_WAITING)
			return 1; /* it has begun */
		n++;
	}
	return n;
}

/* A meeting cannot be held: its VMs are to end. */
static void fail(struct group *g, const char *fmt, ...)
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
static bool look_at_all(struct meetings *all, struct group *g, bool keep)
{
	int64_t dram = 0, quotas = 0, budget = all->plan->s->budget / all->plan->scale;
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
static void give_orders(struct meetings *all, struct group *g)
{
	struct vm *vm;
	int pass;

	g->n_orders = g->turn = 0;
	for (pass = 0; pass < 2; pass++) {
		for (vm = member(g, NULL); vm; vm = member(g, vm)) {
			int64_t bytes = share_quota(g->phase->quota, vm->config->name);

			if (bytes < 0)
				continue;
			bytes = plan_quota(all->plan, vm->config, bytes);
			if (pass ? bytes > vm->quota : bytes < vm->quota)
				g->orders[g->n_orders++] = (struct order){vm, bytes};
		}
	}
}

/* Start `tiermem quota` of the order whose turn it is. */
static void start_order(struct group *g, const struct order *o, double now)
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
static void refused(struct group *g, const struct order *o)
{
	char path[PATH_LEN + 64], *said;

	snprintf(path, sizeof(path), "%s/quota.log", o->vm->dir);
	said = read_file(path, NULL);
	fail(g, "%s refused its quota: %.*s", o->vm->config->name, (int)strcspn(said ? said : "", "\n"),
	     said ? said : "");
	free(said);
}

/* Go on with the order whose turn it is, after a look. True: it is carried out. */
static bool carry_out(struct meetings *all, struct group *g, struct order *o, double now)
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
	if (now - g->progress > (double)all->plan->s->stall) {
		format_size(has, (double)o->vm->dram);
		format_size(may, (double)o->bytes);
		fail(g, "%s still has %s in DRAM, more than its quota of %s", o->vm->config->name, has, may);
	}
	return false;
}

/* The meeting is over. */
static void dismiss(struct meetings *all, struct group *g)
{
	struct vm *vm = NULL;

	while ((vm = member(g, vm)) != NULL)
		if (write(vm->go, "go\n", 3) != 3) {
			fail(g, "cannot write to the serial port of %s: %s", vm->config->name,
			     strerror(errno));
			return;
		}
	g->met++;
	g->turn = -1;
	g->answered = 0;
	g->phase = next_meeting(all, g, g->phase);
}

/* Whether a group is all there: 1 in a meeting, 0 not. When one is gone that was to come, the others fail. */
static bool present(struct group *g)
{
	struct vm *vm = NULL;
	bool all = true;

	while ((vm = member(g, vm)) != NULL) {
		if (g->phase && vm->state > VM_RUNNING) {
			fail(g, "%s, with which it shares DRAM, ended before their meeting was over",
			     vm->config->name);
			return false;
		}
		all = all && vm->state == VM_RUNNING && (!g->phase || vm->meetings > g->met);
	}
	return all;
}

static void tick(struct meetings *all, struct group *g, double now)
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
	if (!look_at_all(all, g, g->phase && g->turn < 0)) {
		if (g->phase && now - g->answered > (double)all->plan->s->stall)
			fail(g, "tiermem in a VM that shares DRAM does not answer");
		return;
	}
	g->answered = now;
	if (!g->phase)
		return;
	if (g->turn < 0)
		give_orders(all, g);
	if (g->turn < g->n_orders && carry_out(all, g, &g->orders[g->turn], now))
		g->turn++;
	if (g->phase && g->turn == g->n_orders)
		dismiss(all, g);
}

void meeting_tick(struct meetings *all)
{
	int i;

	for (i = 0; i < all->n_groups; i++)
		tick(all, &all->groups[i], now_seconds());
}
