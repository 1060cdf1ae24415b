// Fills memory, says "ready", and waits for a line; then parent and child of a fork write to memory that is new to both, at the
// same time, and check their own.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define BLOCKS 3000
#define SIZE   (i % 2 ? 100 : i % 20 ? 1000 : 20000)

static char *blocks[BLOCKS];

static int write_and_check(int value)
{
	for (int i = 0; i < BLOCKS; i++)
		memset(blocks[i] = malloc(SIZE), value, SIZE);
	usleep(300000);
	for (int i = 0; i < BLOCKS; i++) {
		for (int k = 0; k < SIZE; k++) {
			if (blocks[i][k] != value)
				return 1;
		}
	}
	return 0;
}

int main(void)
{
	int status = -1;
	char line[8];

	write_and_check(3);
	puts("ready");
	fflush(stdout);
	if (read(0, line, sizeof(line)) < 1)
		return 1;
	pid_t child = fork();
	int bad = write_and_check(child ? 1 : 2);
	if (!child)
		_exit(bad);
	if (waitpid(child, &status, 0) != child)
		return 1;
	printf("parent %s, child %s\n", bad ? "bad" : "good", status ? "bad" : "good");
	return 0;
}
