/* The keys of a scenario: one table drives parsing, --set and the messages about unknown keys. */
#include "harness/scenario.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum kind { STR, SIZE, INT, REAL, BOOL };

struct key {
	const char *section, *name;
	enum kind kind;
	size_t offset, size;
	double min, max;
};

/* clang-format off */
#define WHERE(t, field) offsetof(struct t, field)
#define ROOM(t, field)  sizeof(((struct t *)0)->field)
#define S(sec, key, field)            {sec, key, STR, WHERE(scenario, field), ROOM(scenario, field), 0, 0}
#define N(sec, key, field, k, lo, hi) {sec, key, k, WHERE(scenario, field), 0, lo, hi}
#define CS(key, t, field)             {#t, key, STR, WHERE(t, field), ROOM(t, field), 0, 0}
#define CN(key, t, field, k, lo, hi)  {#t, key, k, WHERE(t, field), 0, lo, hi}
/* clang-format on */

static const struct key keys[] = {
	S("scenario", "name", name),
	S("scenario", "kind", kind),
	S("scenario", "description", description),
	S("scenario", "baseline", baseline),
	N("scale", "default", default_scale, INT, 1, 1e6),
	N("scale", "bounds_at", bounds_at, INT, 0, 1e6),
	S("vm", "qemu", qemu),
	S("vm", "machine", machine),
	S("vm", "cpu", cpu),
	N("vm", "vcpus", vcpus, INT, 1, 64),
	N("vm", "ram", ram, SIZE, 1 << 20, 1e15),
	N("vm", "ram_floor", ram_floor, SIZE, 0, 1e15),
	N("vm", "pmem", pmem, SIZE, 1 << 20, 1e15),
	N("vm", "pmem_floor", pmem_floor, SIZE, 0, 1e15),
	S("vm", "kernel", kernel),
	S("vm", "initrd", initrd),
	S("vm", "root", root),
	S("vm", "append", append),
	S("vm", "rtc", rtc),
	S("vm", "plugin", plugin),
	S("vm", "profile", profile),
	N("vm", "timeout", timeout, INT, 1, 1e6),
	N("vm", "stall", stall, INT, 1, 1e6),
	N("cpus", "server", server_cpu, INT, 0, 63),
	N("cpus", "background", background_cpu, INT, 0, 63),
	S("cpus", "load", load_cpus),
	N("load", "data", data, SIZE, 1, 1e15),
	N("load", "value", value, SIZE, 1, 512 << 20),
	N("load", "base_bytes", base_bytes, SIZE, 0, 1e12),
	N("load", "bytes_per_key", bytes_per_key, INT, 1, 1e9),
	N("load", "threads", threads, INT, 1, 64),
	N("load", "clients", clients, INT, 1, 10000),
	N("load", "requests", requests, INT, 1, 1e12),
	N("load", "requests_floor", requests_floor, INT, 1, 1e12),
	N("load", "llc_requests_floor", llc_floor, INT, 1, 1e12),
	N("load", "llc_requests", llc_requests, REAL, 0.001, 1),
	N("sysbench", "tables", tables, INT, 1, 1000),
	N("sysbench", "bytes_per_row", bytes_per_row, INT, 1, 1e6),
	N("sysbench", "threads", connections, INT, 1, 1000),
	N("sysbench", "transactions", transactions, INT, 1, 1e9),
	N("sysbench", "transactions_floor", transactions_floor, INT, 1, 1e9),
	N("sysbench", "seconds", seconds, INT, 1, 1000),
	N("sysbench", "settle", settle, REAL, 0, 100),
	N("sysbench", "settle_again", settle_again, REAL, 0, 100),
	N("mariadb", "pool", pool, REAL, 0.01, 0.95),
	S("mariadb", "configuration", server_config),
	S("mariadb", "cpus", server_cpus),
	S("sysbench", "cpus", client_cpus),
	N("share", "budget", budget, SIZE, 1 << 20, 1e15),
	N("quick", "scale", quick_scale, INT, 1, 1e6),
	N("quick", "transactions", quick_transactions, INT, 1, 1e9),
	S("quick", "configs", quick_configs),
	N("native", "server_cpu", native_server_cpu, INT, 0, 4095),
	N("native", "client_cpu", native_client_cpu, INT, 0, 4095),
	N("native", "threads", native_threads, INT, 1, 64),
	N("native", "clients", native_clients, INT, 1, 10000),
	CN("tiermem", config, tiermem, BOOL, 0, 1),
	CN("dram", config, dram, SIZE, 0, 1e15),
	CN("granule", config, granule, SIZE, 4096, 1 << 30),
	CN("bound", config, bound, REAL, 0, 100),
	CS("bound_phases", config, bound_phases),
	CS("bounds", config, bounds),
	CS("databases", config, databases),
	CS("options", config, options),
	CN("ram", config, ram, SIZE, 1 << 20, 1e15),
	CN("full", config, only_full, BOOL, 0, 1),
	CS("ratio", phase, ratio),
	CS("key_pattern", phase, key_pattern),
	CS("requests", phase, requests),
	CN("median", phase, median, REAL, 0, 1),
	CN("place", phase, place, BOOL, 0, 1),
	CS("test", phase, test),
	CS("distribution", phase, distribution),
	CN("threads", phase, threads, INT, 1, 1000),
	CS("quota", phase, quota),
	CN("full", phase, only_full, BOOL, 0, 1),
	CN("factor", variant, factor, REAL, 0.01, 100),
	CN("data", database, data, SIZE, 1 << 20, 1e15),
	CN("tiered_ram", database, tiered_ram, SIZE, 1 << 20, 1e15),
};

/* Copy a value into a field of fixed size. 0 or a message. */
static const char *put_string(char *to, size_t size, const char *value)
{
	if (strlen(value) >= size)
		return "value is too long";
	strcpy(to, value);
	return NULL;
}

/* Store one value where its key says. NULL, or what is wrong with it. */
static const char *put(const struct key *k, void *base, const char *value)
{
	static char msg[160];
	void *to = (char *)base + k->offset;
	int64_t n = 0;
	double d = 0;
	char *end;

	switch (k->kind) {
	case STR:
		return put_string(to, k->size, value);
	case BOOL:
		if (strcmp(value, "yes") != 0 && strcmp(value, "no") != 0)
			return "must be yes or no";
		*(bool *)to = value[0] == 'y';
		return NULL;
	case SIZE:
		if (parse_size(value, &n))
			return "must be a size such as 4096, 64M or 6G";
		d = (double)n;
		break;
	case INT:
		errno = 0;
		n = strtoll(value, &end, 10);
		if (end == value || *end || errno)
			return "must be a whole number";
		d = (double)n;
		break;
	case REAL:
		d = strtod(value, &end);
		if (end == value || *end)
			return "must be a number";
		break;
	}
	if (!(d >= k->min && d <= k->max)) {
		snprintf(msg, sizeof(msg), "must be between %.12g and %.12g", k->min, k->max);
		return msg;
	}
	if (k->kind == REAL)
		*(double *)to = d;
	else
		*(int64_t *)to = n;
	return NULL;
}

/* Sections with a name: where they are kept, and what a new one starts as. */
static const struct config new_config = {.granule = 4096, .selected = true};
static const struct phase new_phase = {.requests = "default", .distribution = "uniform", .selected = true};
static const struct variant new_variant = {.factor = 1};
static const struct database new_database;

/* clang-format off */
#define NAMED(word, kind, t, array, number, max, fresh) \
	{word, kind, WHERE(scenario, array), sizeof(struct t), WHERE(t, name), WHERE(scenario, number), max, fresh}
/* clang-format on */

static const struct named {
	const char *word, *kind;
	size_t array, size, name, number;
	int max;
	const void *fresh;
} named[] = {
	NAMED("config", "config", config, configs, n_configs, MAX_CONFIGS, &new_config),
	NAMED("phase", "phase", phase, phases, n_phases, MAX_PHASES, &new_phase),
	NAMED("llc", "variant", variant, variants, n_variants, MAX_VARIANTS, &new_variant),
	NAMED("database", "database", database, databases, n_databases, MAX_DATABASES, &new_database),
};

/* The section "WORD NAME", made if there is none; its kind in KIND. NULL: no such section, or there are too many. */
static void *named_section(struct scenario *s, const char *section, bool create, const char **kind)
{
	const char *name = section + strcspn(section, " ");
	size_t len = (size_t)(name - section), i;
	int k;

	name += strspn(name, " ");
	if (!name[0] || strlen(name) >= NAME_LEN || strpbrk(name, " ,/'\"\\$`:"))
		return NULL;
	for (i = 0; i < COUNT(named); i++) {
		const struct named *t = &named[i];
		char *array = (char *)s + t->array;
		int *n = (int *)((char *)s + t->number);

		if (strlen(t->word) != len || strncmp(section, t->word, len) != 0)
			continue;
		*kind = t->kind;
		for (k = 0; k < *n; k++)
			if (strcmp(array + (size_t)k * t->size + t->name, name) == 0)
				return array + (size_t)k * t->size;
		if (!create || *n == t->max)
			return NULL;
		array += (size_t)(*n)++ * t->size;
		memcpy(array, t->fresh, t->size);
		strcpy(array + t->name, name);
		return array;
	}
	return NULL;
}

/* Remember a key for the simulator, which knows its keys itself. NULL, or what is wrong with it. */
static const char *sim_setting(struct scenario *s, const char *name, const char *value)
{
	if (s->n_sim_settings == MAX_SETTINGS || strlen(name) + strlen(value) + 2 > TEXT_LEN ||
	    strpbrk(name, ", ") || strpbrk(value, ", "))
		return "too many, too long, or with a comma";
	sprintf(s->sim_settings[s->n_sim_settings++], "%s:%s", name, value);
	return NULL;
}

const char *scenario_assign(struct scenario *s, const char *section, const char *name, const char *value,
			    bool create, char *msg)
{
	const char *kind = section, *problem;
	void *base = s;
	bool section_known = false;
	size_t i;

	if (strchr(section, ' ')) {
		base = named_section(s, section, create, &kind);
		if (!base) {
			snprintf(msg, 320, "unknown section [%s]", section);
			return msg;
		}
	} else if (!strcmp(section, "sim")) {
		problem = sim_setting(s, name, value);
		if (problem)
			snprintf(msg, 320, "[sim] %s = %s: %s", name, value, problem);
		return problem ? msg : NULL;
	} else if (!strcmp(section, "config") || !strcmp(section, "phase") || !strcmp(section, "variant") ||
		   !strcmp(section, "database")) {
		snprintf(msg, 320, "section [%s] needs a name, as in [%s NAME]", section, section);
		return msg;
	}
	for (i = 0; i < COUNT(keys); i++) {
		if (strcmp(keys[i].section, kind) != 0)
			continue;
		section_known = true;
		if (strcmp(keys[i].name, name) != 0)
			continue;
		problem = put(&keys[i], base, value);
		if (!problem)
			return NULL;
		snprintf(msg, 320, "[%s] %s = %s: %s", section, name, value, problem);
		return msg;
	}
	if (section_known)
		snprintf(msg, 320, "unknown key '%s' in section [%s]", name, section);
	else
		snprintf(msg, 320, "unknown section [%s]", section);
	return msg;
}

