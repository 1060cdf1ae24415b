#include "allocator/heat_rate.h"

#include <math.h>

#define WHOLE	    32 // bins of one count each end here
#define PER_DOUBLE  4  // bins
#define FIRST_STEPS 60 // of EM
#define STEPS	    6
#define FORGET	    0.01f // share of the weight that returns to the whole grid, so that a rate can come back
#define FACTOR	    1.5f  // the hysteresis
#define LEAST	    1.0f  // samples
#define LANES	    4	  // rates that are calculated with at once
#define BEYOND	    2	  // times the largest count,
#define BEYOND_FEW  16	  // and for small ones: rates that make it unlikely

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

static float rates[TM_HEAT_GRID];		     // of the grid
static float like[TM_HEAT_BINS][TM_HEAT_GRID]; // how likely a count is with each rate, relative to the likeliest of them

// Poisson, without the factors that all rates have in common.
static void prepare(void)
{
	for (unsigned i = 1; i < TM_HEAT_GRID; i++)
		rates[i] = exp2f((float)i / 2 - 4.5f);
	for (unsigned b = 0; b < TM_HEAT_BINS; b++) {
		float count = middle(b), most = count ? count * logf(count) - count : 0;
		like[b][0] = b == 0;
		for (unsigned i = 1; i < TM_HEAT_GRID; i++)
			like[b][i] = expf(count * logf(rates[i]) - rates[i] - most);
	}
}

// How likely a granule of that bin is to have each of the first n rates, but for a factor: their sum, which is returned.
static float parts(float *restrict part, const float *restrict weight, unsigned bin, unsigned n)
{
	float sum[LANES] = {0};

	for (unsigned i = 0; i < n; i += LANES) {
		for (unsigned k = 0; k < LANES; k++)
			part[i + k] = weight[i + k] * like[bin][i + k];
		for (unsigned k = 0; k < LANES; k++)
			sum[k] += part[i + k];
	}
	return sum[0] + sum[1] + sum[2] + sum[3];
}

// One step of EM.
static void step(float weight[TM_HEAT_GRID], const uint32_t granules[TM_HEAT_BINS], unsigned bins, unsigned n)
{
	float next[TM_HEAT_GRID] = {0}, part[TM_HEAT_GRID], all = 0, sum;

	for (unsigned b = 0; b < bins; b++) {
		if (!granules[b] || !((sum = parts(part, weight, b, n)) > 0))
			continue;
		float factor = (float)granules[b] / sum;
		for (unsigned i = 0; i < n; i += LANES)
			for (unsigned k = 0; k < LANES; k++)
				next[i + k] += factor * part[i + k];
		all += (float)granules[b];
	}
	for (unsigned i = 0; all > 0 && i < n; i++)
		weight[i] = next[i] / all;
}

// The expected rate of each bin.
static void expect(struct tm_heat_fit *f)
{
	for (unsigned b = 0; b < TM_HEAT_BINS; b++) {
		float part[TM_HEAT_GRID], mean = 0, sum = parts(part, f->weight, b, TM_HEAT_GRID);
		for (unsigned i = 0; i < TM_HEAT_GRID; i++)
			mean += part[i] * rates[i];
		f->rate[b] = sum > 0 ? mean / sum : middle(b);
		if (b && f->rate[b] < f->rate[b - 1])
			f->rate[b] = f->rate[b - 1];
	}
}

void tm_heat_fit(struct tm_heat_fit *f, const uint32_t granules[TM_HEAT_BINS])
{
	float before = 0;
	unsigned bins = TM_HEAT_BINS, n = 0;

	if (like[0][0] == 0)
		prepare();
	while (bins && !granules[bins - 1])
		bins--;
	while (n < TM_HEAT_GRID && (!n || rates[n - 1] < BEYOND * middle(bins) + BEYOND_FEW)) // what is far beyond all counts is no granule's rate
		n += LANES;
	for (unsigned i = 0; i < TM_HEAT_GRID; i++)
		before += f->weight[i];
	for (unsigned i = 0; i < TM_HEAT_GRID; i++)
		f->weight[i] = i >= n	    ? 0
			       : before > 0 ? f->weight[i] * (1 - FORGET) + FORGET / (float)n
					    : 1.0f / (float)n;
	for (unsigned k = before > 0 ? STEPS : FIRST_STEPS; k; k--)
		step(f->weight, granules, bins, n);
	expect(f);
}

bool tm_heat_worth(float on_pmem, float in_dram)
{
	return on_pmem > FACTOR * in_dram && on_pmem - in_dram > LEAST;
}
