/*
 * A reference is a text that a diff shows well. A line is a word and what it says: "tiermem-gate 1" first, then
 *   commit, made, image, seeds FIRST COUNT, accepted DATE COMMIT REASON, version NAME WHAT, row CONFIG PHASE METRIC VALUE...
 * Values are the shortest decimals that give the same double again. Empty lines and those with # say nothing.
 */
#include "harness/gate.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define GATE_SCHEMA 1

/* The next word of a line, or NULL. */
static char *word(char **at)
{
	char *w = *at + strspn(*at, " \t");
	size_t len = strcspn(w, " \t");

	if (!len)
		return NULL;
	*at = w + len + (w[len] != '\0');
	w[len] = '\0';
	return w;
}

/* A whole number that is the next word. 0 or -1. */
static int whole(char **at, int64_t min, int64_t max, int64_t *value)
{
	char *w = word(at), *end;

	if (!w)
		return -1;
	errno = 0;
	*value = strtoll(w, &end, 10);
	return errno || *end || *value < min || *value > max ? -1 : 0;
}

/* "row CONFIG PHASE METRIC VALUE...". NULL or what is wrong. */
static const char *read_row(struct gate_set *s, char *at)
{
	char *config = word(&at), *phase = word(&at), *metric = word(&at), *w, *end;
	struct gate_row *r;
	int i;

	if (!metric || strlen(config) >= NAME_LEN || strlen(phase) >= NAME_LEN || strlen(metric) >= NAME_LEN)
		return "a row needs config, phase and metric";
	if (!s->seeds)
		return "a row before the line of seeds";
	if (gate_find(s, config, phase, metric))
		return "the same row twice";
	r = gate_add(s, config, phase, metric);
	for (i = 0; (w = word(&at)) != NULL; i++) {
		if (i == s->seeds)
			return "more values than seeds";
		r->v[i] = strtod(w, &end);
		if (*end || !isfinite(r->v[i]))
			return "a value is no number";
	}
	return i == s->seeds ? NULL : "fewer values than seeds";
}

/* One line. NULL or what is wrong. */
static const char *read_line(struct gate_set *s, char *line, bool *known)
{
	char *at = line, *kind = word(&at), *name;
	int64_t n;

	if (!kind || kind[0] == '#')
		return NULL;
	if (!strcmp(kind, "tiermem-gate")) {
		if (whole(&at, 1, 1000000, &n))
			return "no schema number";
		*known = n == GATE_SCHEMA;
		return *known ? NULL : "made by another version of tmbench";
	}
	if (!*known)
		return "it does not begin with tiermem-gate";
	if (!strcmp(kind, "row"))
		return read_row(s, at);
	if (!strcmp(kind, "seeds")) {
		if (whole(&at, 0, INT32_MAX, &s->seed) || whole(&at, 1, GATE_MAX_SEEDS, &n))
			return "seeds needs the first seed and their number";
		s->seeds = (int)n;
	} else if (!strcmp(kind, "version")) {
		name = word(&at);
		if (!name || s->n_prints == GATE_MAX_PRINT)
			return "a version needs a name, or there are too many";
		gate_print_add(s, name, at);
	} else if (!strcmp(kind, "accepted")) {
		text_add(&s->accepted, "%s\n", at);
	} else if (!strcmp(kind, "commit")) {
		snprintf(s->commit, sizeof(s->commit), "%s", at);
	} else if (!strcmp(kind, "made")) {
		snprintf(s->made, sizeof(s->made), "%s", at);
	} else if (!strcmp(kind, "image")) {
		snprintf(s->image, sizeof(s->image), "%s", at);
	} else {
		return "unknown word";
	}
	return NULL;
}

int gate_read(struct gate_set *s, const char *path)
{
	char *text = read_file(path, NULL), *line, *next;
	const char *wrong = NULL;
	bool known = false;
	int n = 0;

	*s = (struct gate_set){0};
	if (!text && errno == ENOENT)
		return 1;
	if (!text) {
		complain("cannot read %s: %s", path, strerror(errno));
		return -1;
	}
	for (line = text; *line && !wrong; line = next) {
		next = line + strcspn(line, "\n");
		if (*next)
			*next++ = '\0';
		n++;
		wrong = read_line(s, line, &known);
	}
	free(text);
	if (!wrong && !s->n)
		wrong = "it has no rows";
	if (!wrong)
		return 0;
	complain("%s:%d: %s; mend it, or take it back from git", path, n, wrong);
	gate_set_free(s);
	return -1;
}

/* The shortest decimal that reads as the same double. */
static void add_number(struct text *t, double v)
{
	char s[40];
	int digits;

	for (digits = 6; digits < 18; digits++) {
		snprintf(s, sizeof(s), "%.*g", digits, v);
		if (strtod(s, NULL) == v)
			break;
	}
	text_add(t, " %s", s);
}

int gate_write(const struct gate_set *s, const char *path)
{
	struct text t = {0};
	const char *line;
	int i, k, err;

	text_add(&t, "tiermem-gate %d\n", GATE_SCHEMA);
	text_add(&t, "# The latency gate's reference; `tmbench gate --accept REASON` writes it, docs/gate.md "
		     "explains it.\n");
	text_add(&t, "commit %s\nmade %s\n", s->commit, s->made);
	if (s->image[0])
		text_add(&t, "image %s\n", s->image);
	for (line = s->accepted.s; line && *line; line = strchr(line, '\n') + 1)
		text_add(&t, "accepted %.*s\n", (int)strcspn(line, "\n"), line);
	for (i = 0; i < s->n_prints; i++)
		text_add(&t, "version %s %s\n", s->prints[i].name, s->prints[i].value);
	text_add(&t, "seeds %lld %d\n", (long long)s->seed, s->seeds);
	for (i = 0; i < s->n; i++) {
		const struct gate_row *r = &s->rows[i];

		text_add(&t, "row %s %s %s", r->config, r->phase, r->metric);
		for (k = 0; k < s->seeds; k++)
			add_number(&t, r->v[k]);
		text_add(&t, "\n");
	}
	err = write_file(path, t.s, t.len, 0644);
	text_free(&t);
	if (err)
		complain("cannot write %s: %s", path, strerror(-err));
	return err ? -1 : 0;
}
