// hotset [READS]: values of which a third is read all the time and the rest seldom; then another third. Phases of the simulator: first, and after so many
// reads, of each.
#include "sim/tmmark.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VALUES 16384
#define BYTES  1030

static unsigned char *value[VALUES];
static uint64_t seed = 88172645463325252u, sum;

static uint64_t next(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	return seed ^= seed << 17;
}

static void reads(unsigned n, unsigned hot)
{
	while (n--) {
		uint64_t r = next();
		unsigned i = r % 16 ? hot + (r >> 8) % (VALUES / 3) : (r >> 8) % VALUES;
		for (unsigned k = 0; k < BYTES; k += 64)
			sum += value[i][k];
	}
}

int main(int argc, char **argv)
{
	const unsigned place[] = {VALUES / 3, 0}, settle = argc > 1 ? (unsigned)atoi(argv[1]) : 2000000;

	for (unsigned i = 0; i < VALUES; i++) {
		value[i] = malloc(BYTES);
		memset(value[i], 1, BYTES);
	}
	for (unsigned p = 0; p < 2; p++) {
		TMMARK(TMMARK_NAME, 'f');
		if (p)
			TMMARK(TMMARK_NAME, '2');
		TMMARK(TMMARK_BEGIN, 0);
		reads(5000, place[p]);
		TMMARK(TMMARK_END, 0);
		reads(settle, place[p]);
		TMMARK(TMMARK_NAME, 's');
		if (p)
			TMMARK(TMMARK_NAME, '2');
		TMMARK(TMMARK_BEGIN, 0);
		reads(20000, place[p]);
		TMMARK(TMMARK_END, 0);
	}
	for (unsigned i = 0; i < VALUES; i++)
		for (unsigned k = 0; k < BYTES; k++)
			if (value[i][k] != 1)
				return 1;
	printf("ok %lu\n", (unsigned long)sum);
	return 0;
}
