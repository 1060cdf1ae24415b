// Options are KEY=VALUE,... or, since QEMU 6, JSON; of both only what is asked for is looked at. A comma within a value is doubled.
#include "allocator/guest_args.h"

#include <string.h>

#define ID_MAX 128

struct line {
	const char *args, *end;
};

// The argument after the one at p, NULL at the end.
static const char *next(const struct line *l, const char *p)
{
	p += strnlen(p, (size_t)(l->end - p)) + 1;
	return p < l->end ? p : NULL;
}

static bool is_option(const char *arg, const char *name)
{
	return arg[0] == '-' && !strcmp(arg + (arg[1] == '-' ? 2 : 1), name);
}

static bool copy_json(const char *p, char *out, size_t size)
{
	size_t k = 0;

	for (; *p && *p != '"' && k + 1 < size; p++)
		out[k++] = *p == '\\' && p[1] ? *++p : *p;
	out[k] = 0;
	return *p == '"';
}

// Reads a key's value; false: there is none, or it does not fit.
static bool value(const char *arg, const char *key, char *out, size_t size)
{
	size_t length = strlen(key), k = 0;

	if (*arg == '{') {
		for (const char *p = arg; (p = strstr(p, key)); p++) {
			const char *q = p + length;
			if (p[-1] != '"' || *q++ != '"')
				continue;
			while (*q == ' ' || *q == ':')
				q++;
			if (*q == '"')
				return copy_json(q + 1, out, size);
		}
		return false;
	}
	for (const char *p = arg; p; p = strchr(p, ','), p = p ? p + 1 : NULL) {
		if (strncmp(p, key, length) || p[length] != '=')
			continue;
		for (p += length + 1; *p && (*p != ',' || p[1] == ',') && k + 1 < size; p++) {
			out[k++] = *p;
			p += *p == ',';
		}
		out[k] = 0;
		return !*p || *p == ',';
	}
	return false;
}

// What kind of object or device an argument makes: its first word, or a key of its JSON.
static bool is_kind(const char *arg, const char *key, const char *kind)
{
	char text[ID_MAX];

	if (*arg == '{')
		return value(arg, key, text, sizeof(text)) && !strcmp(text, kind);
	size_t n = strcspn(arg, ",");
	return (n == strlen(kind) && !strncmp(arg, kind, n)) ||
	       (value(arg, key, text, sizeof(text)) && !strcmp(text, kind));
}

// Whether the machine has the backend of an id as RAM.
static bool is_ram(const struct line *l, const char *id)
{
	char text[ID_MAX];

	for (const char *p = l->args, *arg; p && (arg = next(l, p)); p = next(l, p)) {
		bool machine = is_option(p, "machine") || is_option(p, "M");
		if (!machine && !is_option(p, "numa") && !(is_option(p, "device") && is_kind(arg, "driver", "pc-dimm")))
			continue;
		if (value(arg, machine ? "memory-backend" : "memdev", text, sizeof(text)) && !strcmp(text, id))
			return true;
	}
	return false;
}

bool tm_guest_args_ram_path(const char *args, size_t n, size_t index, char *path, size_t size)
{
	struct line l = {args, args + n};
	char id[ID_MAX];

	for (const char *p = args, *arg; n && p && (arg = next(&l, p)); p = next(&l, p)) {
		if (is_option(p, "mem-path")) {
			if (index-- == 0)
				return strlen(arg) < size && strcpy(path, arg);
		} else if (is_option(p, "object") && is_kind(arg, "qom-type", "memory-backend-file") &&
			   value(arg, "id", id, sizeof(id)) && is_ram(&l, id)) {
			if (index-- == 0)
				return value(arg, "mem-path", path, size);
		}
	}
	return false;
}
