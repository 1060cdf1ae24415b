/* Redis under tiermem in the guest: what its scenarios need, how much of it fits a scale, which documents its guests send. */
#include "harness/guest_script.h"
#include "harness/kind.h"
#include "harness/report.h"

#include <stdlib.h>
#include <string.h>

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

static int check(const struct scenario *s)
{
	bool populates = false;
	int i;

	if (!s->load_cpus[0] || strspn(s->load_cpus, "0123456789-,") != strlen(s->load_cpus))
		return scenario_lacks(s, "[cpus] load (a list such as 3-7)");
	if (s->server_cpu >= s->vcpus || s->background_cpu >= s->vcpus) {
		complain("%s: [cpus] names a vCPU that [vm] vcpus = %d does not have", s->file,
			 (int)s->vcpus);
		return EXIT_USAGE;
	}
	if (!s->data || !s->value || !s->bytes_per_key || !s->requests || !s->requests_floor)
		return scenario_lacks(s, "one of [load] data value bytes_per_key requests requests_floor");
	if (!s->native_clients)
		return scenario_lacks(s, "[native] clients");
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
		return scenario_lacks(s, "a phase with requests = allkeys");
	return 0;
}

static int plan(struct plan *p, int64_t requests)
{
	const struct scenario *s = p->s;

	p->keys = (s->data / p->scale - s->base_bytes) / s->bytes_per_key;
	if (p->keys < s->threads * s->clients) {
		complain("scale %lld leaves %lld keys for %lld clients; use a smaller one",
			 (long long)p->scale, (long long)p->keys, (long long)(s->threads * s->clients));
		return EXIT_USAGE;
	}
	p->requests = requests ? requests : plan_scaled_count(p, s->requests, s->requests_floor);
	p->llc_requests = (int64_t)((double)p->requests * s->llc_requests);
	if (p->llc_requests < s->llc_floor)
		p->llc_requests = s->llc_floor < p->requests ? s->llc_floor : p->requests;
	return 0;
}

static void script(struct text *out, const struct plan *p, const struct vm *vm)
{
	guest_script(out, p, vm->config, vm->seed, vm->variant != NULL);
}

/* PMEM is the guest's second NVDIMM. */
static void arguments(struct arguments *a, struct text *plugin, const struct plan *p, const struct vm *vm)
{
	if (!vm->config->tiermem)
		return;
	arguments_add(a, "-object");
	arguments_add(a, "memory-backend-ram,id=pmem0,size=%lldM", (long long)(p->pmem >> 20));
	arguments_add(a, "-device");
	arguments_add(a, "nvdimm,memdev=pmem0,id=nv1");
	text_add(plugin, ",pmem=pmem0");
}

/* The guest's versions: kernel on the first line, Redis on the second. */
static void versions(struct metrics *m, const char *doc)
{
	const char *redis = strchr(doc, '\n');
	const char *v;

	snprintf(m->kernel, sizeof(m->kernel), "%.*s", (int)strcspn(doc, "\n"), doc);
	if (!redis)
		return;
	v = strstr(redis, "v=");
	redis = v ? v + 2 : redis + 1;
	snprintf(m->server, sizeof(m->server), "%.*s", (int)strcspn(redis, " \n"), redis);
}

static int document(struct metrics *m, const char *kind, const char *name, const char *doc, char *reason)
{
	if (!strcmp(kind, "tmload"))
		return results_tmload(m, name, doc, reason);
	if (!strcmp(kind, "tiermem"))
		return results_tiermem(m, strcmp(name, "exit") ? name : "", doc, reason);
	if (!strcmp(kind, "redis"))
		results_redis(m, name, doc);
	else if (!strcmp(kind, "text") && !strcmp(name, "versions"))
		versions(m, doc);
	return 0;
}

static int complete(const struct metrics *m, const struct config *c, const char *phase, char *reason)
{
	if (!metrics_get(m, phase, "ops", NULL))
		snprintf(reason, REASON_LEN, "phase %s: no result of tmload", phase);
	else if (!metrics_get(m, phase, "server_busy", NULL))
		snprintf(reason, REASON_LEN, "phase %s: no statistics of the simulator", phase);
	else if (c->tiermem && !metrics_get(m, phase, "dram_granules", NULL))
		snprintf(reason, REASON_LEN, "phase %s: no statistics of tiermem", phase);
	else
		return 0;
	return -1;
}

const struct kind kind_redis = {
	.name = "redis-inside",
	.made_by = "make guest",
	.native = true,
	.boot_work = 10000,
	.overlay = overlay_tiermem,
	.check = check,
	.plan = plan,
	.script = script,
	.arguments = arguments,
	.document = document,
	.complete = complete,
	.report = report_redis,
};
