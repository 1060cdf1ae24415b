/* The result channel's frames ("@@begin KIND NAME", a document, "@@end") and what makes a VM's results complete. */
#include "harness/results.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Take carriage returns out, in place. */
static void strip_returns(char *s)
{
	char *to = s;

	for (; *s; s++)
		if (*s != '\r')
			*to++ = *s;
	*to = '\0';
}

/* The guest's versions: kernel on the first line, Redis on the second. */
static void versions(struct metrics *m, const char *doc)
{
	const char *redis = strchr(doc, '\n');
	const char *v;

	snprintf(m->kernel, sizeof(m->kernel), "%.*s", (int)strcspn(doc, "\n"), doc);
	if (!redis)
		return;
	v = strstr(redis, "v=");
	redis = v ? v + 2 : redis + 1;
	snprintf(m->redis, sizeof(m->redis), "%.*s", (int)strcspn(redis, " \n"), redis);
}

/* One document. 0 or -1 with the REASON. */
static int document(struct metrics *m, const char *kind, const char *name, const char *doc, char *reason)
{
	if (!strcmp(kind, "tmload"))
		return results_tmload(m, name, doc, reason);
	if (!strcmp(kind, "tiermem"))
		return results_tiermem(m, strcmp(name, "exit") ? name : "", doc, reason);
	if (!strcmp(kind, "redis"))
		results_redis(m, name, doc);
	else if (!strcmp(kind, "text") && !strcmp(name, "versions"))
		versions(m, doc);
	return 0;
}

/* Walk the frames of the result channel. 0 or -1 with the REASON. */
static int frames(struct metrics *m, char *log, char *reason)
{
	char *at = log, *doc, *end, *name;

	for (;;) {
		at = strstr(at, "@@begin ");
		if (!at)
			return 0;
		at += strlen("@@begin ");
		doc = strchr(at, '\n');
		end = doc ? strstr(doc, "\n@@end") : NULL;
		if (!end) {
			snprintf(reason, REASON_LEN, "the result channel ends within a document");
			return -1;
		}
		*doc++ = '\0';
		if (end < doc)
			end = doc;
		else
			*end++ = '\0';
		name = strchr(at, ' ');
		if (name)
			*name++ = '\0';
		if (document(m, at, name ? name : "", doc, reason))
			return -1;
		at = end;
	}
}

/* Whether a phase has everything a row of the report needs. 0 or -1 with the REASON. */
static int phase_complete(const struct metrics *m, const struct config *c, const char *phase, char *reason)
{
	if (!metrics_get(m, phase, "ops", NULL))
		snprintf(reason, REASON_LEN, "phase %s: no result of tmload", phase);
	else if (!metrics_get(m, phase, "server_busy", NULL))
		snprintf(reason, REASON_LEN, "phase %s: no statistics of the simulator", phase);
	else if (c->tiermem && !metrics_get(m, phase, "dram_granules", NULL))
		snprintf(reason, REASON_LEN, "phase %s: no statistics of tiermem", phase);
	else
		return 0;
	return -1;
}

int results_vm(struct metrics *m, const struct plan *p, const struct config *c, const char *dir, char *reason)
{
	char path[PATH_LEN + 32];
	char *log;
	int err, i;

	snprintf(path, sizeof(path), "%s/results.log", dir);
	log = read_file(path, NULL);
	if (!log) {
		snprintf(reason, REASON_LEN, "no results: %s", strerror(errno));
		return -1;
	}
	strip_returns(log);
	err = frames(m, log, reason);
	free(log);
	snprintf(path, sizeof(path), "%s/stats.jsonl", dir);
	if (!err)
		err = results_sim(m, p, path, reason);
	for (i = 0; i < p->s->n_phases && !err; i++)
		if (p->s->phases[i].selected)
			err = phase_complete(m, c, p->s->phases[i].name, reason);
	return err;
}
