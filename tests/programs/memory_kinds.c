// Touches 32 MiB of malloc's memory, 16 in an address range that it reserved before, 12 of a thread's stack, 8 of .bss, and 4 for
// code that is to be near other memory, which are not captured; says so and waits for the end of its input.
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MIB (1 << 20)

static char bss[8 * MIB];
static pthread_barrier_t touched;

static void *use_stack(void *unused)
{
	volatile char local[12 * MIB];

	for (size_t i = 0; i < sizeof(local); i += 4096)
		local[i] = 1;
	pthread_barrier_wait(&touched);
	pause();
	return NULL;
}

int main(void)
{
	pthread_attr_t attributes;
	pthread_t thread;
	char *heap = malloc(32 * MIB);
	char *range = mmap(NULL, 64 * MIB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	char *code =
		mmap(main, 4 * MIB, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (!heap || range == MAP_FAILED || code == MAP_FAILED ||
	    mprotect(range, 16 * MIB, PROT_READ | PROT_WRITE))
		return 1;
	memset(code, 1, 4 * MIB);
	memset(heap, 1, 32 * MIB);
	memset(range, 1, 16 * MIB);
	memset(bss, 1, sizeof(bss));
	pthread_barrier_init(&touched, NULL, 2);
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, 16 * MIB);
	if (pthread_create(&thread, &attributes, use_stack, NULL))
		return 1;
	pthread_barrier_wait(&touched);
	puts("ready");
	fflush(stdout);
	return read(0, bss, 1) < 0;
}
