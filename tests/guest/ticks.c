/* Runs in a guest whose CPU has no TSC: reads it all the same, as MariaDB does, around a sleep; prints milliseconds of both. */
#include <stdio.h>
#include <time.h>
#include <x86intrin.h>

int main(void)
{
	struct timespec ts = {.tv_nsec = 250000000}, a, b;
	unsigned long long t0, t1, last = 0;

	for (int i = 0; i < 10000; i++) {
		unsigned long long t = __rdtsc();

		if (t < last) {
			puts("backwards");
			return 1;
		}
		last = t;
	}
	clock_gettime(CLOCK_MONOTONIC, &a);
	t0 = __rdtsc();
	nanosleep(&ts, NULL);
	t1 = __rdtsc();
	clock_gettime(CLOCK_MONOTONIC, &b);
	printf("ticks %llu clock %lld at %llu\n", (t1 - t0) / 1000000,
	       (long long)((b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000), t0);
	return 0;
}
