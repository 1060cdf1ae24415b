// Parents and children that share frames, step by step as standard input says, one letter each: shares BYTES-OF-MEMORY. Memory is blocks of
// several sizes, each filled with a number; who writes fills in another. "wrong ..." and exit 1 where a block is not what it must be.
//   f  fork: the child joins the others, in their order          w  the parent writes half of the blocks
//   c  all children check, then write a third                     r  the parent frees and allocates anew a quarter
//   g  the last child forks, and its child takes its place        k  kill -9 the last child      e  the last child ends well
//   p  the parent checks                                          b  the last child grows: it becomes managed
//   o  the last child checks on, whatever its parent does, until there is a file of its process number in the working directory
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define MOST 64

static const size_t sizes[] = {100, 600, 3000, 20000, 70000};
static struct block {
	unsigned char *p;
	size_t size;
	unsigned char value;
} *blocks;
static size_t n;
static struct child {
	pid_t pid;
	int to, from;
} child[MOST];
static int children;
static void *grown[512];

static void fill(struct block *b, unsigned char value)
{
	b->value = value;
	memset(b->p, value, b->size);
}

static void check(const char *who)
{
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < blocks[i].size; k += 97)
			if (blocks[i].p[k] != blocks[i].value) {
				printf("wrong: %s, block %zu of %zu bytes at %zu: %d, not %d\n", who, i, blocks[i].size, k, blocks[i].p[k],
				       blocks[i].value);
				fflush(stdout);
				_exit(1);
			}
}

static void write_some(size_t every, unsigned seed)
{
	for (size_t i = 0; i < n; i++)
		if ((i * 2654435761u >> 8) % every == seed % every)
			fill(&blocks[i], (unsigned char)(blocks[i].value + seed + 1));
}

static void renew(unsigned seed)
{
	for (size_t i = seed % 4; i < n; i += 4) {
		free(blocks[i].p);
		blocks[i].size = sizes[(i + seed) % 5];
		blocks[i].p = malloc(blocks[i].size);
		fill(&blocks[i], (unsigned char)(i + seed));
	}
}

static void alone(void)
{
	char name[16];

	snprintf(name, sizeof(name), "%d", getpid());
	while (access(name, F_OK)) {
		check("orphan");
		usleep(20000);
	}
	printf("orphan good\n");
	fflush(stdout);
	_exit(0);
}

static void obey(int from, int to)
{
	char order, answer = '.';

	for (unsigned step = 1; read(from, &order, 1) == 1; step++) {
		if (order == 'c') {
			check("child");
			write_some(3, step * 7);
			check("child, after writing");
			renew(step);
		} else if (order == 'g') {
			pid_t pid = fork();
			if (pid > 0)
				_exit(0);
			check("grandchild");
		} else if (order == 'b') {
			for (int i = 0; i < 512; i++)
				memset(grown[i] = malloc(20000), i, 20000);
			for (int i = 0; i < 512; i++)
				free(grown[i]);
		} else if (order == 'e') {
			_exit(0);
		}
		if (order == 'o' && write(to, &answer, 1) == 1)
			alone();
		if (write(to, &answer, 1) != 1)
			break;
	}
	_exit(0);
}

static void fork_one(void)
{
	int to[2], from[2];

	if (children == MOST || pipe(to) || pipe(from))
		exit(2);
	child[children] = (struct child){fork(), to[1], from[0]};
	if (!child[children].pid) {
		close(to[1]);
		close(from[0]);
		obey(to[0], from[1]);
	}
	close(to[0]);
	close(from[1]);
	children++;
}

static void order(int i, char what)
{
	char answer;

	if (write(child[i].to, &what, 1) != 1 || (what != 'e' && read(child[i].from, &answer, 1) != 1)) {
		printf("wrong: child %d is gone\n", i);
		exit(1);
	}
}

static void drop(void)
{
	children--;
	close(child[children].to);
	close(child[children].from);
	while (waitpid(-1, NULL, WNOHANG) > 0)
		continue;
}

int main(int argc, char **argv)
{
	size_t bytes = argc > 1 ? strtoull(argv[1], NULL, 0) : 64 << 20;
	unsigned step = 0;
	char c;

	for (size_t sum = 0; sum < bytes; n++)
		sum += sizes[n % 5];
	blocks = calloc(n, sizeof(*blocks));
	for (size_t i = 0; i < n; i++) {
		blocks[i] = (struct block){malloc(sizes[i % 5]), sizes[i % 5], 0};
		fill(&blocks[i], (unsigned char)i);
	}
	signal(SIGPIPE, SIG_IGN);
	printf("ready\n");
	fflush(stdout);
	while (read(0, &c, 1) == 1) {
		step++;
		if (c == 'f')
			fork_one();
		for (int i = 0; c == 'c' && i < children; i++)
			order(i, 'c');
		if (c == 'w')
			write_some(2, step);
		if (c == 'r')
			renew(step);
		if (strchr("gbeo", c))
			order(children - 1, c);
		if (c == 'k')
			kill(child[children - 1].pid, SIGKILL);
		if (c == 'k' || c == 'e')
			drop();
		if (c == 'p')
			check("parent");
		if (c == '\n')
			continue;
		printf("%c\n", c);
		fflush(stdout);
	}
	check("parent, at the end");
	printf("ok\n");
	return 0;
}
