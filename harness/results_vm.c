/* The result channel's frames ("@@begin KIND NAME", a document, "@@end") and what makes a VM's results complete. */
#include "harness/kind.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Take carriage returns out, in place. */
static void strip_returns(char *s)
{
	char *to = s;

	for (; *s; s++)
		if (*s != '\r')
			*to++ = *s;
	*to = '\0';
}

/* Walk the frames of the result channel. 0 or -1 with the REASON. */
static int frames(struct metrics *m, const struct kind *k, char *log, char *reason)
{
	char *at = log, *doc, *end, *name;

	for (;;) {
		at = strstr(at, "@@begin ");
		if (!at)
			return 0;
		at += strlen("@@begin ");
		doc = strchr(at, '\n');
		end = doc ? strstr(doc, "\n@@end") : NULL;
		if (!end) {
			snprintf(reason, REASON_LEN, "the result channel ends within a document");
			return -1;
		}
		*doc++ = '\0';
		if (end < doc)
			end = doc;
		else
			*end++ = '\0';
		name = strchr(at, ' ');
		if (name)
			*name++ = '\0';
		if (k->document(m, at, name ? name : "", doc, reason))
			return -1;
		at = end;
	}
}

int results_vm(struct metrics *m, const struct plan *p, const struct vm *vm, char *reason)
{
	const struct kind *k = kind_of(p->s);
	char path[PATH_LEN + 32];
	char *log;
	int err, i;

	snprintf(path, sizeof(path), "%s/results.log", vm->dir);
	log = read_file(path, NULL);
	if (!log) {
		snprintf(reason, REASON_LEN, "no results: %s", strerror(errno));
		return -1;
	}
	strip_returns(log);
	err = frames(m, k, log, reason);
	free(log);
	snprintf(path, sizeof(path), "%s/stats.jsonl", vm->dir);
	if (!err)
		err = results_sim(m, p, vm, path, reason);
	if (!err && k->collect)
		err = k->collect(m, p, vm, reason);
	metrics_add(m, vm_part(vm), "vm_ram", "bytes", (double)plan_ram(p, vm->config, vm->database));
	for (i = 0; i < p->s->n_phases && !err; i++)
		if (vm_runs(vm, &p->s->phases[i]))
			err = k->complete(m, vm->config, p->s->phases[i].name, reason);
	return err;
}
