// Allocates, maps, moves and forks, and takes a refusal for an answer; what it was given must hold what it wrote. "ok", or what is wrong.
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define BLOCKS 400

static struct block {
	unsigned char *at;
	size_t size;
	unsigned char fill;
	int mapped;
} blocks[BLOCKS];
static unsigned refused;

static void check(const struct block *b)
{
	for (size_t i = 0; b->at && i < b->size; i += 61)
		if (b->at[i] != b->fill) {
			printf("wrong: byte %zu of %zu is %u, not %u\n", i, b->size, b->at[i], b->fill);
			fflush(stdout);
			_exit(3);
		}
}

static void give(struct block *b, void *at, size_t size, int mapped)
{
	if (!at || at == MAP_FAILED) {
		refused++;
		if (errno != ENOMEM) {
			printf("wrong: refused with errno %d\n", errno);
			_exit(3);
		}
		at = NULL;
	}
	*b = (struct block){at, at ? size : 0, (unsigned char)rand(), mapped};
	if (at)
		memset(at, b->fill, size);
}

static void drop(struct block *b)
{
	check(b);
	if (b->mapped && b->at && munmap(b->at, b->size) && errno != ENOMEM)
		exit(4);
	else if (!b->mapped)
		free(b->at);
	b->at = NULL;
}

static size_t any_size(void)
{
	return (size_t)1 << (rand() % 18) | (size_t)rand() % 512;
}

static void churn(int steps)
{
	for (int i = 0; i < steps; i++) {
		struct block *b = &blocks[rand() % BLOCKS];
		size_t size = any_size();
		void *p;
		check(b);
		switch (rand() % 6) {
		case 0:
			drop(b);
			size = 65536 + (size_t)rand() % (1 << 20);
			give(b, mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), size, 1);
			break;
		case 1:
			if (!b->at || b->mapped)
				break;
			p = realloc(b->at, size);
			if (p) {
				b->at = p;
				b->size = b->size < size ? b->size : size;
				check(b);
				memset(p, b->fill, b->size = size);
			}
			break;
		case 2:
			drop(b);
			give(b, aligned_alloc(4096, (size + 4095) & ~(size_t)4095), size, 0);
			break;
		default:
			drop(b);
			give(b, malloc(size), size, 0);
		}
	}
}

static void *thread(void *unused)
{
	void *mine[50];

	for (int i = 0; i < 50; i++)
		mine[i] = calloc(1, (size_t)100 << (i % 10));
	for (int i = 0; i < 50; i++)
		free(mine[i]);
	return NULL;
}

int main(void)
{
	pthread_t t;
	int status, started;

	srand(1);
	churn(600);
	started = !pthread_create(&t, NULL, thread, NULL);
	churn(300);
	if (started)
		pthread_join(t, NULL);
	fflush(stdout);
	pid_t child = fork();
	if (!child) {
		for (int i = 0; i < BLOCKS; i++)
			check(&blocks[i]);
		churn(100);
		_exit(0);
	}
	churn(100);
	if (child > 0 && (waitpid(child, &status, 0) != child || status)) {
		printf("wrong: the child ended with %x\n", (unsigned)status);
		return 3;
	}
	for (int i = 0; i < BLOCKS; i++)
		drop(&blocks[i]);
	puts("ok");
	return 0;
}
