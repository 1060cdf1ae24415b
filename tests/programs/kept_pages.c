// Frees 48 MB of large arrays, which jemalloc keeps for its next use, then allocates 40 MB of values, not all at once.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ARRAYS = 48, ARRAY = 1 << 20, VALUES = 40000, VALUE = 1000 };

int main(void)
{
	static char *array[ARRAYS], *value[VALUES];

	for (int i = 0; i < ARRAYS; i++)
		memset(array[i] = malloc(ARRAY), 1, ARRAY);
	for (int i = 0; i < ARRAYS; i++)
		free(array[i]);
	for (int i = 0; i < VALUES; i++) {
		memset(value[i] = malloc(VALUE), i % 251, VALUE);
		if (i % 400 == 0)
			usleep(10000);
	}
	for (int i = 0; i < VALUES; i++)
		if (value[i][0] != (char)(i % 251) || memcmp(value[i], value[i] + 1, VALUE - 1))
			return 1;
	puts("ok");
	return 0;
}
