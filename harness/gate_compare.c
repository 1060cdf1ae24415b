/*
 * The verdict. A run repeats to the last digit, so what has not changed is equal, and statistics are for what has: any
 * change of the code moves addresses and interleavings and with them every figure a little. The values are paired by seed.
 * A regression is worse in the median by more than the tolerance, worse in every seed, and significant in a paired t-test.
 * Of dozens of figures one is soon worse by chance, so as many seeds that the first look did not see must confirm it: again
 * by more than the tolerance, and significant at a lower level, since only suspects are looked at.
 */
#include "harness/gate.h"

#include <gsl/gsl_cdf.h>
#include <gsl/gsl_sort.h>
#include <gsl/gsl_statistics_double.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The median; V is left as it is. */
static double median(const double *v, int n)
{
	double sorted[GATE_MAX_SEEDS];

	memcpy(sorted, v, sizeof(*v) * (size_t)n);
	gsl_sort(sorted, 1, (size_t)n);
	return gsl_stats_median_from_sorted_data(sorted, 1, (size_t)n);
}

/* How much more B is than A, percent. From nothing to something is 100. */
static double relative(double a, double b)
{
	if (a == b)
		return 0;
	return a != 0 ? 100 * (b - a) / fabs(a) : copysign(100, b);
}

/* One-sided paired t-test: how likely such differences are when the mean difference is 0 or less. */
static double p_of(const double *d, int n)
{
	double mean = gsl_stats_mean(d, 1, (size_t)n), sd;

	if (n < 2)
		return mean > 0 ? 0 : 1;
	sd = gsl_stats_sd_m(d, 1, (size_t)n, mean);
	if (!(sd > 0))
		return mean > 0 ? 0 : 1;
	return gsl_cdf_tdist_Q(mean / (sd / sqrt(n)), n - 1);
}

void gate_compare(struct gate_finding *f, const struct gate_row *ref, const struct gate_row *now, int from,
		  int count, double tolerance)
{
	double change[GATE_MAX_SEEDS], worse[GATE_MAX_SEEDS], better[GATE_MAX_SEEDS], by;
	int i, up = 0, down = 0;

	*f = (struct gate_finding){
		.ref = ref, .now = now, .metric = gate_metric(now->metric), .seeds = count};
	f->from = median(ref->v + from, count);
	f->to = median(now->v + from, count);
	f->p = 1;
	if (!memcmp(ref->v + from, now->v + from, sizeof(*now->v) * (size_t)count))
		return;
	f->state = GATE_CHANGED;
	for (i = 0; i < count; i++) {
		change[i] = relative(ref->v[from + i], now->v[from + i]);
		worse[i] = f->metric && f->metric->better > 0 ? -change[i] : change[i];
		better[i] = -worse[i];
		up += worse[i] > 0;
		down += worse[i] < 0;
	}
	f->change = median(change, count);
	f->worse = up;
	f->p = p_of(worse, count);
	if (!f->metric || !f->metric->better)
		return;
	by = median(worse, count);
	if (by > tolerance)
		f->state = up == count && f->p < GATE_P ? GATE_WORSE : GATE_UNSTEADY;
	else if (by < -tolerance)
		f->state = down == count && p_of(better, count) < GATE_P ? GATE_BETTER : GATE_UNSTEADY;
}

int gate_compare_sets(struct gate_finding **out, const struct gate_set *ref, const struct gate_set *now,
		      int count, double tolerance)
{
	struct gate_finding *f = must_realloc(NULL, sizeof(*f) * (size_t)(now->n + 1));
	const struct gate_set *lacking = NULL;
	const struct gate_row *odd = NULL;
	int i, n = 0;

	for (i = 0; i < now->n && !odd; i++) {
		const struct gate_row *r = &now->rows[i],
				      *was = gate_find(ref, r->config, r->phase, r->metric);

		if (was)
			gate_compare(&f[n++], was, r, 0, count, tolerance);
		else if (!gate_metric(r->metric) || gate_metric(r->metric)->better)
			odd = r, lacking = ref;
	}
	for (i = 0; i < ref->n && !odd; i++) {
		const struct gate_row *r = &ref->rows[i];

		if (!gate_find(now, r->config, r->phase, r->metric)) {
			odd = r;
			lacking = now;
		}
	}
	*out = f;
	if (!odd)
		return n;
	complain("%s has no %s of %s %s: nothing to compare; --accept a new reference",
		 lacking == ref ? "the reference" : "this run", odd->metric, odd->config, odd->phase);
	free(f);
	*out = NULL;
	return -1;
}

void gate_recheck(struct gate_finding *f, int n, int from, int count, double tolerance)
{
	int i;

	for (i = 0; i < n; i++) {
		struct gate_finding second;

		if (f[i].state != GATE_WORSE)
			continue;
		gate_compare(&second, f[i].ref, f[i].now, from, count, tolerance);
		f[i].checked = true;
		f[i].again = second.change;
		if (second.state == GATE_UNSTEADY && second.p < GATE_P_AGAIN &&
		    second.change * f[i].change > 0)
			continue;
		if (second.state != GATE_WORSE)
			f[i].state = GATE_UNSTEADY;
	}
}

int gate_count(const struct gate_finding *f, int n, enum gate_state state)
{
	int i, found = 0;

	for (i = 0; i < n; i++)
		found += f[i].metric && f[i].metric->better && f[i].state == state;
	return found;
}
