// Checks memory against a shadow while something migrates it: stress SECONDS THREADS [fork|family]
//
// Every thread has counters, blocks of all sizes and a mapping, all of them in memory that tiermem manages, and what they
// should hold in .bss, which it does not. Half of the threads have the kernel write for them: read(2) from a pipe.
// With "fork", one more thread forks all the time; the child checks what the forking thread owns, and changes it. With "family" children
// grow, have a thread of their own, and fork again: they do what their parent does, and what they have from it must stay, too.
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define COUNTERS  4096
#define BLOCKS	  512
#define THREADS	  16
#define MAP_BYTES ((size_t)2 << 20)

struct owner {
	uint64_t *counters; // managed
	unsigned char *block[BLOCKS];
	unsigned char *map;
	uint64_t shadow[COUNTERS]; // not managed
	size_t size[BLOCKS];
	unsigned char value[BLOCKS];
	unsigned char map_shadow[MAP_BYTES / 4096];
	uint64_t seed, steps;
	int pipe[2];
};

static struct owner owners[THREADS];
static atomic_bool stop;

static uint64_t random64(struct owner *o)
{
	o->seed ^= o->seed << 13;
	o->seed ^= o->seed >> 7;
	return o->seed ^= o->seed << 17;
}

static void wrong(const char *what, size_t i, uint64_t is, uint64_t should)
{
	printf("mismatch: %s %zu holds %llx, not %llx\n", what, i, (unsigned long long)is,
	       (unsigned long long)should);
	fflush(stdout);
	_exit(1);
}

static void check_block(struct owner *o, size_t b)
{
	for (size_t i = 0; i < o->size[b]; i++) {
		if (o->block[b][i] != o->value[b])
			wrong("block", b, o->block[b][i], o->value[b]);
	}
}

// Fills memory by itself or through the kernel.
static void fill(struct owner *o, unsigned char *p, unsigned char value, size_t n, int kernel)
{
	static __thread unsigned char source[4096];

	if (!kernel) {
		memset(p, value, n);
		return;
	}
	memset(source, value, sizeof(source));
	while (n) {
		size_t step = n < sizeof(source) ? n : sizeof(source);
		if (write(o->pipe[1], source, step) != (ssize_t)step ||
		    read(o->pipe[0], p, step) != (ssize_t)step)
			wrong("read(2)", 0, 0, step);
		p += step;
		n -= step;
	}
}

static void new_block(struct owner *o, size_t b, int kernel)
{
	uint64_t r = random64(o);
	size_t size = (size_t)1 + (r >> 8) % ((size_t)16 << (r % 13));

	o->value[b] = (unsigned char)(r >> 56);
	if (r & 0x80 && o->block[b]) {
		size_t keep = size < o->size[b] ? size : o->size[b];
		unsigned char old = o->block[b][0], *p = realloc(o->block[b], size);
		for (size_t i = 0; i < keep; i++) {
			if (p[i] != old)
				wrong("realloc", b, p[i], old);
		}
		o->block[b] = p;
	} else {
		free(o->block[b]);
		o->block[b] = r & 0x40 ? calloc(1, size) : malloc(size);
		for (size_t i = 0; r & 0x40 && i < size; i++) {
			if (o->block[b][i])
				wrong("calloc", b, o->block[b][i], 0);
		}
	}
	o->size[b] = size;
	fill(o, o->block[b], o->value[b], size, kernel);
}

static void check_map(struct owner *o, size_t page)
{
	for (size_t i = 0; i < 4096; i += 64) {
		if (o->map[page * 4096 + i] != o->map_shadow[page])
			wrong("map page", page, o->map[page * 4096 + i], o->map_shadow[page]);
	}
}

static void step(struct owner *o, int kernel)
{
	uint64_t r = random64(o);
	size_t c = (r >> 8) % COUNTERS, b = (r >> 24) % BLOCKS, page = (r >> 40) % (MAP_BYTES / 4096);

	for (size_t i = 0; i < 64; i++) {
		size_t k = (c + i * 37) % COUNTERS;
		if (o->counters[k] != o->shadow[k])
			wrong("counter", k, o->counters[k], o->shadow[k]);
		o->counters[k] = ++o->shadow[k];
	}
	check_block(o, b);
	if (r % 4 == 0)
		new_block(o, b, kernel);
	check_map(o, page);
	if (r % 64 == 1) {
		madvise(o->map + page * 4096, 4096, MADV_DONTNEED);
		o->map_shadow[page] = 0;
	} else {
		o->map_shadow[page] = (unsigned char)(r >> 48);
		fill(o, o->map + page * 4096, o->map_shadow[page], 4096, kernel);
	}
	if (r % 4096 == 2) {
		munmap(o->map, MAP_BYTES);
		o->map = mmap(NULL, MAP_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		memset(o->map_shadow, 0, sizeof(o->map_shadow));
	}
	o->steps++;
}

static void set_up(struct owner *o, uint64_t seed)
{
	o->seed = seed * 0x9e3779b97f4a7c15u + 1;
	if (pipe(o->pipe))
		wrong("pipe", 0, 0, 0);
	o->counters = calloc(COUNTERS, sizeof(*o->counters));
	o->map = mmap(NULL, MAP_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (size_t b = 0; b < BLOCKS; b++)
		new_block(o, b, 0);
}

static void *worker(void *arg)
{
	struct owner *o = arg;
	int kernel = (o - owners) % 2;

	while (!stop)
		step(o, kernel);
	return NULL;
}

static void check_all(struct owner *o)
{
	for (size_t k = 0; k < COUNTERS; k++) {
		if (o->counters[k] != o->shadow[k])
			wrong("counter", k, o->counters[k], o->shadow[k]);
	}
	for (size_t b = 0; b < BLOCKS; b++)
		check_block(o, b);
	for (size_t page = 0; page < MAP_BYTES / 4096; page++)
		check_map(o, page);
}

static int family;

static void in_child(struct owner *o, int generation)
{
	struct owner *own = &owners[THREADS - generation], *other = own - 4;
	pthread_t thread;
	int status;

	check_all(o);
	for (int i = 0; i < 200; i++)
		step(o, 0);
	if (!family)
		return;
	set_up(own, (uint64_t)generation + 100);
	set_up(other, (uint64_t)generation + 200);
	if (pthread_create(&thread, NULL, worker, other))
		wrong("thread", 0, 0, 0);
	for (int i = 0; i < 2000; i++) {
		step(own, 0);
		if (i % 10 == 0)
			step(o, 0);
		pid_t child = i == 1000 && generation < 3 ? fork() : -1;
		if (!child) {
			in_child(own, generation + 1);
			check_all(o);
			_exit(0);
		}
		if (child > 0 && (waitpid(child, &status, 0) != child || status))
			wrong("grandchild", 0, 0, 0);
	}
	stop = 1;
	pthread_join(thread, NULL);
	check_all(own);
	check_all(other);
	check_all(o);
}

static void *forker(void *arg)
{
	struct owner *o = arg;
	int status;

	while (!stop) {
		pid_t child = fork();
		if (!child) {
			in_child(o, 1);
			_exit(0);
		}
		for (int i = 0; i < 50; i++)
			step(o, 0);
		if (child < 0 || waitpid(child, &status, 0) != child || status)
			wrong("fork", 0, 0, 0);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	int seconds = argc > 1 ? atoi(argv[1]) : 2, n = argc > 2 ? atoi(argv[2]) : 4, forks = argc > 3;
	pthread_t thread[THREADS];
	uint64_t steps = 0;

	family = forks && !strcmp(argv[3], "family");
	n = n > THREADS / 2 ? THREADS / 2 : n;
	for (int i = 0; i < n + forks; i++)
		set_up(&owners[i], (uint64_t)i + 1);
	for (int i = 0; i < n + forks; i++)
		pthread_create(&thread[i], NULL, i < n ? worker : forker, &owners[i]);
	struct timespec t = {.tv_sec = seconds};
	nanosleep(&t, NULL);
	stop = 1;
	for (int i = 0; i < n + forks; i++) {
		pthread_join(thread[i], NULL);
		check_all(&owners[i]);
		steps += owners[i].steps;
	}
	printf("ok %llu steps\n", (unsigned long long)steps);
	return 0;
}
