/* What a scenario must fulfil as a whole, and the choice of configs and phases from the command line. */
#include "harness/scenario.h"

#include <stdlib.h>
#include <string.h>

/* Whether NAME is one of the words in LIST (separated by spaces or commas). */
static bool in_list(const char *list, const char *name)
{
	size_t len = strlen(name);
	const char *p = list;

	while (*p) {
		size_t n = strcspn(p, " ,");

		if (n == len && strncmp(p, name, len) == 0)
			return true;
		p += n;
		p += strspn(p, " ,");
	}
	return false;
}

bool config_bound_covers(const struct config *c, const char *phase)
{
	return c->bound > 0 && (!c->bound_phases[0] || in_list(c->bound_phases, phase));
}

/* Whether a phase's number of requests is understood. */
static bool requests_valid(const char *r)
{
	char *end;
	double v;

	if (!strcmp(r, "default") || !strcmp(r, "allkeys"))
		return true;
	v = strtod(r, &end);
	return end != r && v > 0 && (!*end || !strcmp(end, "x"));
}

/* Complain about a key that a scenario needs and has not. */
static int lacks(const struct scenario *s, const char *key)
{
	complain("%s: %s is missing", s->file, key);
	return EXIT_USAGE;
}

int scenario_check(const struct scenario *s)
{
	bool found = false, populates = false;
	int i;

	if (!s->name[0])
		return lacks(s, "[scenario] name");
	if (strcmp(s->kind, "redis-inside") != 0) {
		complain("%s: [scenario] kind = %s: this tmbench knows redis-inside", s->file, s->kind);
		return EXIT_USAGE;
	}
	if (!s->default_scale)
		return lacks(s, "[scale] default");
	if (!s->qemu[0] || !s->machine[0] || !s->cpu[0] || !s->kernel[0] || !s->initrd[0] || !s->root[0] ||
	    !s->append[0] || !s->plugin[0] || !s->profile[0] || !s->rtc[0])
		return lacks(s, "one of [vm] qemu machine cpu kernel initrd root append rtc plugin profile");
	if (!s->vcpus || !s->ram || !s->pmem || !s->timeout || !s->stall)
		return lacks(s, "one of [vm] vcpus ram pmem timeout stall");
	if (!s->load_cpus[0] || strspn(s->load_cpus, "0123456789-,") != strlen(s->load_cpus))
		return lacks(s, "[cpus] load (a list such as 3-7)");
	if (s->server_cpu >= s->vcpus || s->background_cpu >= s->vcpus) {
		complain("%s: [cpus] names a vCPU that [vm] vcpus = %d does not have", s->file,
			 (int)s->vcpus);
		return EXIT_USAGE;
	}
	if (!s->data || !s->value || !s->bytes_per_key || !s->requests || !s->requests_floor)
		return lacks(s, "one of [load] data value bytes_per_key requests requests_floor");
	if (!s->native_clients)
		return lacks(s, "[native] clients");
	if (s->n_configs == 0 || s->n_phases == 0)
		return lacks(s, "a [config NAME] or a [phase NAME]");
	for (i = 0; i < s->n_configs; i++)
		found = found || strcmp(s->configs[i].name, s->baseline) == 0;
	if (!found) {
		complain("%s: [scenario] baseline = %s: there is no such config", s->file, s->baseline);
		return EXIT_USAGE;
	}
	for (i = 0; i < s->n_configs; i++) {
		const struct config *c = &s->configs[i];

		if (!strcmp(c->name, "native") || (c->granule & (c->granule - 1))) {
			complain("%s: [config %s]: %s", s->file, c->name,
				 (c->granule & (c->granule - 1))
					 ? "granule must be a power of two"
					 : "the name is taken by the run on the host");
			return EXIT_USAGE;
		}
	}
	for (i = 0; i < s->n_phases; i++) {
		const struct phase *p = &s->phases[i];

		if (!p->ratio[0] || strspn(p->ratio, "0123456789:") != strlen(p->ratio) ||
		    !p->key_pattern[0] || strspn(p->key_pattern, "RSPGZ:") != strlen(p->key_pattern)) {
			complain(
				"%s: [phase %s] needs ratio = SET:GET and key_pattern = SET:GET of R S P G Z",
				s->file, p->name);
			return EXIT_USAGE;
		}
		if (!requests_valid(p->requests)) {
			complain("%s: [phase %s] requests = %s: write default, allkeys, a number or Nx (of "
				 "the keys)",
				 s->file, p->name, p->requests);
			return EXIT_USAGE;
		}
		populates = populates || !strcmp(p->requests, "allkeys");
	}
	if (!populates)
		return lacks(s, "a phase with requests = allkeys");
	return 0;
}

/* Complain that NAME is none of the scenario's; NAMES lists them. */
static int not_among(const struct scenario *s, const char *what, const char *name, struct text *names)
{
	complain("%s: unknown %s '%s'; there are: %s", s->name, what, name, names->s);
	text_free(names);
	return EXIT_USAGE;
}

int scenario_select_configs(struct scenario *s, const char *names)
{
	char *copy = must_strdup(names), *save = NULL, *w;
	struct text all = {0};
	int i, err = 0;

	for (i = 0; i < s->n_configs; i++) {
		s->configs[i].selected = false;
		text_add(&all, "%s%s", i ? ", " : "", s->configs[i].name);
	}
	for (w = strtok_r(copy, ", ", &save); w && !err; w = strtok_r(NULL, ", ", &save)) {
		for (i = 0; i < s->n_configs && strcmp(s->configs[i].name, w) != 0; i++)
			;
		if (i == s->n_configs)
			err = not_among(s, "config", w, &all);
		else
			s->configs[i].selected = true;
	}
	free(copy);
	text_free(&all);
	return err;
}

int scenario_select_phases(struct scenario *s, const char *names)
{
	char *copy = must_strdup(names), *save = NULL, *w;
	struct text all = {0};
	int i, err = 0;

	for (i = 0; i < s->n_phases; i++) {
		s->phases[i].selected = !strcmp(s->phases[i].requests, "allkeys");
		text_add(&all, "%s%s", i ? ", " : "", s->phases[i].name);
	}
	for (w = strtok_r(copy, ", ", &save); w && !err; w = strtok_r(NULL, ", ", &save)) {
		for (i = 0; i < s->n_phases && strcmp(s->phases[i].name, w) != 0; i++)
			;
		if (i == s->n_phases)
			err = not_among(s, "phase", w, &all);
		else
			s->phases[i].selected = true;
	}
	free(copy);
	text_free(&all);
	return err;
}
