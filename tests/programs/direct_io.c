// Direct I/O into and out of heap memory while granules may migrate: direct_io FILE SECONDS MODE. MODE: sync, vector, libaio or
// uring (whose first second is sync: what comes later must find granules that have moved). Every block of FILE begins as its own number, all over; what is read must be that, what is written must arrive.
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/io_uring.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { BLOCK = 4096, BLOCKS = 1024, THREADS = 3, DEPTH = 8 };

static const char *mode;
static int fd;
static time_t until, ring_from;

/* The first thread that gets here speaks for all: its lock is never let go. */
static void fail(const char *what, long block)
{
	static pthread_mutex_t first = PTHREAD_MUTEX_INITIALIZER;

	pthread_mutex_lock(&first);
	printf("broken at block %ld: %s\n", block, what);
	fflush(stdout);
	_exit(1);
}

static void fill(uint64_t *buffer, uint64_t value)
{
	for (size_t i = 0; i < BLOCK / 8; i++)
		buffer[i] = value;
}

static void check(const uint64_t *buffer, uint64_t value, const char *what)
{
	for (size_t i = 0; i < BLOCK / 8; i++)
		if (buffer[i] != value)
			fail(what, (long)value);
}

static void *buffer_new(void)
{
	void *p;

	if (posix_memalign(&p, BLOCK, BLOCK))
		fail("no memory", 0);
	memset(p, 0xee, BLOCK); // whatever was there before, it is not a number of a block
	return p;
}

static void one_call(uint64_t **buffer, const long *block)
{
	for (int i = 0; i < DEPTH; i++)
		if (pread(fd, buffer[i], BLOCK, block[i] * BLOCK) != BLOCK)
			fail("pread", block[i]);
}

static void vector(uint64_t **buffer, const long *block)
{
	for (int i = 0; i < DEPTH; i += 2) {
		struct iovec iov[2] = {{buffer[i], BLOCK}, {buffer[i + 1], BLOCK}};
		if (preadv(fd, iov, 2, block[i] * BLOCK) != 2 * BLOCK)
			fail("preadv", block[i]);
	}
}

static void libaio(uint64_t **buffer, const long *block, aio_context_t context)
{
	struct iocb cb[DEPTH], *list[DEPTH];
	struct io_event events[DEPTH];
	long done = 0;

	for (int i = 0; i < DEPTH; i++) {
		memset(&cb[i], 0, sizeof(cb[i]));
		cb[i].aio_lio_opcode = IOCB_CMD_PREAD;
		cb[i].aio_fildes = (uint32_t)fd;
		cb[i].aio_buf = (uint64_t)(uintptr_t)buffer[i];
		cb[i].aio_nbytes = BLOCK;
		cb[i].aio_offset = block[i] * BLOCK;
		list[i] = &cb[i];
	}
	if (syscall(SYS_io_submit, context, (long)DEPTH, list) != DEPTH)
		fail("io_submit", block[0]);
	while (done < DEPTH) {
		long n = syscall(SYS_io_getevents, context, 1L, (long)DEPTH, events, NULL);
		if (n < 0 && errno != EINTR)
			fail("io_getevents", block[0]);
		for (long i = 0; i < n; i++)
			if (events[i].res != BLOCK)
				fail("a request", block[0]);
		done += n > 0 ? n : 0;
	}
}

struct ring {
	int fd;
	unsigned *tail, *mask, *array, *cq_head, *cq_tail, *cq_mask;
	struct io_uring_sqe *sqes;
	struct io_uring_cqe *cqes;
};

static void ring_init(struct ring *r)
{
	struct io_uring_params p = {0};

	r->fd = (int)syscall(SYS_io_uring_setup, DEPTH, &p);
	if (r->fd < 0)
		fail("io_uring_setup", errno);
	char *sq = mmap(NULL, p.sq_off.array + p.sq_entries * 4, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd,
			IORING_OFF_SQ_RING);
	char *cq = mmap(NULL, p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe),
			PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, IORING_OFF_CQ_RING);
	r->sqes = mmap(NULL, p.sq_entries * sizeof(struct io_uring_sqe), PROT_READ | PROT_WRITE, MAP_SHARED,
		       r->fd, IORING_OFF_SQES);
	r->tail = (unsigned *)(sq + p.sq_off.tail);
	r->mask = (unsigned *)(sq + p.sq_off.ring_mask);
	r->array = (unsigned *)(sq + p.sq_off.array);
	r->cq_head = (unsigned *)(cq + p.cq_off.head);
	r->cq_tail = (unsigned *)(cq + p.cq_off.tail);
	r->cq_mask = (unsigned *)(cq + p.cq_off.ring_mask);
	r->cqes = (struct io_uring_cqe *)(cq + p.cq_off.cqes);
}

static void uring(struct ring *r, uint64_t **buffer, const long *block)
{
	unsigned tail = *r->tail;

	for (int i = 0; i < DEPTH; i++, tail++) {
		struct io_uring_sqe *e = &r->sqes[tail & *r->mask];
		memset(e, 0, sizeof(*e));
		e->opcode = IORING_OP_READ;
		e->fd = fd;
		e->addr = (uint64_t)(uintptr_t)buffer[i];
		e->len = BLOCK;
		e->off = (uint64_t)block[i] * BLOCK;
		r->array[tail & *r->mask] = tail & *r->mask;
	}
	__atomic_store_n(r->tail, tail, __ATOMIC_RELEASE);
	if (syscall(SYS_io_uring_enter, r->fd, DEPTH, DEPTH, IORING_ENTER_GETEVENTS, NULL, 0) != DEPTH)
		fail("io_uring_enter", block[0]);
	while (__atomic_load_n(r->cq_tail, __ATOMIC_ACQUIRE) != *r->cq_head) {
		if (r->cqes[*r->cq_head & *r->cq_mask].res != BLOCK)
			fail("a request of the ring", block[0]);
		__atomic_store_n(r->cq_head, *r->cq_head + 1, __ATOMIC_RELEASE);
	}
}

static void *work(void *number)
{
	long me = (long)(intptr_t)number, rounds = 0;
	unsigned seed = (unsigned)me + 1;
	long own = BLOCKS + me;
	aio_context_t context = 0;
	struct ring ring = {.fd = -1};

	if (!strcmp(mode, "libaio") && syscall(SYS_io_setup, DEPTH, &context))
		fail("io_setup", 0);
	for (; time(NULL) < until; rounds++) {
		if (ring.fd < 0 && !strcmp(mode, "uring") && time(NULL) >= ring_from)
			ring_init(&ring);
		uint64_t *buffer[DEPTH];
		long block[DEPTH];
		for (int i = 0; i < DEPTH; i++) {
			buffer[i] = buffer_new();
			block[i] = i & 1 ? block[i - 1] + 1 : rand_r(&seed) % (BLOCKS - 1);
		}
		if (!strcmp(mode, "sync") || (!strcmp(mode, "uring") && ring.fd < 0))
			one_call(buffer, block);
		else if (!strcmp(mode, "vector"))
			vector(buffer, block);
		else if (!strcmp(mode, "libaio"))
			libaio(buffer, block, context);
		else
			uring(&ring, buffer, block);
		for (int i = 0; i < DEPTH; i++)
			check(buffer[i], (uint64_t)block[i], "what was read is lost");
		if (ring.fd < 0) { // and the other direction
			uint64_t value = (uint64_t)me << 32 | (uint64_t)rounds;
			fill(buffer[0], value);
			if (pwrite(fd, buffer[0], BLOCK, own * BLOCK) != BLOCK ||
			    pread(fd, buffer[1], BLOCK, own * BLOCK) != BLOCK)
				fail("pwrite or pread", own);
			check(buffer[1], value, "what was written is lost");
		}
		for (int i = 0; i < DEPTH; i++)
			free(buffer[i]);
	}
	return (void *)(intptr_t)rounds;
}

int main(int argc, char **argv)
{
	pthread_t thread[THREADS];
	long rounds = 0;
	void *made;

	if (argc != 4)
		return 2;
	mode = argv[3];
	fd = open(argv[1], O_RDWR | O_CREAT | O_TRUNC | O_DIRECT, 0600);
	if (fd < 0 && errno == EINVAL) {
		puts("skip: this file system has no O_DIRECT");
		return 0;
	}
	if (!strcmp(mode, "vector")) { // by other ways than open()
		close(fd);
		int plain = open(argv[1], O_RDWR);
		if (fcntl(plain, F_SETFL, fcntl(plain, F_GETFL) | O_DIRECT))
			fail("fcntl", 0);
		fd = dup(plain);
		close(plain);
	}
	uint64_t *buffer = buffer_new();
	for (long block = 0; block < BLOCKS + THREADS; block++) {
		fill(buffer, (uint64_t)block);
		if (pwrite(fd, buffer, BLOCK, block * BLOCK) != BLOCK)
			fail("pwrite", block);
	}
	ring_from = time(NULL) + 1;
	until = ring_from - 1 + atoi(argv[2]);
	for (long i = 0; i < THREADS; i++)
		pthread_create(&thread[i], NULL, work, (void *)(intptr_t)i);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(thread[i], &made);
		rounds += (long)(intptr_t)made;
	}
	printf("ok %ld\n", rounds);
	return rounds ? 0 : 1;
}
