/*
 * A working set of s bytes is read in an order that repeats (tmprobe's chase). Its lines fall on the sets of a physically
 * indexed cache at random, and with least-recently-used replacement a set that holds one line too many holds none of them
 * when it is their turn. So a cache of c bytes and w ways answers P(X <= w - 1), X Poisson with mean w s / c. The L1 is
 * indexed by virtual address: all or nothing. Sizes that are not known are tried; the latencies that go with them are the
 * least squares of relative errors.
 */
#include "harness/host.h"

#include <math.h>

/* Below this the timer's own error counts, ns. */
static const double FLOOR_NS = 2;

static double within(double bytes, double cache, double ways)
{
	double mean = ways * bytes / cache, term = exp(-mean), sum = 0;

	for (int k = 0; k < (int)ways; k++) {
		sum += term;
		term *= mean / (k + 1);
	}
	return sum;
}

/* Solves m x = b of three unknowns. False: it has no single solution. */
static bool solve(double m[3][4], double x[3])
{
	for (int i = 0; i < 3; i++) {
		int best = i;

		for (int k = i + 1; k < 3; k++)
			if (fabs(m[k][i]) > fabs(m[best][i]))
				best = k;
		if (fabs(m[best][i]) < 1e-9)
			return false;
		for (int j = 0; j < 4; j++) {
			double t = m[i][j];

			m[i][j] = m[best][j];
			m[best][j] = t;
		}
		for (int k = 0; k < 3; k++) {
			double f = k == i ? 0 : m[k][i] / m[i][i];

			for (int j = i; j < 4 && k != i; j++)
				m[k][j] -= f * m[i][j];
		}
	}
	for (int i = 0; i < 3; i++)
		x[i] = m[i][3] / m[i][i];
	return true;
}

/* The best latencies for given sizes, and their error. False: they make no sense. */
static bool latencies(const double *bytes, const double *ns, int n, double l2_ways, double llc_ways,
		      struct host_caches *c)
{
	double m[3][4] = {{0}}, x[3], sum = 0;

	for (int pass = 0; pass < 2; pass++) {
		for (int i = 0; i < n; i++) {
			double l1 = bytes[i] <= c->l1_kib * 1024 ? 1 : 0;
			double l2 = fmax(l1, within(bytes[i], c->l2_kib * 1024, l2_ways));
			double llc = fmax(l2, within(bytes[i], c->llc_kib * 1024, llc_ways));
			double share[3] = {l2 - l1, llc - l2, 1 - llc}, scale = 1 / fmax(ns[i], FLOOR_NS);

			if (pass) {
				double got = share[0] * x[0] + share[1] * x[1] + share[2] * x[2];

				sum += (got - ns[i]) * scale * (got - ns[i]) * scale;
				continue;
			}
			for (int r = 0; r < 3; r++) {
				for (int k = 0; k < 3; k++)
					m[r][k] += share[r] * share[k] * scale * scale;
				m[r][3] += share[r] * ns[i] * scale * scale;
			}
		}
		if (!pass && (!solve(m, x) || x[0] <= 0 || x[1] < x[0] || x[2] < x[1]))
			return false;
	}
	c->l2_ns = x[0];
	c->llc_ns = x[1];
	c->dram_ns = x[2];
	c->error = sqrt(sum / n);
	return true;
}

int host_fit(const double *bytes, const double *ns, int n, double l2_ways, double llc_ways,
	     struct host_caches *out)
{
	const struct host_caches known = *out;

	out->error = INFINITY;
	if (n < 8)
		return -1;
	for (double l1 = known.l1_kib ? known.l1_kib : 16; l1 <= 1024; l1 = known.l1_kib ? INFINITY : l1 * 2)
		for (double l2 = known.l2_kib ? known.l2_kib : 256; l2 <= 65536;
		     l2 = known.l2_kib ? INFINITY : l2 * 2)
			for (double llc = 512; llc <= 131072; llc *= 1.25992104989487) {
				struct host_caches c = {
					.l1_kib = l1, .l2_kib = l2, .llc_kib = round(llc / 64) * 64};

				if (c.llc_kib > l2 && latencies(bytes, ns, n, l2_ways, llc_ways, &c) &&
				    c.error < out->error)
					*out = c;
			}
	return isfinite(out->error) ? 0 : -1;
}
