#include "harness/table.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool tints_on(void)
{
	const char *no = getenv("NO_COLOR");

	return !(no && no[0]) && isatty(STDOUT_FILENO);
}

const char *tint_begin(enum tint t)
{
	static const char *codes[] = {"", "\033[32m", "\033[31m", "\033[33m", "\033[1m"};

	return tints_on() ? codes[t] : "";
}

const char *tint_end(enum tint t)
{
	return t != PLAIN && tints_on() ? "\033[0m" : "";
}

void table_cell(struct table *t, enum tint tint, const char *fmt, ...)
{
	va_list ap;
	char *s;

	if (t->n == (int)COUNT(t->cell))
		return;
	va_start(ap, fmt);
	if (vasprintf(&s, fmt, ap) < 0)
		s = must_strdup("?");
	va_end(ap);
	t->tint[t->n] = tint;
	t->cell[t->n++] = s;
}

/* Characters a UTF-8 text takes on the terminal. */
static int width(const char *s)
{
	int w = 0;

	for (; *s; s++)
		w += ((unsigned char)*s & 0xc0) != 0x80;
	return w;
}

void table_print(struct table *t)
{
	int w[32] = {0}, i;

	for (i = 0; i < t->n; i++)
		if (width(t->cell[i]) > w[i % t->columns])
			w[i % t->columns] = width(t->cell[i]);
	for (i = 0; i < t->n; i++) {
		int col = i % t->columns, pad = w[col] - width(t->cell[i]);

		if (col)
			printf("  %*s", pad, "");
		printf("%s%s%s", tint_begin(t->tint[i]), t->cell[i], tint_end(t->tint[i]));
		if (!col)
			printf("%*s", pad, "");
		if (col == t->columns - 1)
			putchar('\n');
		free(t->cell[i]);
	}
	t->n = 0;
}
