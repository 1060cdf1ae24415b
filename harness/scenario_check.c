/* What a scenario must fulfil as a whole, and the choice of configs and phases from the command line. */
#include "harness/kind.h"
#include "harness/options.h"

#include <stdlib.h>
#include <string.h>

bool in_list(const char *list, const char *name)
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

double config_bound(const struct config *c, const struct phase *ph)
{
	size_t len = strlen(ph->database);
	const char *p;

	if (c->bound > 0 && (!c->bound_phases[0] || in_list(c->bound_phases, ph->name)))
		return c->bound;
	for (p = c->bounds; len && *p; p += strcspn(p, " "), p += strspn(p, " "))
		if (!strncmp(p, ph->database, len) && p[len] == ':')
			return strtod(p + len + 1, NULL);
	return 0;
}

bool config_runs(const struct config *c, const struct phase *ph)
{
	return c->selected && ph->selected && (!c->databases[0] || in_list(c->databases, ph->database));
}

/* What every kind needs of its VMs and of its matrix. 0 or EXIT_USAGE. */
static int check_common(const struct scenario *s)
{
	bool found = false;
	int i;

	if (!s->default_scale)
		return scenario_lacks(s, "[scale] default");
	if (!s->qemu[0] || !s->machine[0] || !s->cpu[0] || !s->kernel[0] || !s->initrd[0] || !s->root[0] ||
	    !s->append[0] || !s->plugin[0] || !s->profile[0] || !s->rtc[0])
		return scenario_lacks(
			s, "one of [vm] qemu machine cpu kernel initrd root append rtc plugin profile");
	if (!s->vcpus || !s->ram || !s->pmem || !s->timeout || !s->stall)
		return scenario_lacks(s, "one of [vm] vcpus ram pmem timeout stall");
	if (s->n_configs == 0 || s->n_phases == 0)
		return scenario_lacks(s, "a [config NAME] or a [phase NAME]");
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
	return 0;
}

int scenario_lacks(const struct scenario *s, const char *key)
{
	complain("%s: %s is missing", s->file, key);
	return EXIT_USAGE;
}

/* Find the kind, and make the phases of the file what is run: after loading and every --set. 0 or EXIT_USAGE. */
static int expand(struct scenario *s)
{
	const struct kind *k = kind_of(s);

	if (!s->name[0])
		return scenario_lacks(s, "[scenario] name");
	if (!k) {
		char *known = kind_names();

		complain("%s: [scenario] kind = %s: this tmbench knows %s", s->file, s->kind, known);
		free(known);
		return EXIT_USAGE;
	}
	return k->expand ? k->expand(s) : 0;
}

/* Check what single keys cannot: after expand(). 0 or EXIT_USAGE. */
static int check(const struct scenario *s)
{
	int err = check_common(s);

	return err ? err : kind_of(s)->check(s);
}

/* Complain that NAME is none of the scenario's; NAMES lists them. */
static int not_among(const struct scenario *s, const char *what, const char *name, struct text *names)
{
	complain("%s: unknown %s '%s'; there are: %s", s->name, what, name, names->s);
	text_free(names);
	return EXIT_USAGE;
}

/* Keep only the named configs (comma-separated). 0 or EXIT_USAGE. */
static int select_configs(struct scenario *s, const char *names)
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

/* Keep what is for a FULL run only, or not; or only what [quick] says. 0 or EXIT_USAGE. */
static int extent(struct scenario *s, bool full, bool quick)
{
	int i;

	if (quick && (!s->quick_scale || !s->quick_transactions)) {
		complain("%s has no quick look: [quick] scale and transactions are missing", s->name);
		return EXIT_USAGE;
	}
	for (i = 0; i < s->n_configs; i++)
		s->configs[i].selected = full || !s->configs[i].only_full;
	for (i = 0; i < s->n_phases; i++)
		s->phases[i].selected = full || !s->phases[i].only_full;
	return quick && s->quick_configs[0] ? select_configs(s, s->quick_configs) : 0;
}

/* Keep only the named phases, and those that populate the server. 0 or EXIT_USAGE. */
static int select_phases(struct scenario *s, const char *names)
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

int scenario_take(struct scenario *s, const char *name, const struct choice *c)
{
	int i, err = scenario_load(s, name);

	for (i = 0; c->set && i < c->set->n && !err; i++)
		err = scenario_set(s, c->set->v[i]);
	if (!err)
		err = expand(s);
	if (!err)
		err = extent(s, c->full, c->quick);
	if (!err && c->configs)
		err = select_configs(s, c->configs);
	if (!err && c->phases)
		err = select_phases(s, c->phases);
	return err ? err : check(s);
}

int64_t scenario_scale(const struct scenario *s, int64_t given, bool quick)
{
	if (given)
		return given;
	return quick ? s->quick_scale : s->default_scale;
}
