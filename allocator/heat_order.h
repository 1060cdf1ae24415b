// Granules by heat: pure functions of policy_samples.c.
#ifndef TIERMEM_HEAT_ORDER_H
#define TIERMEM_HEAT_ORDER_H

#include <stdbool.h>
#include <stddef.h>

struct tm_heat {
	float heat; // samples, aged
	size_t g;
};

// Sorts n granules by heat, those of equal heat by address.
void tm_heat_sort(struct tm_heat *v, size_t n, bool hottest_first);

// Whether a granule on PMEM with so many samples should trade places with one in DRAM with so many, when the mean of all granules is
// that many: it is hot beyond chance, and certainly and considerably hotter than the other.
bool tm_heat_worth(float on_pmem, float in_dram, float mean);

#endif
