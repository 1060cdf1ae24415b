// Small values that are used all the time and large ones that hardly are: classes SECONDS. Then a quarter more of both, little by little. Prints
// what percentage of the pages of the new small and new large ones is on a shared mapping (PMEM).
#include "pmem_share.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SMALL = 1000, LARGE = 3000, SMALLS = 4000, LARGES = 8000, MORE = 4 };

static char *small[SMALLS + SMALLS / MORE], *large[LARGES + LARGES / MORE];
static long smalls, larges;

static void add(int n_small, int n_large)
{
	while (n_small--)
		memset(small[smalls++] = malloc(SMALL), 1, SMALL);
	while (n_large--)
		memset(large[larges++] = malloc(LARGE), 1, LARGE);
}

/* Of 40 touches one is of a large value. */
static void use(void)
{
	static uint64_t seed = 88172645463325252u;
	struct timespec pause = {.tv_nsec = 200000};

	for (int k = 0; k < 200; k++) {
		seed ^= seed << 13;
		seed ^= seed >> 7;
		seed ^= seed << 17;
		char *p = k % 40 ? small[(seed >> 16) % (uint64_t)smalls] : large[(seed >> 16) % (uint64_t)larges];
		p[(seed >> 8) % SMALL]++;
	}
	nanosleep(&pause, NULL);
}

int main(int argc, char **argv)
{
	time_t end;

	for (int i = 0; i < SMALLS; i++)
		add(1, LARGES / SMALLS);
	for (end = time(NULL) + atol(argv[1]); time(NULL) < end;)
		use();
	for (int i = 0; i < SMALLS / MORE; i++) {
		add(1, LARGES / SMALLS);
		for (int k = 0; k < 10; k++)
			use();
	}
	printf("%.1f %.1f\n", shared_percent(small + SMALLS, SMALLS / MORE, 1), shared_percent(large + LARGES, LARGES / MORE, 1));
	return 0;
}
