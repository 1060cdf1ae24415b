// tiermem doctor: what is real, emulated or missing here, and how to get it.
#include "allocator/cli/doctor.h"
#include "allocator/cli/cli.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const states[] = {"ok", "emulated", "missing", "unknown"};

void doctor_add(struct doctor *d, const char *item, enum doctor_state state, const char *todo,
		const char *format, ...)
{
	char found[512];
	va_list args;

	va_start(args, format);
	vsnprintf(found, sizeof(found), format, args);
	va_end(args);
	json_t *o = json_pack("{s:s, s:s, s:s, s:s?}", "item", item, "state", states[state], "found", found,
			      "todo", todo);
	if (!o) // what was found is no UTF-8
		o = json_pack("{s:s, s:s, s:s, s:s?}", "item", item, "state", states[state], "found", "?",
			      "todo", todo);
	json_array_append_new(d->items, o);
}

const char *doctor_path(const struct doctor *d, const char *path)
{
	static char paths[4][PATH_MAX];
	static unsigned next;
	char *p = paths[next++ % 4];

	snprintf(p, PATH_MAX, "%s%s", d->root, path);
	return p;
}

bool doctor_read(const struct doctor *d, const char *path, char *text, size_t size)
{
	FILE *f = fopen(doctor_path(d, path), "re");
	bool got = f && fgets(text, (int)size, f);

	if (f)
		fclose(f);
	if (got)
		text[strcspn(text, "\n")] = 0;
	else
		*text = 0;
	return got;
}

static const char *text_of(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key));
}

static void show(const json_t *items)
{
	size_t i;
	const json_t *o;

	json_array_foreach(items, i, o)
	{
		const char *todo = text_of(o, "todo");
		printf("%-24s %-9s %s\n", text_of(o, "item"), text_of(o, "state"), text_of(o, "found"));
		if (todo)
			printf("%-24s %-9s -> %s\n", "", "", todo);
	}
}

int cli_doctor(int argc, char **argv)
{
	struct doctor d = {.root = ""};
	bool json = false;

	for (int i = 1; i < argc; i++) {
		int no_format = cli_format(argc, argv, &i, &json);
		if (no_format == 2)
			return 2;
		if (no_format && !strncmp(argv[i], "--root=", 7))
			d.root = argv[i] + 7;
		else if (no_format)
			return cli_error(2, "unexpected '%s'; usage: " CLI_USAGE_DOCTOR, argv[i]);
	}
	d.items = json_array();
	doctor_kernel(&d);
	doctor_devices(&d);
	doctor_tiermem(&d);
	if (json) {
		json_t *out = json_pack("{s:i, s:o}", "schema", 1, "items", d.items);
		json_dumpf(out, stdout, JSON_COMPACT);
		putchar('\n');
		json_decref(out);
	} else {
		show(d.items);
		json_decref(d.items);
	}
	return 0;
}
