// The reader of the configuration file. Everything is bounded: the file, its sections, and the messages.
#include "allocator/conf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum level { OTHER, DEFAULT, BY_NAME, BY_PATH }; // a section for this program counts more than a general one

struct reader {
	const char *path, *name, *real;
	struct tm_conf *out;
	enum level level, value_level[TM_OPTIONS], managed_level;
	unsigned line, sections;
	const char *section[TM_CONF_SECTIONS]; // names, NULL: default
	uint64_t seen;			       // keys of this section
	char *why;
	size_t size;
};

// what, if not NULL, is quoted after the problem.
static bool bad(struct reader *r, const char *problem, const char *what, const char *mend)
{
	if (what)
		snprintf(r->why, r->size, "%s:%u: %s '%.64s'; %s", r->path, r->line, problem, what, mend);
	else
		snprintf(r->why, r->size, "%s:%u: %s; %s", r->path, r->line, problem, mend);
	return false;
}

// Cuts white space off both ends.
static char *trim(char *s)
{
	char *end = s + strlen(s);

	while (end > s && strchr(" \t\r", end[-1]))
		end--;
	*end = 0;
	return s + strspn(s, " \t");
}

// A comment begins with # or ; at the start of the line or after white space.
static void cut_comment(char *s)
{
	for (char *p = s; *p; p++) {
		if ((*p == '#' || *p == ';') && (p == s || p[-1] == ' ' || p[-1] == '\t')) {
			*p = 0;
			return;
		}
	}
}

static bool same(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

// "[...]", without its first bracket.
static bool begin_section(struct reader *r, char *s)
{
	static const char forms[] = "write [default] or [program NAME]";
	size_t n = strlen(s);
	const char *name = NULL, *base = strrchr(r->name, '/');

	if (!n || s[n - 1] != ']')
		return bad(r, "the section has no ]", NULL, forms);
	s[n - 1] = 0;
	s = trim(s);
	if (!strncmp(s, "program", 7) && (s[7] == ' ' || s[7] == '\t'))
		name = trim(s + 7);
	if (strcmp(s, "default") && (!name || !*name))
		return bad(r, "unknown section", s, forms);
	for (unsigned i = 0; i < r->sections; i++) {
		if (same(r->section[i], name))
			return bad(r, "there is a second section", name ? name : "default", "join them");
	}
	if (r->sections == TM_CONF_SECTIONS)
		return bad(r, "there are too many sections", NULL, "256 is the most");
	r->section[r->sections++] = name;
	r->seen = 0;
	r->level = DEFAULT;
	if (name && *name == '/')
		r->level = same(name, r->real) || same(name, r->name) ? BY_PATH : OTHER;
	else if (name)
		r->level = same(name, base ? base + 1 : r->name) ? BY_NAME : OTHER;
	if (r->level >= BY_NAME) {
		r->out->managed |= !r->out->listed;
		r->out->listed = true;
	}
	return true;
}

// "managed = yes|no"
static bool read_managed(struct reader *r, const char *value)
{
	if (!r->section[r->sections - 1])
		return bad(r, "managed cannot be a default", NULL, "give each program a section of its own");
	if (strcmp(value, "yes") && strcmp(value, "no"))
		return bad(r, "managed is", value, "write yes or no");
	if (r->level >= BY_NAME && r->level >= r->managed_level) {
		r->managed_level = r->level;
		r->out->managed = *value == 'y';
	}
	return true;
}

static bool unknown_key(struct reader *r, const char *key)
{
	char mend[256] = "there are managed";
	size_t n = strlen(mend);

	for (int i = 0; i < TM_OPTIONS && n < sizeof(mend); i++) {
		if (tm_options[i].name && i != TM_OPT_CONF)
			n += (size_t)snprintf(mend + n, sizeof(mend) - n, ", %s", tm_options[i].name);
	}
	return bad(r, "unknown key", key, mend);
}

static bool read_key(struct reader *r, char *s)
{
	char *equals = strchr(s, '='), why[160];
	int i = 0;

	if (!equals)
		return bad(r, "neither a section nor KEY = VALUE:", s, "comments begin with #");
	*equals = 0;
	const char *key = trim(s), *value = trim(equals + 1);
	if (!r->sections)
		return bad(r, "it begins without a section", NULL, "write [default] or [program NAME] first");
	if (strcmp(key, "managed")) {
		while (i < TM_OPTIONS && (i == TM_OPT_CONF || !same(tm_options[i].name, key)))
			i++;
		if (i == TM_OPTIONS)
			return unknown_key(r, key);
		if (!tm_option_check(&tm_options[i], value, why, sizeof(why)))
			return snprintf(r->why, r->size, "%s:%u: %s: %s", r->path, r->line, key, why) < 0;
	} else {
		i = TM_OPTIONS;
	}
	if (r->seen & UINT64_C(1) << i)
		return bad(r, "a second", key, "one for each section");
	r->seen |= UINT64_C(1) << i;
	if (i == TM_OPTIONS)
		return read_managed(r, value);
	if (r->level >= DEFAULT && r->level >= r->value_level[i]) {
		r->value_level[i] = r->level;
		r->out->value[i] = value;
	}
	return true;
}

static bool read_line(struct reader *r, char *s)
{
	for (const char *p = s; *p; p++) {
		if ((unsigned char)*p < 32 && *p != '\t' && *p != '\r')
			return bad(r, "this is not text", NULL, "is it the right file?");
	}
	cut_comment(s);
	s = trim(s);
	if (!*s)
		return true;
	return *s == '[' ? begin_section(r, s + 1) : read_key(r, s);
}

// Reads the file's text. A pipe or a device may never end: plain files only.
static enum tm_conf_status load(struct reader *r)
{
	struct stat st;
	ssize_t got = 0;
	size_t n = 0;
	int fd = open(r->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0 || fstat(fd, &st)) {
		int error = errno;
		snprintf(r->why, r->size, "cannot read %s: %s", r->path, strerror(error));
		return error == ENOENT || error == ENOTDIR ? TM_CONF_ABSENT : TM_CONF_BAD;
	}
	while (S_ISREG(st.st_mode) && n < TM_CONF_BYTES &&
	       (got = read(fd, r->out->text + n, TM_CONF_BYTES - n)) > 0)
		n += (size_t)got;
	close(fd);
	if (!S_ISREG(st.st_mode) || got < 0) {
		snprintf(r->why, r->size, "cannot read %s: it is not a plain file", r->path);
		return TM_CONF_BAD;
	}
	if (n == TM_CONF_BYTES) {
		snprintf(r->why, r->size, "%s is too long; %d bytes are the most", r->path,
			 TM_CONF_BYTES - 1);
		return TM_CONF_BAD;
	}
	r->out->text[n] = 0;
	if (memchr(r->out->text, 0, n)) {
		snprintf(r->why, r->size, "%s is not text; is it the right file?", r->path);
		return TM_CONF_BAD;
	}
	return TM_CONF_FINE;
}

enum tm_conf_status tm_conf_read(const char *path, const char *name, const char *real, struct tm_conf *out,
				 char *why, size_t size)
{
	static struct reader r; // too large for a small stack; one thread reads, once

	r = (struct reader){.path = path, .name = name, .real = real, .out = out, .why = why, .size = size};
	memset(out->value, 0, sizeof(out->value));
	out->listed = out->managed = false;
	enum tm_conf_status status = load(&r);
	for (char *line = out->text, *next; status == TM_CONF_FINE && line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = 0;
		r.line++;
		if (!read_line(&r, line))
			status = TM_CONF_BAD;
	}
	return status;
}
