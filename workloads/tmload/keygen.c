/* Key distributions on GSL's generators. */
#include "workloads/tmload/keygen.h"

#include <math.h>
#include <gsl/gsl_randist.h>

unsigned long stream_seed(uint64_t seed, uint64_t stream)
{
	uint64_t x = seed * 0x9e3779b97f4a7c15u + (stream + 1) * 0xd6e8feb86659fd93u;

	x = (x ^ (x >> 32)) * 0xd6e8feb86659fd93u;
	x = (x ^ (x >> 32)) * 0xd6e8feb86659fd93u;
	return (unsigned long)(x >> 32); /* the 32 bits that GSL takes */
}

uint64_t uniform_below(gsl_rng *rng, uint64_t n)
{
	uint64_t span = gsl_rng_max(rng) - gsl_rng_min(rng), limit, x;

	if (n <= span)
		return gsl_rng_uniform_int(rng, n);
	/* Two draws of at least 31 bits, the excess over a multiple of n rejected. */
	limit = ((uint64_t)1 << 62) - ((uint64_t)1 << 62) % n;
	do {
		x = (gsl_rng_get(rng) & 0x7fffffff) << 31;
		x |= gsl_rng_get(rng) & 0x7fffffff;
	} while (x >= limit);
	return x % n;
}

/*
 * Zipf by rejection-inversion (Hoermann and Derflinger, 1996): no table, so that the client does not fill the
 * caches it shares with the server, as gsl_ran_discrete would with 16 bytes per key.
 */

/* Integral of x^-s, up to a constant; expm1 keeps it exact around s = 1. */
static double zipf_integral(double s, double x)
{
	double lx = log(x), t = (1 - s) * lx;

	return fabs(t) > 1e-8 ? expm1(t) / t * lx : lx;
}

/* The inverse of zipf_integral. */
static double zipf_integral_inverse(double s, double y)
{
	double t = (1 - s) * y;

	if (t < -1)
		t = -1;
	return exp(fabs(t) > 1e-8 ? log1p(t) / t * y : y);
}

/* Precompute the sampler for ranks 1..n. */
static void zipf_init(struct zipf *z, double s, double n)
{
	z->s = s;
	z->n = n;
	z->h_first = zipf_integral(s, 1.5) - 1;
	z->h_last = zipf_integral(s, n + 0.5);
	z->shift = 2 - zipf_integral_inverse(s, zipf_integral(s, 2.5) - pow(2, -s));
}

/* Draw a rank, 1..n. */
static double zipf_draw(const struct zipf *z, gsl_rng *rng)
{
	for (;;) {
		double u = z->h_last + gsl_rng_uniform(rng) * (z->h_first - z->h_last);
		double x = zipf_integral_inverse(z->s, u);
		double k = floor(x + 0.5);

		if (k < 1)
			k = 1;
		else if (k > z->n)
			k = z->n;
		if (k - x <= z->shift || u >= zipf_integral(z->s, k + 0.5) - pow(k, -z->s))
			return k;
	}
}

void keydist_init(struct keydist *d, char pattern, uint64_t min, uint64_t max, double median, double stddev,
		  double zipf_exp)
{
	*d = (struct keydist){.pattern = pattern, .min = min, .count = max - min + 1};
	d->median = median;
	d->stddev = stddev;
	if (pattern == 'Z')
		zipf_init(&d->zipf, zipf_exp, (double)d->count);
}

uint64_t key_share(uint64_t count, uint64_t i, uint64_t n)
{
	return count / n + (i < count % n);
}

uint64_t requests_for_share(uint64_t share, uint64_t sets, uint64_t gets)
{
	if (sets == 0)
		return share;
	return share / sets * (sets + gets) + share % sets;
}

void keycursor_init(struct keycursor *c, const struct keydist *d, uint64_t i, uint64_t n)
{
	if (d->pattern == 'P') {
		uint64_t rest = d->count % n;
		c->first = d->count / n * i + (i < rest ? i : rest);
		c->end = c->first + key_share(d->count, i, n);
		c->step = 1;
	} else {
		c->first = i % d->count;
		c->end = d->count;
		c->step = n;
	}
	c->next = c->first;
}

/* The next offset of a sequence; it begins again at its end. */
static uint64_t sequence_next(struct keycursor *c)
{
	uint64_t at = c->next;

	c->next = c->end - at > c->step ? at + c->step : c->first;
	return at;
}

/* A normal draw, those out of range drawn again; nearly flat (stddev far over the range) becomes uniform. */
static uint64_t gaussian_next(const struct keydist *d, gsl_rng *rng)
{
	for (int tries = 0; tries < 64; tries++) {
		double x = d->median - (double)d->min + gsl_ran_gaussian_ziggurat(rng, d->stddev);

		x = floor(x + 0.5);
		if (x >= 0 && x < (double)d->count)
			return (uint64_t)x;
	}
	return uniform_below(rng, d->count);
}

uint64_t keygen_next(const struct keydist *d, struct keycursor *c, gsl_rng *rng)
{
	switch (d->pattern) {
	case 'S':
	case 'P':
		return d->min + sequence_next(c);
	case 'G':
		return d->min + gaussian_next(d, rng);
	case 'Z':
		return d->min + (uint64_t)zipf_draw(&d->zipf, rng) - 1;
	default:
		return d->min + uniform_below(rng, d->count);
	}
}
