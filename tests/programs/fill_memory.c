// Allocates blocks of 1000 bytes until malloc fails or argv[1] of them are there, checks them all, prints how many.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
	long most = argc > 1 ? atol(argv[1]) : 100000, n = 0;
	static char *blocks[1000000];

	while (n < most && n < 1000000 && (blocks[n] = malloc(1000))) {
		memset(blocks[n], (int)(n % 251), 1000);
		n++;
	}
	for (long i = 0; i < n; i++) {
		for (int k = 0; k < 1000; k++) {
			if ((unsigned char)blocks[i][k] != i % 251)
				return 1;
		}
	}
	printf("%ld\n", n);
	return 0;
}
