/*
 * Work is counted in requests: a VM costs boot_work of its kind plus the requests of its phases. Within a phase nothing is known, so it
 * is taken to advance at the average speed so far, up to 95 % of the phase.
 */
#include "harness/progress.h"
#include "harness/kind.h"

#include <string.h>
#include <unistd.h>

void progress_start(struct progress *pr, const char *mode)
{
	*pr = (struct progress){.started = now_seconds()};
	pr->on = !strcmp(mode, "always") || (!strcmp(mode, "auto") && isatty(STDERR_FILENO));
}

void progress_clear(struct progress *pr)
{
	if (pr->shown)
		fputs("\r\033[K", stderr);
	pr->shown = false;
	pr->last = 0;
}

void progress_note(struct progress *pr, const char *what)
{
	if (!pr->on)
		return;
	fprintf(stderr, "\r\033[K%s", what);
	pr->shown = true;
}

/* Work of one VM, all of it. */
static double total_work(const struct plan *p, const struct vm *vm)
{
	double work = kind_of(p->s)->boot_work;
	int i;

	for (i = 0; i < p->s->n_phases; i++)
		if (vm_runs(vm, &p->s->phases[i]))
			work += (double)plan_requests(p, &p->s->phases[i], vm->variant != NULL);
	return work;
}

/* Work a running VM has surely done; the size of what it is at in CURRENT. */
static double done_work(const struct plan *p, const struct vm *vm, double *current)
{
	double work = kind_of(p->s)->boot_work;
	int i;

	*current = work;
	if (!vm->phase[0])
		return 0;
	for (i = 0; i < p->s->n_phases; i++) {
		const struct phase *ph = &p->s->phases[i];

		if (!vm_runs(vm, ph))
			continue;
		*current = (double)plan_requests(p, ph, vm->variant != NULL);
		if (!strcmp(ph->name, vm->phase))
			break;
		work += *current;
	}
	return work;
}

/* Real seconds as a person says them. */
static void say_time(char *out, size_t size, double s)
{
	if (s < 90)
		snprintf(out, size, "%.0f s", s);
	else if (s < 5400)
		snprintf(out, size, "%.0f min", s / 60);
	else
		snprintf(out, size, "%.1f h", s / 3600);
}

void progress_show(struct progress *pr, const struct plan *p, const struct vm *vms, int n)
{
	double now = now_seconds(), total = 0, sure = 0, guess = 0, speed, current;
	char eta[24] = "?";
	struct text t = {0};
	int i, running = 0, started = 0;

	if (!pr->on || now - pr->last < 0.5)
		return;
	pr->last = now;
	for (i = 0; i < n; i++) {
		running += vms[i].state == VM_RUNNING;
		started += vms[i].state != VM_WAITING;
		total += total_work(p, &vms[i]);
		if (vms[i].state == VM_RUNNING)
			sure += done_work(p, &vms[i], &current);
		else if (vms[i].state != VM_WAITING)
			sure += total_work(p, &vms[i]);
	}
	speed = now > pr->started && running ? sure / (now - pr->started) / running : 0;
	for (i = 0; i < n; i++) {
		double part = 0, since;

		if (vms[i].state != VM_RUNNING)
			continue;
		done_work(p, &vms[i], &current);
		since = now - (vms[i].phase[0] ? vms[i].phase_started : vms[i].started);
		part = speed > 0 ? since * speed : 0;
		if (part > 0.95 * current)
			part = 0.95 * current;
		guess += part;
		text_add(&t, "%s%s%s%s%s%s: %s%s", t.len ? " | " : "", vm_part(&vms[i]),
			 vms[i].database ? " " : "", vms[i].config->name,
			 vms[i].variant ? " LLC " : "", vms[i].variant ? vms[i].variant->name : "",
			 vms[i].phase[0] ? "phase " : "", vms[i].phase[0] ? vms[i].phase : "booting");
	}
	if (!running)
		return;
	if (sure > 0)
		say_time(eta, sizeof(eta), (now - pr->started) * (total - sure - guess) / (sure + guess));
	fprintf(stderr, "\r\033[K[%d/%d] %s · %.0f %% · ETA %s", started, n, t.s ? t.s : "",
		100 * (sure + guess) / total, eta);
	fflush(stderr);
	pr->shown = true;
	text_free(&t);
}
