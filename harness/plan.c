#include "harness/kind.h"

#include <errno.h>
#include <ini.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* inih callback: remember the profile's LLC size wherever it is. */
static int on_profile_key(void *arg, const char *section, const char *name, const char *value)
{
	if (strcmp(name, "llc_kib") == 0)
		*(int64_t *)arg = strtoll(value, NULL, 10);
	return 1;
}

/* The LLC size: from --set sim.llc_kib, else from the profile. 0 or an exit code. */
static int find_llc(struct plan *p)
{
	int i;

	p->llc_kib = 0;
	if (ini_parse(p->profile, on_profile_key, &p->llc_kib) < 0) {
		complain("cannot read profile %s: %s", p->profile, strerror(errno));
		return EXIT_USAGE;
	}
	for (i = 0; i < p->s->n_sim_settings; i++)
		if (strncmp(p->s->sim_settings[i], "llc_kib:", 8) == 0)
			p->llc_kib = strtoll(p->s->sim_settings[i] + 8, NULL, 10);
	if (p->llc_kib <= 0) {
		complain("profile %s has no llc_kib; every profile needs a fixed last-level cache",
			 p->profile);
		return EXIT_USAGE;
	}
	return 0;
}

/* A size divided by the scale, not below its floor, rounded down to whole 2 MiB (what QEMU and NVDIMMs take). */
static int64_t scaled(int64_t bytes, int64_t scale, int64_t floor_bytes)
{
	int64_t v = bytes / scale, unit = 2 << 20;

	if (v < floor_bytes)
		v = floor_bytes;
	return v < unit ? unit : v / unit * unit;
}

/* Complain about a missing part of the build. */
static int check_part(const char *path, const char *mend)
{
	struct stat st;

	if (stat(path, &st) == 0 && S_ISREG(st.st_mode))
		return 0;
	complain("%s is missing; %s", path, mend);
	return EXIT_FAIL;
}

int plan_make(struct plan *p, const struct scenario *s, int64_t scale, int64_t seed, int repeats,
	      int64_t requests)
{
	const struct kind *k = kind_of(s);
	char mend[64];
	struct stat st;
	int err;

	*p = (struct plan){.s = s, .scale = scale, .seed = seed, .repeats = repeats};
	root_path(p->kernel, s->kernel);
	root_path(p->initrd, s->initrd);
	root_path(p->root, s->root);
	root_path(p->plugin, s->plugin);
	root_path(p->profile, s->profile);
	p->ram = scaled(s->ram, scale, s->ram_floor);
	p->pmem = scaled(s->pmem, scale, s->pmem_floor);
	err = k->plan(p, requests);
	if (err)
		return err;
	snprintf(mend, sizeof(mend), "run `%s`", k->made_by);
	err = find_llc(p);
	if (!err)
		err = check_part(p->kernel, "run `make guest`");
	if (!err)
		err = check_part(p->initrd, "run `make guest`");
	if (!err)
		err = check_part(p->root, mend);
	if (!err)
		err = check_part(p->plugin, "run `make all`");
	if (err)
		return err;
	p->root_bytes = stat(p->root, &st) == 0 ? (int64_t)st.st_size : 0;
	return 0;
}

int64_t plan_scaled_count(const struct plan *p, int64_t count, int64_t least)
{
	double n = (double)count * (double)p->s->default_scale / (double)p->scale;

	if (n > (double)count)
		n = (double)count;
	return n < (double)least ? least : (int64_t)n;
}

int64_t plan_ram(const struct plan *p, const struct config *c, const struct database *d)
{
	if (c->ram)
		return scaled(c->ram, p->scale, p->s->ram_floor);
	if (c->tiermem && d && d->tiered_ram)
		return scaled(d->tiered_ram, p->scale, p->s->ram_floor);
	return p->ram;
}

int64_t plan_dram(const struct plan *p, const struct config *c)
{
	return plan_quota(p, c, c->dram);
}

int64_t plan_quota(const struct plan *p, const struct config *c, int64_t bytes)
{
	return bytes / p->scale / c->granule * c->granule;
}

int64_t plan_requests(const struct plan *p, const struct phase *ph, bool llc)
{
	char *end;
	double v;

	if (!strcmp(ph->requests, "allkeys"))
		return p->keys;
	if (!strcmp(ph->requests, "default"))
		return llc ? p->llc_requests : p->requests;
	v = strtod(ph->requests, &end);
	if (*end == 'x')
		v *= (double)p->keys;
	return v < 1 ? 1 : (int64_t)v;
}

int64_t plan_llc_kib(const struct plan *p, const struct variant *v)
{
	return v ? (int64_t)((double)p->llc_kib * v->factor) : p->llc_kib;
}
