#include "allocator/heat_rate.h"

#include <math.h>

#define WHOLE	    32 // bins of one count each end here
#define PER_DOUBLE  4  // bins
#define FIRST_STEPS 60 // of EM
#define STEPS	    6
#define FORGET	    0.01f // share of the weight that returns to the whole grid, so that a rate can come back
#define FACTOR	    1.5f  // the hysteresis
#define LEAST	    1.0f  // samples

unsigned tm_heat_bin(float samples)
{
	if (samples < WHOLE)
		return samples > 0 ? (unsigned)lrintf(samples) : 0;
	unsigned bin = WHOLE + (unsigned)(PER_DOUBLE * log2f(samples / WHOLE));
	return bin < TM_HEAT_BINS ? bin : TM_HEAT_BINS - 1;
}

// The count that stands for a bin.
static float middle(unsigned bin)
{
	return bin < WHOLE ? (float)bin : WHOLE * exp2f(((float)(bin - WHOLE) + 0.5f) / PER_DOUBLE);
}

static float grid(unsigned i)
{
	return i ? exp2f((float)i / 2 - 4.5f) : 0;
}

// How likely that count is with each rate, relative to the likeliest of them: Poisson, without the factors that all have in common.
static void likelihoods(float out[TM_HEAT_GRID], unsigned bin)
{
	float count = middle(bin), most = count ? count * logf(count) - count : 0;

	out[0] = bin == 0;
	for (unsigned i = 1; i < TM_HEAT_GRID; i++)
		out[i] = expf(count * logf(grid(i)) - grid(i) - most);
}

// One step of EM; with rate, the expected rate of each bin as well.
static void step(struct tm_heat_fit *f, const uint32_t *granules, float like[][TM_HEAT_GRID], bool rates)
{
	float next[TM_HEAT_GRID] = {0}, all = 0;

	for (unsigned b = 0; b < TM_HEAT_BINS; b++) {
		float sum = 0, mean = 0;
		if (!granules[b] && !rates)
			continue;
		for (unsigned i = 0; i < TM_HEAT_GRID; i++) {
			float part = f->weight[i] * like[b][i];
			sum += part;
			mean += part * grid(i);
		}
		if (rates)
			f->rate[b] = sum > 0 ? mean / sum : middle(b);
		if (!granules[b] || !(sum > 0))
			continue;
		for (unsigned i = 0; i < TM_HEAT_GRID; i++)
			next[i] += (float)granules[b] * f->weight[i] * like[b][i] / sum;
		all += (float)granules[b];
	}
	for (unsigned i = 0; all > 0 && i < TM_HEAT_GRID; i++)
		f->weight[i] = next[i] / all;
}

void tm_heat_fit(struct tm_heat_fit *f, const uint32_t granules[TM_HEAT_BINS])
{
	static float like[TM_HEAT_BINS][TM_HEAT_GRID];
	float before = 0;

	if (like[0][0] == 0)
		for (unsigned b = 0; b < TM_HEAT_BINS; b++)
			likelihoods(like[b], b);
	for (unsigned i = 0; i < TM_HEAT_GRID; i++)
		before += f->weight[i];
	for (unsigned i = 0; i < TM_HEAT_GRID; i++)
		f->weight[i] = before > 0 ? f->weight[i] * (1 - FORGET) + FORGET / TM_HEAT_GRID
					  : 1.0f / TM_HEAT_GRID;
	for (unsigned n = before > 0 ? STEPS : FIRST_STEPS; n; n--)
		step(f, granules, like, n == 1);
	for (unsigned b = 1; b < TM_HEAT_BINS; b++)
		if (f->rate[b] < f->rate[b - 1])
			f->rate[b] = f->rate[b - 1];
}

bool tm_heat_worth(float on_pmem, float in_dram)
{
	return on_pmem > FACTOR * in_dram && on_pmem - in_dram > LEAST;
}
