// Touches values at random: skew SECONDS VALUES HOT, where HOT is the percentage of values, the last ones allocated, that get
// 95 % of the touches; 100: all alike. Prints what percentage of the hot values' pages is on a shared mapping (PMEM), or on another NUMA node
// than the first, at the start and at the end.
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define SIZE 1000

static char **values;
static volatile sig_atomic_t over; // SIGTERM ends it, too

static void stop(int signal)
{
	over = 1;
}

static int on_far_node(char *p)
{
	void *page = (void *)((uintptr_t)p & ~(uintptr_t)4095);
	int node = 0;

	return !syscall(SYS_move_pages, 0, 1L, &page, NULL, &node, 0) && node > 0;
}

static double shared_percent(long first, long n)
{
	static char line[4096];
	static uintptr_t from[100000], to[100000];
	long maps = 0, shared = 0;
	FILE *f = fopen("/proc/self/maps", "r");

	while (fgets(line, sizeof(line), f) && maps < 100000) {
		unsigned long a, b;
		char prot[8];
		if (sscanf(line, "%lx-%lx %7s", &a, &b, prot) == 3 && prot[3] == 's') {
			from[maps] = a;
			to[maps++] = b;
		}
	}
	fclose(f);
	for (long i = first; i < first + n; i += 4) {
		if (on_far_node(values[i])) {
			shared += 4;
			continue;
		}
		for (long m = 0; m < maps; m++) {
			if ((uintptr_t)values[i] >= from[m] && (uintptr_t)values[i] < to[m]) {
				shared += 4;
				break;
			}
		}
	}
	return 100.0 * (double)shared / (double)n;
}

int main(int argc, char **argv)
{
	long n = argc > 2 ? atol(argv[2]) : 20000, hot = n * (argc > 3 ? atol(argv[3]) : 100) / 100;
	uint64_t seed = 88172645463325252u, sum = 0, steps = 0;
	time_t end;

	signal(SIGTERM, stop);
	values = malloc((size_t)n * sizeof(*values));
	for (long i = 0; i < n; i++) {
		values[i] = malloc(SIZE);
		memset(values[i], 1, SIZE);
	}
	printf("%.1f", shared_percent(n - hot, hot));
	for (end = time(NULL) + atol(argv[1]); time(NULL) < end && !over;) {
		for (int k = 0; k < 200; k++) {
			seed ^= seed << 13;
			seed ^= seed >> 7;
			seed ^= seed << 17;
			long i = seed % 100 < 95 ? n - 1 - (long)((seed >> 16) % (uint64_t)hot)
						 : (long)((seed >> 16) % (uint64_t)n);
			for (int b = 0; b < SIZE; b += 64)
				sum += (unsigned char)values[i][b]++;
			steps++;
		}
		struct timespec pause = {.tv_nsec = 200000};
		nanosleep(&pause, NULL);
	}
	printf(" %.1f %s\n", shared_percent(n - hot, hot), sum ? "" : "-");
	return 0;
}
