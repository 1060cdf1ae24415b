#include "harness/results.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

void metrics_add(struct metrics *m, const char *phase, const char *name, const char *unit, double value)
{
	struct metric *x;

	if (!isfinite(value))
		return;
	if (m->n == m->cap) {
		m->cap = m->cap * 2 + 256;
		m->v = must_realloc(m->v, m->cap * sizeof(*m->v));
	}
	x = &m->v[m->n++];
	snprintf(x->phase, sizeof(x->phase), "%s", phase);
	snprintf(x->name, sizeof(x->name), "%s", name);
	x->unit = unit;
	x->value = value;
}

void metrics_free(struct metrics *m)
{
	free(m->v);
	heat_free(&m->heat);
	*m = (struct metrics){0};
}

bool metrics_get(const struct metrics *m, const char *phase, const char *name, double *value)
{
	size_t i;

	for (i = 0; i < m->n; i++) {
		if (strcmp(m->v[i].phase, phase) != 0 || strcmp(m->v[i].name, name) != 0)
			continue;
		if (value)
			*value = m->v[i].value;
		return true;
	}
	return false;
}

/* Add OBJ[KEY] times FACTOR, if it is a number. */
static void number(struct metrics *m, const char *phase, json_t *obj, const char *key, const char *name,
		   const char *unit, double factor)
{
	json_t *v = json_object_get(obj, key);

	if (json_is_number(v))
		metrics_add(m, phase, name, unit, json_number_value(v) * factor);
}

/* Sets, Gets or Totals of tmload: the same figures under another prefix. */
static void operations(struct metrics *m, const char *phase, json_t *o, const char *prefix)
{
	static const struct {
		const char *key, *name, *unit;
	} plain[] =
		{
			{"Count", "requests", "count"},
			{"Ops/sec", "ops", "ops/s"},
			{"Hits/sec", "hits", "1/s"},
			{"Misses/sec", "misses", "1/s"},
			{"Average Latency", "latency_avg", "ms"},
			{"Min Latency", "latency_min", "ms"},
			{"Max Latency", "latency_max", "ms"},
			{"KB/sec", "throughput", "KB/s"},
		},
	  percentile[] = {
		  {"p50.00", "latency_p50", "ms"},
		  {"p99.00", "latency_p99", "ms"},
		  {"p99.90", "latency_p99_9", "ms"},
	  };
	json_t *p = json_object_get(o, "Percentile Latencies");
	char name[METRIC_LEN];
	size_t i;

	for (i = 0; i < COUNT(plain); i++) {
		snprintf(name, sizeof(name), "%s%s", prefix, plain[i].name);
		number(m, phase, o, plain[i].key, name, plain[i].unit, 1);
	}
	for (i = 0; i < COUNT(percentile); i++) {
		snprintf(name, sizeof(name), "%s%s", prefix, percentile[i].name);
		number(m, phase, p, percentile[i].key, name, percentile[i].unit, 1);
	}
}

int results_tmload(struct metrics *m, const char *phase, const char *json, char *reason)
{
	json_error_t e;
	json_t *root = json_loads(json, 0, &e), *all, *errors, *v;
	double sum = 0, ops = 0;
	const char *key;
	char name[METRIC_LEN];
	int err = 0;

	if (!root) {
		snprintf(reason, REASON_LEN, "phase %s: tmload's JSON is broken: line %d: %s", phase, e.line,
			 e.text);
		return -1;
	}
	all = json_object_get(root, "ALL STATS");
	operations(m, phase, json_object_get(all, "Totals"), "");
	operations(m, phase, json_object_get(all, "Sets"), "sets_");
	operations(m, phase, json_object_get(all, "Gets"), "gets_");
	errors = json_object_get(all, "Errors");
	json_object_foreach(errors, key, v)
	{
		snprintf(name, sizeof(name), "errors_%s", key);
		number(m, phase, errors, key, name, "count", 1);
		sum += json_number_value(v);
	}
	metrics_add(m, phase, "errors", "count", sum);
	if (!metrics_get(m, phase, "ops", &ops) || !(ops > 0)) {
		snprintf(reason, REASON_LEN, "phase %s: tmload reports no operations", phase);
		err = -1;
	} else if (sum > 0) {
		char *text = json_dumps(errors, JSON_COMPACT);

		snprintf(reason, REASON_LEN, "phase %s: wrong or missing replies: %s", phase,
			 text ? text : "?");
		free(text);
		err = -1;
	}
	json_decref(root);
	return err;
}

void results_redis(struct metrics *m, const char *phase, const char *info)
{
	static const char *keys[] = {"used_memory", "used_memory_rss", "used_memory_dataset"};
	char find[48];
	const char *at;
	size_t i;

	for (i = 0; i < COUNT(keys); i++) {
		snprintf(find, sizeof(find), "\n%s:", keys[i]);
		at = strstr(info, find);
		if (at)
			metrics_add(m, phase, keys[i], "bytes", strtod(at + strlen(find), NULL));
	}
}

/* One size class or zone of tiermem's. */
static void zone(struct metrics *m, const char *phase, json_t *z)
{
	const char *zname = json_string_value(json_object_get(z, "name"));
	char name[METRIC_LEN];

	if (!zname)
		return;
	snprintf(name, sizeof(name), "zone_%.40s_dram_granules", zname);
	number(m, phase, z, "dram_granules", name, "granules", 1);
	snprintf(name, sizeof(name), "zone_%.40s_pmem_granules", zname);
	number(m, phase, z, "pmem_granules", name, "granules", 1);
}

int results_tiermem(struct metrics *m, const char *phase, const char *json, char *reason)
{
	static const struct {
		const char *group, *key, *name, *unit;
	} fields[] = {
		{"migrations", "promoted", "promoted", "granules"},
		{"migrations", "demoted", "demoted", "granules"},
		{"migrations", "failed", "migrations_failed", "granules"},
		{"migrations", "promoted_bytes", "promoted_bytes", "bytes"},
		{"migrations", "demoted_bytes", "demoted_bytes", "bytes"},
		{"faults", "first_touch", "faults_first_touch", "count"},
		{"faults", "hint", "faults_hint", "count"},
		{"faults", "waited", "faults_waited", "count"},
		{"tracking", "cpu_ns", "tracking_cpu", "ns"},
		{"captured", "heap_bytes", "captured_heap", "bytes"},
		{"captured", "mmap_bytes", "captured_mmap", "bytes"},
	};
	json_error_t e;
	json_t *root = json_loads(json, 0, &e), *tiers, *zones, *z;
	size_t i;

	if (!root) {
		snprintf(reason, REASON_LEN, "phase %s: tiermem's JSON is broken: line %d: %s", phase, e.line,
			 e.text);
		return -1;
	}
	number(m, phase, root, "granule_bytes", "granule", "bytes", 1);
	number(m, phase, root, "dram_quota_bytes", "dram_quota", "bytes", 1);
	tiers = json_object_get(root, "tiers");
	for (i = 0; i < 2; i++) {
		static const char *tier[] = {"dram", "pmem"};
		json_t *t = json_object_get(tiers, tier[i]);
		char name[METRIC_LEN];

		snprintf(name, sizeof(name), "%s_granules", tier[i]);
		number(m, phase, t, "granules", name, "granules", 1);
		snprintf(name, sizeof(name), "%s_bytes", tier[i]);
		number(m, phase, t, "bytes", name, "bytes", 1);
		snprintf(name, sizeof(name), "%s_peak_bytes", tier[i]);
		number(m, phase, t, "peak_bytes", name, "bytes", 1);
	}
	for (i = 0; i < COUNT(fields); i++)
		number(m, phase, json_object_get(root, fields[i].group), fields[i].key, fields[i].name,
		       fields[i].unit, 1);
	zones = json_object_get(root, "zones");
	json_array_foreach(zones, i, z) zone(m, phase, z);
	json_decref(root);
	if (!metrics_get(m, phase, "dram_granules", NULL) || !metrics_get(m, phase, "pmem_granules", NULL)) {
		snprintf(reason, REASON_LEN, "phase %s: tiermem's statistics lack the granules per tier",
			 phase[0] ? phase : "(exit)");
		return -1;
	}
	return 0;
}
