#include "workloads/tmloop/loop.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { REQUEST = 64, REPLY = 512, BLOCK = 512, FILE_BLOCKS = 64 };

uint64_t loop_syscall(uint64_t n)
{
	uint64_t sum = 0;

	while (n--)
		sum += (uint64_t)syscall(SYS_getppid);
	return sum;
}

uint64_t loop_file(uint64_t n)
{
	char block[BLOCK] = {1};
	uint64_t sum = 0;
	int fd = memfd_create("tmloop", MFD_CLOEXEC);

	if (fd < 0)
		return UINT64_MAX;
	while (n--) {
		off_t at = (off_t)(n % FILE_BLOCKS * BLOCK);

		if (pwrite(fd, block, BLOCK, at) != BLOCK || pread(fd, block, BLOCK, at) != BLOCK)
			return UINT64_MAX;
		sum += (unsigned char)block[0];
	}
	close(fd);
	return sum;
}

/* A loopback TCP connection: both ends, without delays. 0 or -1. */
static int connection(int end[2])
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);
	int one = 1, s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	end[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (s < 0 || end[0] < 0 || bind(s, (struct sockaddr *)&a, len) ||
	    getsockname(s, (struct sockaddr *)&a, &len) || listen(s, 1) ||
	    connect(end[0], (struct sockaddr *)&a, len))
		return -1;
	end[1] = accept(s, NULL, NULL);
	close(s);
	for (int i = 0; i < 2; i++)
		if (setsockopt(end[i], IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)))
			return -1;
	return 0;
}

/* Sends and receives n bytes. 0 or -1. */
static int pass(int from, int to, char *data, ssize_t n)
{
	return write(from, data, (size_t)n) == n && read(to, data, (size_t)n) == n ? 0 : -1;
}

uint64_t loop_socket(uint64_t n)
{
	char data[REPLY] = {1};
	int end[2];

	if (connection(end))
		return UINT64_MAX;
	while (n--)
		if (pass(end[0], end[1], data, REQUEST) || pass(end[1], end[0], data, REPLY))
			return UINT64_MAX;
	close(end[0]);
	close(end[1]);
	return (uint64_t)data[0];
}

/* Waits until fd can be read, as servers do, and reads n bytes. 0 or -1. */
static int wait_and_read(int poll, int fd, char *data, ssize_t n)
{
	struct epoll_event e;

	return epoll_wait(poll, &e, 1, -1) == 1 && read(fd, data, (size_t)n) == n ? 0 : -1;
}

static int make_poll(int fd)
{
	struct epoll_event e = {.events = EPOLLIN};
	int p = epoll_create1(EPOLL_CLOEXEC);

	return p < 0 || epoll_ctl(p, EPOLL_CTL_ADD, fd, &e) ? -1 : p;
}

/* The other thread: answers until the connection ends. */
static void *answer(void *arg)
{
	int fd = *(int *)arg, poll = make_poll(fd);
	char data[REQUEST];

	while (poll >= 0 && !wait_and_read(poll, fd, data, REQUEST) && write(fd, data, REQUEST) == REQUEST)
		;
	close(poll);
	close(fd);
	return NULL;
}

/* 64 bytes and back; the answering thread runs on CPU `other`, -1: where this one does. */
static uint64_t ping(uint64_t n, int other)
{
	char data[REQUEST] = {1};
	pthread_t thread;
	int end[2], poll;
	bool well = true;

	if (connection(end))
		return UINT64_MAX;
	poll = make_poll(end[0]);
	if (poll < 0 || pthread_create(&thread, NULL, answer, &end[1]))
		return UINT64_MAX;
	if (other >= 0) {
		cpu_set_t set;

		CPU_ZERO(&set);
		CPU_SET((size_t)other, &set);
		pthread_setaffinity_np(thread, sizeof(set), &set);
	}
	while (n-- && well)
		well = write(end[0], data, REQUEST) == REQUEST && !wait_and_read(poll, end[0], data, REQUEST);
	close(end[0]);
	close(poll);
	pthread_join(thread, NULL);
	return well ? (uint64_t)data[0] : UINT64_MAX;
}

uint64_t loop_switch(uint64_t n)
{
	return ping(n, -1);
}

uint64_t loop_wake(uint64_t n)
{
	return ping(n, sched_getcpu() ? 0 : 1);
}
