#include "harness/arguments.h"

#include <stdlib.h>
#include <string.h>

void arguments_add(struct arguments *a, const char *fmt, ...)
{
	va_list ap;
	char *s;

	if (a->n + 2 > a->cap) {
		a->cap = a->cap * 2 + 16;
		a->v = must_realloc(a->v, (size_t)a->cap * sizeof(*a->v));
	}
	va_start(ap, fmt);
	if (vasprintf(&s, fmt, ap) < 0)
		exit(EXIT_FAIL);
	va_end(ap);
	a->v[a->n++] = s;
	a->v[a->n] = NULL;
}

void arguments_free(struct arguments *a)
{
	int i;

	for (i = 0; i < a->n; i++)
		free(a->v[i]);
	free(a->v);
	*a = (struct arguments){0};
}

const char *qemu_escaped(char *out, const char *path)
{
	size_t o = 0;

	for (; *path && o < 2 * PATH_LEN - 2; path++) {
		out[o++] = *path;
		if (*path == ',')
			out[o++] = ',';
	}
	out[o] = '\0';
	return out;
}

void text_add_quoted(struct text *t, const char *word)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				    "_-+=,./:@%";

	if (*word && !word[strspn(word, plain)]) {
		text_add(t, "%s", word);
		return;
	}
	text_add(t, "'");
	for (; *word; word++)
		text_add(t, *word == '\'' ? "'\\''" : "%c", *word);
	text_add(t, "'");
}
