/*
 * The verdict. A run repeats to the last digit, so what has not changed is equal, and statistics are for what has: any
 * change of the code moves addresses and interleavings and with them every figure a little. The values are paired by seed.
 * Five seeds cannot tell half a percent from chance, and of dozens of figures one is soon worse by chance. So the first look
 * only suspects: what is worse by half of the tolerance and not likely by chance. Then as many seeds again are measured, and
 * a regression is what is worse by more than the tolerance in the median of all of them, and hardly by chance in a paired
 * t-test of all. Where there are no further seeds the first look has to decide, and worse in every seed is asked for, too.
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

/* Whether chance is ruled out for what is so in OF of the seeds, with P of "it is not so". */
static bool sure(int of, int count, double p, bool second)
{
	return second ? p < GATE_P_ALL : of == count && p < GATE_P;
}

void gate_compare(struct gate_finding *f, const struct gate_row *ref, const struct gate_row *now, int count,
		  bool second, double tolerance)
{
	double change[GATE_MAX_SEEDS], worse[GATE_MAX_SEEDS], by;
	int i, better = 0;

	*f = (struct gate_finding){
		.ref = ref, .now = now, .metric = gate_metric(now->metric), .seeds = count};
	f->from = median(ref->v, count);
	f->to = median(now->v, count);
	f->p = 1;
	if (!memcmp(ref->v, now->v, sizeof(*now->v) * (size_t)count))
		return;
	f->state = GATE_CHANGED;
	for (i = 0; i < count; i++) {
		change[i] = relative(ref->v[i], now->v[i]);
		worse[i] = f->metric && f->metric->better > 0 ? -change[i] : change[i];
		f->worse += worse[i] > 0;
		better += worse[i] < 0;
	}
	f->change = median(change, count);
	f->p = p_of(worse, count);
	if (!f->metric || !f->metric->better)
		return;
	by = median(worse, count);
	f->suspect = by > tolerance / 2 && f->p < GATE_P_SUSPECT;
	if (by > tolerance)
		f->state = sure(f->worse, count, f->p, second) ? GATE_WORSE : GATE_UNSTEADY;
	else if (by < -tolerance)
		f->state = sure(better, count, 1 - f->p, second) ? GATE_BETTER : GATE_UNSTEADY;
}

int gate_compare_sets(struct gate_finding **out, const struct gate_set *ref, const struct gate_set *now,
		      int count, bool second, double tolerance)
{
	struct gate_finding *f = must_realloc(NULL, sizeof(*f) * (size_t)(now->n + 1));
	const struct gate_set *lacking = NULL;
	const struct gate_row *odd = NULL;
	int i, n = 0;

	for (i = 0; i < now->n && !odd; i++) {
		const struct gate_row *r = &now->rows[i],
				      *was = gate_find(ref, r->config, r->phase, r->metric);

		if (was)
			gate_compare(&f[n++], was, r, count, second, tolerance);
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

int gate_suspects(const struct gate_finding *f, int n)
{
	int i, found = 0;

	for (i = 0; i < n; i++)
		found += f[i].suspect;
	return found;
}

int gate_count(const struct gate_finding *f, int n, enum gate_state state)
{
	int i, found = 0;

	for (i = 0; i < n; i++)
		found += f[i].metric && f[i].metric->better && f[i].state == state;
	return found;
}
