#include "sim/tmsim_line.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* Options without an argument, from QEMU 7.2 to 10.x; every other option has one. */
static const char flags[] = " h help version snapshot full-screen win2k-hack no-fd-bootchk no-acpi no-hpet "
			    "singlestep one-insn-per-tb S s"
			    " enable-kvm enable-hax no-reboot no-shutdown daemonize nodefaults "
			    "no-user-config nographic usb portrait"
			    " mem-prealloc preconfig xen-attach xen-domid-restrict only-migratable "
			    "async-teardown enable-sync-profile perfmap jitdump"
			    " audio-help ";

/* Other names of an option, and what a first value without a key means. */
static const struct {
	const char *name, *canonical, *implied;
} known[] = {
	{"M", "machine", "type"},
	{"machine", "machine", "type"},
	{"accel", "accel", "accel"},
	{"smp", "smp", "cpus"},
	{"netdev", "netdev", "type"},
	{"nic", "nic", "type"},
	{"net", "net", "type"},
	{"device", "device", "driver"},
	{"chardev", "chardev", "backend"},
	{"object", "object", "qom-type"},
	{"blockdev", "blockdev", "driver"},
	{"display", "display", "type"},
	{"audiodev", "audiodev", "driver"},
	{"audio", "audio", "driver"},
	{"plugin", "plugin", "file"},
	{"fsdev", "fsdev", "fsdriver"},
	{"virtfs", "virtfs", "fsdriver"},
	{"tpmdev", "tpmdev", "type"},
	{"qmp-pretty", "qmp", ""},
	{"usbdevice", "usbdevice", "driver"},
};

static bool is_flag(const char *name)
{
	char word[64];

	return snprintf(word, sizeof(word), " %s ", name) < (int)sizeof(word) && strstr(flags, word);
}

static void add_property(struct qemu_option *o, const char *key, const char *value)
{
	o->properties = must_realloc(o->properties, (size_t)(o->n + 1) * sizeof(*o->properties));
	o->properties[o->n++] = (struct property){must_strdup(key), must_strdup(value)};
}

/* Properties of a JSON object; those of an object inside it are "outer.inner". */
static void json_properties(struct qemu_option *o, const char *prefix, json_t *object)
{
	const char *key;
	json_t *value;

	json_object_foreach(object, key, value)
	{
		struct text name = {0}, number = {0};

		text_add(&name, "%s%s%s", prefix, *prefix ? "." : "", key);
		if (json_is_integer(value))
			text_add(&number, "%lld", (long long)json_integer_value(value));
		if (json_is_object(value))
			json_properties(o, name.s, value);
		else if (json_is_string(value))
			add_property(o, name.s, json_string_value(value));
		else if (json_is_boolean(value))
			add_property(o, name.s, json_is_true(value) ? "on" : "off");
		else if (json_is_integer(value))
			add_property(o, name.s, number.s);
		text_free(&name);
		text_free(&number);
	}
}

/* One part of "a,b=c,d": up to a comma that is not doubled. Returns what follows it, NULL at the end. */
static const char *next_part(const char *at, struct text *part)
{
	for (; *at; at++) {
		if (*at == ',' && *++at != ',')
			return at;
		text_add(part, "%c", *at);
	}
	return NULL;
}

static void parse_properties(struct qemu_option *o, const char *implied, const char *argument)
{
	const char *at = argument;
	json_t *json = *argument == '{' ? json_loads(argument, 0, NULL) : NULL;

	if (json) {
		json_properties(o, "", json);
		json_decref(json);
		return;
	}
	while (at) {
		struct text part = {0};
		char *equals;

		text_add(&part, "%s", "");
		at = next_part(at, &part);
		equals = strchr(part.s, '=');
		if (equals)
			*equals = '\0';
		if (equals)
			add_property(o, part.s, equals + 1);
		else if (!o->n)
			add_property(o, implied, part.s);
		else
			add_property(o, part.s, "on");
		text_free(&part);
	}
}

/* Reads the option at argument i; returns the place of the next one. */
static int take_option(struct qemu_line *line, int i)
{
	struct arguments *a = &line->args;
	struct qemu_option *o;
	const char *name = a->v[i], *implied = "";
	size_t k;

	line->options = must_realloc(line->options, (size_t)(line->n + 1) * sizeof(*line->options));
	o = &line->options[line->n++];
	*o = (struct qemu_option){.name = "", .at = i};
	if (name[0] != '-')
		return i + 1;
	name += name[1] == '-' ? 2 : 1;
	o->name = name;
	if (is_flag(name))
		return i + 1;
	for (k = 0; k < COUNT(known); k++) {
		if (!strcmp(known[k].name, name)) {
			o->name = known[k].canonical;
			implied = known[k].implied;
			break;
		}
	}
	o->at = i + 1;
	if (i + 1 < a->n)
		parse_properties(o, implied, a->v[i + 1]);
	return i + 2;
}

int qemu_line_parse(struct qemu_line *line, int argc, char **argv)
{
	int i;

	*line = (struct qemu_line){0};
	for (i = 0; i < argc; i++)
		arguments_add(&line->args, "%s", argv[i]);
	for (i = 1; i < argc;)
		i = take_option(line, i);
	return i > argc ? -1 : 0;
}

struct qemu_option *qemu_last(const struct qemu_line *line, const char *name)
{
	for (int i = line->n - 1; i >= 0; i--)
		if (!strcmp(line->options[i].name, name))
			return &line->options[i];
	return NULL;
}

static bool is_key(const char *key, const char *wanted)
{
	size_t len = strlen(key), w = strlen(wanted);

	if (*wanted != '.')
		return !strcmp(key, wanted);
	return !strcmp(key, wanted + 1) || (len > w && !strcmp(key + len - w, wanted));
}

const char *qemu_value(const struct qemu_option *o, const char *key)
{
	for (int i = o->n - 1; i >= 0; i--)
		if (is_key(o->properties[i].key, key))
			return o->properties[i].value;
	return NULL;
}

const char *qemu_merged(const struct qemu_line *line, const char *name, const char *key)
{
	for (int i = line->n - 1; i >= 0; i--) {
		const char *value =
			strcmp(line->options[i].name, name) ? NULL : qemu_value(&line->options[i], key);

		if (value)
			return value;
	}
	return NULL;
}

void qemu_replace(struct qemu_line *line, struct qemu_option *o, const char *fmt, ...)
{
	const char *implied = o->n ? o->properties[0].key : "";
	char *text;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		exit(EXIT_FAIL);
	va_end(ap);
	free(line->args.v[o->at]);
	line->args.v[o->at] = text;
	o->n = 0;
	parse_properties(o, implied, text);
}

void qemu_add(struct qemu_line *line, const char *name, const char *argument)
{
	int i = line->args.n;

	arguments_add(&line->args, "-%s", name);
	if (argument)
		arguments_add(&line->args, "%s", argument);
	take_option(line, i);
}
