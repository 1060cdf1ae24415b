/*
 * Runs in a guest while something on the host migrates its memory: memcheck SECONDS MIB [DISK]
 *
 * Each thread owns pages of MIB of memory and a version number for each; it writes pages with a pattern of (page, version) and verifies
 * others. With DISK one more thread writes patterns to the device with O_DIRECT and reads them into other pages, so that the
 * device's DMA goes to and from memory that moves. Prints a line every second to stderr (the console), and at the end "ok",
 * how many pages were verified and how many blocks came back from the disk; or "mismatch" and what, with status 1. It goes on, up to ten
 * times as long, until more than 1,000 pages and one block were verified for each of SECONDS.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define PAGE	4096
#define WORDS	(PAGE / 8)
#define THREADS 2
#define BLOCK	(64 << 10)
#define BLOCKS	256 /* of the disk */

static atomic_bool stop;
static atomic_ullong pages_ok, blocks_ok;
static size_t n_pages;
static uint64_t *memory;
static uint32_t *versions;
static const char *disk;

static uint64_t next(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	return *seed ^= *seed << 17;
}

static uint64_t word(uint64_t id, uint64_t version, size_t i)
{
	return (id << 40 ^ version << 12 ^ i) * UINT64_C(0x9e3779b97f4a7c15);
}

static void fill(uint64_t *p, size_t words, uint64_t id, uint64_t version)
{
	for (size_t i = 0; i < words; i++)
		p[i] = word(id, version, i);
}

static void verify(const char *what, const uint64_t *p, size_t words, uint64_t id, uint64_t version)
{
	for (size_t i = 0; i < words; i++) {
		if (p[i] == word(id, version, i))
			continue;
		printf("mismatch: %s %llu version %llu word %zu holds %llx\n", what, (unsigned long long)id,
		       (unsigned long long)version, i, (unsigned long long)p[i]);
		fflush(stdout);
		_exit(1);
	}
}

/* Pages i, i + THREADS, ... are thread i's. */
static void *check_memory(void *arg)
{
	size_t me = (size_t)arg;
	uint64_t seed = 88172645463325252u + me;

	for (size_t i = me; i < n_pages; i += THREADS)
		fill(memory + i * WORDS, WORDS, i, versions[i]);
	while (!stop) {
		size_t i = next(&seed) % (n_pages / THREADS) * THREADS + me;

		verify("page", memory + i * WORDS, WORDS, i, versions[i]);
		pages_ok++;
		if (next(&seed) % 2)
			fill(memory + i * WORDS, WORDS, i, ++versions[i]);
	}
	for (size_t i = me; i < n_pages; i += THREADS)
		verify("page", memory + i * WORDS, WORDS, i, versions[i]);
	return NULL;
}

static void *check_disk(void *unused)
{
	static uint32_t version[BLOCKS];
	uint64_t seed = 362436069362436069u;
	int fd = open(disk, O_RDWR | O_DIRECT);
	char *buffers = mmap(NULL, 64 * BLOCK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (fd < 0 || buffers == MAP_FAILED) {
		printf("cannot open %s\n", disk);
		exit(1);
	}
	while (!stop) {
		size_t b = next(&seed) % BLOCKS;
		uint64_t *p = (uint64_t *)(void *)(buffers + next(&seed) % 64 * BLOCK);

		if (!version[b] || next(&seed) % 2) {
			fill(p, BLOCK / 8, b, ++version[b]);
			if (pwrite(fd, p, BLOCK, (off_t)b * BLOCK) != BLOCK)
				exit(2);
			continue;
		}
		memset(p, 0x55, BLOCK);
		if (pread(fd, p, BLOCK, (off_t)b * BLOCK) != BLOCK)
			exit(2);
		verify("block", p, BLOCK / 8, b, version[b]);
		blocks_ok++;
	}
	return NULL;
}

/* On a busy host little comes of a second. */
static bool enough(unsigned seconds)
{
	return pages_ok > 1000ull * seconds && (!disk || blocks_ok > seconds);
}

int main(int argc, char **argv)
{
	int seconds = argc > 1 ? atoi(argv[1]) : 0, mib = argc > 2 ? atoi(argv[2]) : 0, n = 0;
	pthread_t threads[THREADS + 1];

	if (seconds < 1 || mib < 1) {
		fprintf(stderr, "usage: memcheck SECONDS MIB [DISK]\n");
		return 2;
	}
	disk = argc > 3 ? argv[3] : NULL;
	n_pages = (size_t)mib << 8;
	memory = mmap(NULL, n_pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	versions = calloc(n_pages, sizeof(*versions));
	if (memory == MAP_FAILED || !versions)
		return 2;
	for (; n < THREADS; n++)
		pthread_create(&threads[n], NULL, check_memory, (void *)(size_t)n);
	if (disk)
		pthread_create(&threads[n++], NULL, check_disk, NULL);
	for (int s = 0; s < seconds || (s < 10 * seconds && !enough((unsigned)seconds)); s++) {
		struct timespec second = {.tv_sec = 1};

		nanosleep(&second, NULL);
		fprintf(stderr, "memcheck: %d s, %llu pages, %llu blocks\n", s + 1, (unsigned long long)pages_ok,
			(unsigned long long)blocks_ok);
	}
	stop = true;
	while (n)
		pthread_join(threads[--n], NULL);
	printf("ok %llu pages %llu blocks\n", (unsigned long long)pages_ok, (unsigned long long)blocks_ok);
	return 0;
}
