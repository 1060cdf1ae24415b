/*
 * Runs in a simulated guest: hotset COLD_MIB HOT_MIB PHASES. Touches cold memory first, so that the DRAM of a VM with a small quota is taken,
 * then reads a hot set at random, in phases of the same number of accesses: phase "hot0", "hot1", ... of the simulator's statistics.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "sim/mark.h"

#define ACCESSES 400000

static char *touched(size_t mib)
{
	char *p = mmap(NULL, mib << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		exit(2);
	memset(p, 1, mib << 20);
	return p;
}

int main(int argc, char **argv)
{
	size_t cold = argc > 1 ? (size_t)atol(argv[1]) : 0, hot = argc > 2 ? (size_t)atol(argv[2]) : 0;
	int phases = argc > 3 ? atoi(argv[3]) : 0;
	uint64_t seed = 88172645463325252u, sum = 0;
	char name[16], *p;

	if (!cold || !hot || phases < 1)
		return 2;
	touched(cold);
	p = touched(hot);
	mark_model(true);
	for (int i = 0; i < phases; i++) {
		snprintf(name, sizeof(name), "hot%d", i);
		mark_begin(name);
		for (int k = 0; k < ACCESSES; k++) {
			seed ^= seed << 13;
			seed ^= seed >> 7;
			seed ^= seed << 17;
			sum += (unsigned char)p[seed % (hot << 20)];
		}
		mark_end();
	}
	mark_model(false);
	printf("sum %llu\n", (unsigned long long)sum);
	return 0;
}
