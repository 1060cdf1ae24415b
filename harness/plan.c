#include "harness/plan.h"

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
	struct stat st;
	double req;
	int err;

	*p = (struct plan){.s = s, .scale = scale, .seed = seed, .repeats = repeats};
	root_path(p->kernel, s->kernel);
	root_path(p->initrd, s->initrd);
	root_path(p->root, s->root);
	root_path(p->plugin, s->plugin);
	root_path(p->profile, s->profile);
	p->keys = (s->data / scale - s->base_bytes) / s->bytes_per_key;
	if (p->keys < s->threads * s->clients) {
		complain("scale %lld leaves %lld keys for %lld clients; use a smaller one", (long long)scale,
			 (long long)p->keys, (long long)(s->threads * s->clients));
		return EXIT_USAGE;
	}
	p->ram = scaled(s->ram, scale, s->ram_floor);
	p->pmem = scaled(s->pmem, scale, s->pmem_floor);
	req = (double)s->requests * (double)s->default_scale / (double)scale;
	if (req > (double)s->requests)
		req = (double)s->requests;
	if (req < (double)s->requests_floor)
		req = (double)s->requests_floor;
	p->requests = requests ? requests : (int64_t)req;
	p->llc_requests = (int64_t)((double)p->requests * s->llc_requests);
	if (p->llc_requests < s->llc_floor)
		p->llc_requests = s->llc_floor < p->requests ? s->llc_floor : p->requests;
	err = find_llc(p);
	if (!err)
		err = check_part(p->kernel, "run `make guest`");
	if (!err)
		err = check_part(p->initrd, "run `make guest`");
	if (!err)
		err = check_part(p->root, "run `make guest`");
	if (!err)
		err = check_part(p->plugin, "run `make all`");
	if (err)
		return err;
	p->root_bytes = stat(p->root, &st) == 0 ? (int64_t)st.st_size : 0;
	return 0;
}

int64_t plan_dram(const struct plan *p, const struct config *c)
{
	return c->dram / p->scale / c->granule * c->granule;
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
