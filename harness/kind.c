#include "harness/kind.h"

#include <string.h>

static const struct kind *const kinds[] = {&kind_redis, &kind_mysql};

const struct kind *kind_named(const char *name)
{
	size_t i;

	for (i = 0; i < COUNT(kinds); i++)
		if (!strcmp(kinds[i]->name, name))
			return kinds[i];
	return NULL;
}

const struct kind *kind_of(const struct scenario *s)
{
	return kind_named(s->kind);
}

char *kind_names(void)
{
	struct text t = {0};
	size_t i;

	for (i = 0; i < COUNT(kinds); i++)
		text_add(&t, "%s%s", i ? " or " : "", kinds[i]->name);
	return t.s;
}
