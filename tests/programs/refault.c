// Memory whose touches are page faults, for a tracker that counts these: refault SECONDS PAGES HOT, where HOT is the percentage of pages, the last
// ones, that are given back to the kernel and written again and again. Prints what percentage of them is on a shared mapping (PMEM) at the start
// and at the end.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096

/* Not by libc, which tells tiermem: of a frame only its place in the page table goes. */
static void give_back(void *p)
{
	long result;

	__asm__ volatile("syscall" : "=a"(result) : "a"(SYS_madvise), "D"(p), "S"(PAGE), "d"(MADV_DONTNEED) : "rcx", "r11", "memory");
	if (result)
		abort();
}

static double shared_percent(const char *from, long n)
{
	char line[4096], prot[8];
	unsigned long a, b;
	long shared = 0;
	FILE *f = fopen("/proc/self/maps", "r");

	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx %7s", &a, &b, prot) != 3 || prot[3] != 's')
			continue;
		for (long i = 0; i < n; i++)
			shared += (uintptr_t)(from + i * PAGE) >= a && (uintptr_t)(from + i * PAGE) < b;
	}
	fclose(f);
	return 100.0 * (double)shared / (double)n;
}

int main(int argc, char **argv)
{
	long n = argc > 2 ? atol(argv[2]) : 4000, hot = n * (argc > 3 ? atol(argv[3]) : 20) / 100;
	char *memory;
	time_t end;

	if (posix_memalign((void **)&memory, PAGE, (size_t)n * PAGE))
		return 1;
	memset(memory, 1, (size_t)n * PAGE);
	printf("%.1f ", shared_percent(memory + (n - hot) * PAGE, hot));
	for (end = time(NULL) + atol(argv[1]); time(NULL) < end; usleep(2000)) {
		for (int k = 0; k < 50; k++) {
			char *p = memory + (n - 1 - rand() % hot) * PAGE;
			give_back(p);
			*p = 1;
		}
	}
	printf("%.1f\n", shared_percent(memory + (n - hot) * PAGE, hot));
	return 0;
}
