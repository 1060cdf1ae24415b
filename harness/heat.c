#include "harness/heat.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char head[] = "time_ns,offset,samples,dram,pmem";

void heat_add(struct heat *h, const struct heat_row *row)
{
	if (h->n == h->cap) {
		h->cap = h->cap * 2 + 1024;
		h->v = must_realloc(h->v, sizeof(*h->v) * h->cap);
	}
	h->v[h->n++] = *row;
}

void heat_free(struct heat *h)
{
	free(h->v);
	*h = (struct heat){0};
}

int heat_read(struct heat *h, const char *path, char *reason)
{
	char *text = read_file(path, NULL), *line, *save = NULL;
	int number = 1, err = 0;

	if (!text && errno != ENOENT) {
		snprintf(reason, REASON_LEN, "cannot read tiermem's heat: %s", strerror(errno));
		return -1;
	}
	line = text ? strtok_r(text, "\n", &save) : NULL;
	if (line && strcmp(line, head) != 0)
		err = -1;
	while (!err && line && (line = strtok_r(NULL, "\n", &save))) {
		struct heat_row r;
		int end = 0;

		number++;
		if (sscanf(line, "%" SCNd64 ",%" SCNd64 ",%" SCNd64 ",%" SCNd64 ",%" SCNd64 "%n", &r.time_ns,
			   &r.offset, &r.samples, &r.dram, &r.pmem, &end) != 5 ||
		    line[end])
			err = -1;
		else
			heat_add(h, &r);
	}
	if (err)
		snprintf(reason, REASON_LEN, "tiermem's heat, line %d: not what this tmbench knows (%s)",
			 number, head);
	free(text);
	return err;
}
