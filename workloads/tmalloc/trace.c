#include "workloads/tmalloc/trace.h"
#include "harness/util.h"

#include <errno.h>
#include <string.h>

int trace_read(struct trace *t, const char *path)
{
	FILE *f = fopen(path, "re");
	char line[256];
	double total = 0;
	int number = 0;

	if (!f) {
		complain("cannot read trace %s: %s", path, strerror(errno));
		return -1;
	}
	while (fgets(line, sizeof(line), f)) {
		unsigned size, lifetime;
		double count;
		char rest;

		number++;
		if (line[0] == '#' || !strcmp(line, "size,lifetime,count\n"))
			continue;
		if (sscanf(line, "%u,%u,%lf%c", &size, &lifetime, &count, &rest) != 4 || rest != '\n' ||
		    size < 1 || size > 1u << 30 || lifetime < 1 || lifetime & (lifetime - 1) ||
		    lifetime > 1u << 20 || !(count > 0) || t->n == TRACE_MAX) {
			complain("%s, line %d: want size,lifetime,count: up to 1 GiB, a power of two up to "
				 "2^20, above 0; at most %d lines",
				 path, number, TRACE_MAX);
			fclose(f);
			return -1;
		}
		t->kind[t->n].size = size;
		t->kind[t->n].lifetime = lifetime;
		t->kind[t->n++].share = count;
		total += count;
	}
	fclose(f);
	if (!t->n) {
		complain("%s: no line size,lifetime,count", path);
		return -1;
	}
	for (int i = 0; i < t->n; i++)
		t->kind[i].share /= total;
	return 0;
}
