/* Scenario files: reading them, and --set. */
#include "harness/scenario.h"

#include <dirent.h>
#include <errno.h>
#include <ini.h>
#include <stdlib.h>
#include <string.h>

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
	if (scenario_assign(r->s, section, name, value ? value : "", true, r->msg))
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
	if (scenario_assign(s, section, dot + 1, eq + 1, false, msg)) {
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
