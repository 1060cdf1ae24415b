#include "allocator/capture.h"
#include "allocator/core.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STACKS	 1024 // threads beyond that: their stacks count as missed
#define ATTEMPTS 20   // to find a thread asleep, a millisecond apart

static uintptr_t pointers[STACKS]; // stack pointers of threads
static unsigned n_pointers;

// The stack pointer of a sleeping thread, the last field but one of /proc/self/task/TID/syscall. 0: it runs, or is gone.
static uintptr_t stack_pointer(int tid)
{
	char path[64], text[256], *at;

	snprintf(path, sizeof(path), "/proc/self/task/%d/syscall", tid);
	if (tm_os_read_file(path, text, sizeof(text)) <= 0 || !strncmp(text, "running", 7) ||
	    !(at = strrchr(text, ' ')))
		return 0;
	*at = 0;
	at = strrchr(text, ' ');
	return at ? strtoull(at, NULL, 16) : 0;
}

static void find_stack(const char *name, int tid)
{
	uintptr_t at = tid == tm_os_thread_id() ? (uintptr_t)__builtin_frame_address(0) : stack_pointer(tid);

	for (int i = 1; i < ATTEMPTS && !at; i++) {
		usleep(1000);
		at = stack_pointer(tid);
	}
	if (at && n_pointers < STACKS)
		pointers[n_pointers++] = at;
}

struct mapping {
	uintptr_t start, end;
	bool anonymous; // private, without a file
	bool data, stack; // data: of a file's mappings in a row one is writable (a program may protect the last page of its .data)
	unsigned long long inode;
	uint64_t bytes; // resident, private and anonymous
};

static bool is_stack(const struct mapping *m)
{
	for (unsigned i = 0; i < n_pointers; i++)
		if (pointers[i] >= m->start && pointers[i] < m->end)
			return true;
	return m->stack;
}

// In tiermem's hands: its own, or captured. What the program has put into the zone of mappings itself is not.
static bool managed(uintptr_t addr)
{
	return tm_os_owns(addr) && (!tm_ours(addr) || tm.table[tm_index(addr)].state != TM_FOREIGN);
}

// m is complete; before is the mapping in front of it.
static void count(struct tm_capture *c, const struct mapping *m, const struct mapping *before)
{
	if (!m->anonymous || !m->bytes || managed(m->start))
		return;
	if (is_stack(m))
		c->stacks += m->bytes;
	else if (before->data && before->end == m->start)
		c->bss += m->bytes;
	else
		c->missed += m->bytes;
}

// One line: the head of a mapping, or one of its figures.
static void take(struct tm_capture *c, struct mapping *m, struct mapping *before, const char *line)
{
	unsigned long long start, end, inode, kib;
	char access[5];
	int name = 0;

	if (sscanf(line, "%llx-%llx %4s %*x %*x:%*x %llu %n", &start, &end, access, &inode, &name) == 4) {
		count(c, m, before);
		*before = *m;
		*m = (struct mapping){.start = start,
				      .end = end,
				      .inode = inode,
				      .anonymous = inode == 0 && access[3] == 'p',
				      .data = inode && (access[1] == 'w' || (before->data && before->end == start &&
									     before->inode == inode)),
				      .stack = !strncmp(line + name, "[stack", 6)};
	} else if (sscanf(line, "Anonymous: %llu kB", &kib) == 1) {
		m->bytes = kib << 10;
	}
}

bool tm_capture_measure(struct tm_capture *c)
{
	static char text[1 << 16];
	struct mapping m = {0}, before = {0};
	int fd = open("/proc/self/smaps", O_RDONLY | O_CLOEXEC);
	size_t kept = 0;
	ssize_t n;

	*c = (struct tm_capture){0};
	if (fd < 0)
		return false;
	n_pointers = 0;
	tm_os_each_entry("/proc/self/task", find_stack);
	while ((n = read(fd, text + kept, sizeof(text) - 1 - kept)) > 0) {
		char *line = text, *end;
		text[kept += (size_t)n] = 0;
		for (; (end = strchr(line, '\n')); line = end + 1) {
			*end = 0;
			take(c, &m, &before, line);
		}
		kept = strlen(line);
		memmove(text, line, kept);
	}
	count(c, &m, &before);
	close(fd);
	return n == 0;
}
