/* The verdict for people: one line per figure that changed, the largest change first, with what changed along. */
#include "harness/gate.h"
#include "harness/table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define EXPLANATIONS 5 /* counters named beside a figure */

/* Largest change first; what regressed before what did not. */
static int by_size(const void *a, const void *b)
{
	const struct gate_finding *x = *(const struct gate_finding *const *)a,
				  *y = *(const struct gate_finding *const *)b;

	if ((x->state == GATE_WORSE) != (y->state == GATE_WORSE))
		return x->state == GATE_WORSE ? -1 : 1;
	return fabs(x->change) < fabs(y->change) ? 1 : fabs(x->change) > fabs(y->change) ? -1 : 0;
}

/* The counters of F's phase that explain it: the first two of the table always, then those that changed most. */
static void explain(struct text *out, const struct gate_report *r, const struct gate_finding *f)
{
	const struct gate_finding *of[64];
	int n = 0, i, shown = 0;

	for (i = 0; i < r->n && n < (int)COUNT(of); i++) {
		const struct gate_finding *c = &r->f[i];

		if (!c->metric || c->metric->better || strcmp(c->now->config, f->now->config) != 0 ||
		    strcmp(c->now->phase, f->now->phase) != 0)
			continue;
		if (!strcmp(c->metric->name, "server_instructions_per_op") ||
		    !strcmp(c->metric->name, "llc_misses_pmem"))
			text_add(out, "%s%s %+.2f %%", shown++ ? ", " : "", c->metric->label, c->change);
		else if (fabs(c->change) >= GATE_NOISE)
			of[n++] = c;
	}
	qsort(of, (size_t)n, sizeof(*of), by_size);
	for (i = 0; i < n && shown < EXPLANATIONS; i++)
		text_add(out, "%s%s %+.2f %%", shown++ ? ", " : "", of[i]->metric->label, of[i]->change);
}

/* One figure that changed. */
static void print_finding(const struct gate_report *r, const struct gate_finding *f)
{
	static const struct {
		const char *word;
		enum tint tint;
	} words[] = {{"", PLAIN}, {"changed", PLAIN}, {"better", GOOD}, {"WORSE", BAD}, {"unsteady", WARN}};
	struct text why = {0};

	printf("%s%-8s%s  %s %s %s %+.2f %% (%.6g -> %.6g %s", tint_begin(words[f->state].tint),
	       words[f->state].word, tint_end(words[f->state].tint), f->now->config, f->now->phase,
	       f->metric->label, f->change, f->from, f->to, f->metric->unit);
	printf("; worse in %d of %d seeds, p %.2g", f->worse, f->seeds, f->p);
	explain(&why, r, f);
	printf("): %s\n", why.s ? why.s : "no counters");
	text_free(&why);
}

/* What was compared with what. */
static void print_head(const struct gate_report *r)
{
	const char *line;

	printf("latency gate: %s, seeds %lld to %lld%s, tolerance %g %%\n", r->now->prints[0].value,
	       (long long)r->now->seed, (long long)r->now->seed + r->seeds - 1,
	       r->second ? " (a second look: half of them made something suspect)" : "", r->o->tolerance);
	if (strcmp(r->against, "parent") != 0) {
		printf("compared with the reference of %.10s, commit %s\n", r->ref->made, r->ref->commit);
		return;
	}
	printf("compared with commit %.12s, built and measured here, because the reference does not hold:\n",
	       r->rev);
	for (line = r->versions; *line; line = strchr(line, '\n') + 1)
		printf("  %.*s\n", (int)strcspn(line, "\n"), line);
}

/* The last lines: what it comes to and what to do. */
static void print_verdict(const struct gate_report *r, int shown, int same)
{
	int worse = gate_count(r->f, r->n, GATE_WORSE), better = gate_count(r->f, r->n, GATE_BETTER);

	if (same == r->n) {
		printf("identical: all %d figures of %d seeds, to the last digit\n", r->n, r->seeds);
		return;
	}
	if (!shown)
		printf("no median of throughput or latency changed by %g %% or more; %d of %d figures are "
		       "not identical\n",
		       GATE_NOISE, r->n - same, r->n);
	if (!strcmp(r->against, "reference") && r->ref->image[0] && r->now->image[0] &&
	    strcmp(r->ref->image, r->now->image) != 0)
		printf("note: the guest image has other bytes than the reference's (its recipe changed?)\n");
	if (worse)
		printf("%sREGRESSION%s: %d figures are worse by more than %g %%, and not by chance. If that is "
		       "the price of something: tmbench gate --accept REASON\n",
		       tint_begin(BAD), tint_end(BAD), worse, r->o->tolerance);
	else
		printf("no regression%s\n",
		       better ? "; keep what was gained: tmbench gate --accept REASON" : "");
}

void gate_report_human(const struct gate_report *r)
{
	const struct gate_finding **list = must_realloc(NULL, sizeof(*list) * (size_t)(r->n + 1));
	int i, n = 0, same = 0;

	print_head(r);
	for (i = 0; i < r->n; i++) {
		const struct gate_finding *f = &r->f[i];

		same += f->state == GATE_SAME;
		if (f->metric && f->metric->better &&
		    (fabs(f->change) >= GATE_NOISE || f->state == GATE_WORSE))
			list[n++] = f;
	}
	qsort(list, (size_t)n, sizeof(*list), by_size);
	for (i = 0; i < n; i++)
		print_finding(r, list[i]);
	print_verdict(r, n, same);
	free(list);
}
