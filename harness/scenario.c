/* Scenario files: one table of keys drives parsing, --set and the messages about unknown keys. */
#include "harness/scenario.h"

#include <dirent.h>
#include <errno.h>
#include <ini.h>
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
	N("native", "server_cpu", native_server_cpu, INT, 0, 4095),
	N("native", "client_cpu", native_client_cpu, INT, 0, 4095),
	N("native", "threads", native_threads, INT, 1, 64),
	N("native", "clients", native_clients, INT, 1, 10000),
	CN("tiermem", config, tiermem, BOOL, 0, 1),
	CN("dram", config, dram, SIZE, 0, 1e15),
	CN("granule", config, granule, SIZE, 4096, 1 << 30),
	CN("bound", config, bound, REAL, 0, 100),
	CS("bound_phases", config, bound_phases),
	CS("ratio", phase, ratio),
	CS("key_pattern", phase, key_pattern),
	CS("requests", phase, requests),
	CN("factor", variant, factor, REAL, 0.01, 100),
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

/* The config, phase or variant called NAME, made if there is none; its kind in KIND. NULL: no such section, or full. */
static void *named_section(struct scenario *s, const char *section, bool create, const char **kind)
{
	const char *name = strchr(section, ' ');
	size_t len = name ? (size_t)(name - section) : 0;
	int i;

	if (!name)
		return NULL;
	name += strspn(name, " ");
	if (!name[0] || strlen(name) >= NAME_LEN || strpbrk(name, " ,/'\"\\$`:"))
		return NULL;
	if (len == 6 && strncmp(section, "config", len) == 0) {
		*kind = "config";
		for (i = 0; i < s->n_configs; i++)
			if (strcmp(s->configs[i].name, name) == 0)
				return &s->configs[i];
		if (!create || s->n_configs == MAX_CONFIGS)
			return NULL;
		s->configs[i] = (struct config){.granule = 4096, .selected = true};
		strcpy(s->configs[i].name, name);
		return &s->configs[s->n_configs++];
	}
	if (len == 5 && strncmp(section, "phase", len) == 0) {
		*kind = "phase";
		for (i = 0; i < s->n_phases; i++)
			if (strcmp(s->phases[i].name, name) == 0)
				return &s->phases[i];
		if (!create || s->n_phases == MAX_PHASES)
			return NULL;
		s->phases[i] = (struct phase){.requests = "default", .selected = true};
		strcpy(s->phases[i].name, name);
		return &s->phases[s->n_phases++];
	}
	if (len == 3 && strncmp(section, "llc", len) == 0) {
		*kind = "variant";
		for (i = 0; i < s->n_variants; i++)
			if (strcmp(s->variants[i].name, name) == 0)
				return &s->variants[i];
		if (!create || s->n_variants == MAX_VARIANTS)
			return NULL;
		s->variants[i] = (struct variant){.factor = 1};
		strcpy(s->variants[i].name, name);
		return &s->variants[s->n_variants++];
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

/* Set a key of a section. NULL, or a message about what is wrong (in MSG of 320 bytes). */
static const char *assign(struct scenario *s, const char *section, const char *name, const char *value,
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
	} else if (!strcmp(section, "config") || !strcmp(section, "phase") || !strcmp(section, "variant")) {
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

/* State of reading one file, shared by inih's two callbacks. */
struct reading {
	struct scenario *s;
	FILE *f;
	int line;
	bool too_long;
	char msg[320];
	int msg_line;
};

/* inih's reader: fgets that counts lines, since this inih does not tell them. */
static char *next_line(char *buf, int size, void *arg)
{
	struct reading *r = arg;
	char *got = fgets(buf, size, r->f);

	if (!got)
		return NULL;
	r->line++;
	if (!strchr(buf, '\n') && !feof(r->f) && !r->msg[0]) {
		snprintf(r->msg, sizeof(r->msg), "line is longer than %d characters", size - 2);
		r->msg_line = r->line;
	}
	return got;
}

static int on_key(void *arg, const char *section, const char *name, const char *value)
{
	struct reading *r = arg;

	if (r->msg[0])
		return 1;
	if (assign(r->s, section, name, value ? value : "", true, r->msg))
		r->msg_line = r->line;
	return 1;
}

/* Turn a scenario's name or path into a path. */
static void scenario_path(char *path, const char *name)
{
	char rel[PATH_LEN];
	size_t len = strlen(name);

	if (strchr(name, '/') || (len > 5 && strcmp(name + len - 5, ".conf") == 0)) {
		snprintf(path, PATH_LEN, "%s", name);
		return;
	}
	snprintf(rel, sizeof(rel), "vmconfigs/scenarios/%.200s.conf", name);
	root_path(path, rel);
}

int scenario_load(struct scenario *s, const char *name)
{
	struct reading r = {.s = s};
	int bad;

	memset(s, 0, sizeof(*s));
	s->bounds_at = 0;
	s->llc_requests = 1;
	s->threads = s->clients = s->native_threads = 1;
	scenario_path(s->file, name);
	r.f = fopen(s->file, "r");
	if (!r.f && errno == ENOENT) {
		char *known = scenario_names();

		complain("unknown scenario '%s'; there are: %s", name, known);
		free(known);
		return EXIT_USAGE;
	}
	if (!r.f) {
		complain("cannot read scenario %s: %s", s->file, strerror(errno));
		return EXIT_USAGE;
	}
	bad = ini_parse_stream(next_line, &r, on_key, &r);
	fclose(r.f);
	if (r.msg[0] && (bad == 0 || r.msg_line <= bad)) {
		complain("%s:%d: %s", s->file, r.msg_line, r.msg);
		return EXIT_USAGE;
	}
	if (bad) {
		complain("%s:%d: neither a [section] nor key = value", s->file, bad);
		return EXIT_USAGE;
	}
	return 0;
}

int scenario_set(struct scenario *s, const char *assignment)
{
	char section[TEXT_LEN], msg[320];
	const char *eq = strchr(assignment, '=');
	char *dot;

	if (!eq || (size_t)(eq - assignment) >= sizeof(section) || eq == assignment) {
		complain("--set %s: write it as section.key=value", assignment);
		return EXIT_USAGE;
	}
	memcpy(section, assignment, (size_t)(eq - assignment));
	section[eq - assignment] = '\0';
	dot = strrchr(section, '.');
	if (!dot) {
		complain("--set %s: write it as section.key=value, for the simulator sim.key=value",
			 assignment);
		return EXIT_USAGE;
	}
	*dot = '\0';
	text_add(&s->overrides, "%s\n", assignment);
	if (strchr(section, '.'))
		*strchr(section, '.') = ' ';
	if (assign(s, section, dot + 1, eq + 1, false, msg)) {
		complain("--set %s: %s", assignment, msg);
		return EXIT_USAGE;
	}
	return 0;
}

char *scenario_names(void)
{
	struct text t = {0};
	char dir[PATH_LEN];
	struct dirent **entries;
	int n, i;

	root_path(dir, "vmconfigs/scenarios");
	n = scandir(dir, &entries, NULL, alphasort);
	for (i = 0; i < n; i++) {
		size_t len = strlen(entries[i]->d_name);

		if (len > 5 && strcmp(entries[i]->d_name + len - 5, ".conf") == 0)
			text_add(&t, "%s%.*s", t.len ? " " : "", (int)len - 5, entries[i]->d_name);
		free(entries[i]);
	}
	if (n >= 0)
		free(entries);
	if (!t.s)
		text_add(&t, "none in %s", dir);
	return t.s;
}
