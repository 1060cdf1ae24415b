// From counts of samples to rates: pure functions of heat_count.c.
//
// A count says little: of thousands of granules that are equally hot, some have three times the samples of others by chance. What the
// counts of all granules together say is more. The fit finds the distribution of rates under which they are likeliest (nonparametric
// maximum likelihood; Kiefer and Wolfowitz, 1956; Laird, 1978, by the EM algorithm on a grid), and with it the rate to expect of a granule
// with a given count (empirical Bayes; Robbins, 1956). Where all are equally hot, every count leads to the same rate.
#ifndef TIERMEM_HEAT_RATE_H
#define TIERMEM_HEAT_RATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TM_HEAT_BINS 112 // of counts: each whole number up to 32, then four for each doubling, up to 2^24
#define TM_HEAT_GRID 64	 // rates: 0, then two for each doubling from 1/16; a multiple of four

struct tm_heat_fit {
	float weight[TM_HEAT_GRID]; // share of granules with that rate; all 0: no fit yet
	float rate[TM_HEAT_BINS];   // expected samples of a granule in that bin, rising
};

// The bin of a count of samples, which may have aged: any number from 0.
unsigned tm_heat_bin(float samples);

// Fits the rates to so many granules in each bin: 240,000 instructions with 20,000 granules that have up to 20 samples (callgrind), much less when f has
// the last fit.
void tm_heat_fit(struct tm_heat_fit *f, const uint32_t granules[TM_HEAT_BINS]);

// Whether a granule on PMEM with that rate should trade places with one in DRAM with that: considerably hotter, and worth two copies.
bool tm_heat_worth(float on_pmem, float in_dram);

#endif
