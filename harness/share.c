#include "harness/share.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int64_t share_quota(const char *quota, const char *config)
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
		if (i < s->n_configs && share_quota(p, config) >= 0)
			continue;
		complain("%s: [phase %s] quota = %s: write CONFIG:SIZE words, with the names of configs with "
			 "tiermem",
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
			q = ph ? share_quota(ph->quota, s->configs[c].name) : s->configs[c].dram;
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

void share_compare(struct vm *vms, int n, struct vm *vm)
{
	int i;

	if (vm->state != VM_OK || !metrics_get(&vm->metrics, vm_part(vm), "tables_checksum", &vm->checksum))
		return;
	for (i = 0; i < n; i++) {
		const struct vm *other = &vms[i];

		if (other == vm || other->state != VM_OK || other->database != vm->database ||
		    other->checksum == vm->checksum)
			continue;
		snprintf(vm->reason, sizeof(vm->reason), "its tables are not those of %s",
			 other->config->name);
		vm->state = VM_FAILED;
	}
}

void share_parameters(const struct plan *p, void (*add)(void *to, const char *name, const char *value),
		      void *to)
{
	char value[24];

	if (!p->s->budget)
		return;
	snprintf(value, sizeof(value), "%lld", (long long)(p->s->budget / p->scale));
	add(to, "dram_budget", value);
}
