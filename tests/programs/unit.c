// The sampling unit of the simulator, as a program in the guest uses it: reads lines of a buffer that no cache holds, and counts which samples
// lie in it, and how they spread.
#include "sim/tmunit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define BYTES ((size_t)32 << 20)

int main(void)
{
	struct tmunit *u = mmap(NULL, TMUNIT_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *buffer = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned long inside = 0, first_half = 0, sum = 0, n;

	if (u == MAP_FAILED || buffer == MAP_FAILED || mlock(u, TMUNIT_PAGE))
		return 1;
	memset(buffer, 1, BYTES);
	u->from = (uint64_t)(uintptr_t)buffer;
	u->bytes = BYTES / 2; // the other half is not wanted
	u->period = 100;
	TMUNIT_START(u);
	if (!*(volatile uint32_t *)&u->on) {
		puts("no unit");
		return 0;
	}
	for (size_t i = 0; i < BYTES; i += 64)
		sum += (unsigned char)buffer[i * 4097 % BYTES / 64 * 64];
	u->period = 0;
	TMUNIT_START(u);
	n = *(volatile uint32_t *)&u->taken;
	for (size_t i = 0; i < BYTES; i += 64) // no longer counted
		sum += (unsigned char)buffer[i];
	for (unsigned i = 0; i < TMUNIT_RECORDS && i < n; i++) {
		inside += u->record[i] - u->from < u->bytes;
		first_half += u->record[i] - u->from < u->bytes / 2;
	}
	printf("samples %lu later %u inside %lu first half %lu sum %lu\n", n, *(volatile uint32_t *)&u->taken, inside, first_half, sum);
	return 0;
}
