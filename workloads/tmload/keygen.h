/* Which key a request asks for: the distributions behind --key-pattern. */
#ifndef TMLOAD_KEYGEN_H
#define TMLOAD_KEYGEN_H

#include <stdint.h>
#include <gsl/gsl_rng.h>

/* Constants of the rejection-inversion sampler for P(k) ~ k^-s, k = 1..n. */
struct zipf {
	double s, n, h_first, h_last, shift;
};

/* One side's distribution; shared by all connections and read-only after keydist_init. */
struct keydist {
	char pattern; /* R uniform, S sequential, P parallel, G gaussian, Z zipf */
	uint64_t min, count;
	double median, stddev;
	struct zipf zipf;
};

/* One connection's place in a sequence (patterns S and P). */
struct keycursor {
	uint64_t first, end, step,
		next; /* offsets from min: first, first + step, ... below end, then again */
};

/*
 * Prepare a distribution over the key indices [min, max]. median and stddev are in keys and used by G
 * only, zipf_exp (0 < exp < 5) by Z only; the most frequent key of Z is min.
 */
void keydist_init(struct keydist *d, char pattern, uint64_t min, uint64_t max, double median, double stddev,
		  double zipf_exp);

/*
 * Place connection i of n. S: the connections walk the range together, connection i taking every n-th key;
 * P: each has its own contiguous part.
 */
void keycursor_init(struct keycursor *c, const struct keydist *d, uint64_t i, uint64_t n);

/* How many of count keys connection i of n has when together they cover each once. */
uint64_t key_share(uint64_t count, uint64_t i, uint64_t n);

/*
 * Requests until `share` of the counted side are sent, for repeating groups of `sets` SETs and then `gets`
 * GETs. The counted side is SET, or GET where sets is 0.
 */
uint64_t requests_for_share(uint64_t share, uint64_t sets, uint64_t gets);

/* The next key index, within [min, max]. */
uint64_t keygen_next(const struct keydist *d, struct keycursor *c, gsl_rng *rng);

/* The generator's seed for one of many streams under a user's seed. */
unsigned long stream_seed(uint64_t seed, uint64_t stream);

/* Uniform in [0, n), n >= 1; also for n beyond the 32 bits of one draw. */
uint64_t uniform_below(gsl_rng *rng, uint64_t n);

#endif
