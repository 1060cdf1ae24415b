// Touches values at random: skew SECONDS VALUES HOT [SHARE], where HOT is the percentage of values, the last ones allocated, that get
// SHARE % of the touches (95); 100: all alike. Prints what percentage of the hot values' pages is on a shared mapping (PMEM), or on another NUMA node
// than the first, at the start and at the end.
#include "pmem_share.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SIZE 1000

static char **values;
static volatile sig_atomic_t over; // SIGTERM ends it, too

static void stop(int signal)
{
	over = 1;
}

int main(int argc, char **argv)
{
	long n = argc > 2 ? atol(argv[2]) : 20000, hot = n * (argc > 3 ? atol(argv[3]) : 100) / 100;
	uint64_t share = argc > 4 ? (uint64_t)atol(argv[4]) : 95;
	uint64_t seed = 88172645463325252u, sum = 0, steps = 0;
	time_t end;

	signal(SIGTERM, stop);
	values = malloc((size_t)n * sizeof(*values));
	for (long i = 0; i < n; i++) {
		values[i] = malloc(SIZE);
		memset(values[i], 1, SIZE);
	}
	printf("%.1f", shared_percent(values + n - hot, hot, 4));
	for (end = time(NULL) + atol(argv[1]); time(NULL) < end && !over;) {
		for (int k = 0; k < 200; k++) {
			seed ^= seed << 13;
			seed ^= seed >> 7;
			seed ^= seed << 17;
			long i = seed % 100 < share ? n - 1 - (long)((seed >> 16) % (uint64_t)hot)
						 : (long)((seed >> 16) % (uint64_t)n);
			for (int b = 0; b < SIZE; b += 64)
				sum += (unsigned char)values[i][b]++;
			steps++;
		}
		struct timespec pause = {.tv_nsec = 200000};
		nanosleep(&pause, NULL);
	}
	printf(" %.1f %s\n", shared_percent(values + n - hot, hot, 4), sum ? "" : "-");
	return 0;
}
