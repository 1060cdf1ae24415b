// What a program may expect of the malloc family. Prints the first rule that does not hold.
#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void rule(int holds, const char *text, size_t size)
{
	if (!holds) {
		printf("broken at %zu: %s\n", size, text);
		exit(1);
	}
}

static int is_all(const unsigned char *p, unsigned char value, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (p[i] != value)
			return 0;
	}
	return 1;
}

// Pages that change their size class again and again: what malloc_usable_size() says is what a plain jemalloc says. `sized` is
// jemalloc's own sallocx, which does not look at the page's code; NULL where it is not there.
static void pages_change_class(size_t (*sized)(const void *, int))
{
	enum { N = 4096 };
	static void *p[N];
	static const size_t sizes[] = {1, 16, 100, 500, 512, 640, 4000, 9000, 24};
	unsigned kind = 0;

	for (size_t round = 0; round < 40; round++) {
		for (size_t i = 0; i < N; i++) {
			size_t size = sizes[(round + i / 1024) % (sizeof(sizes) / sizeof(*sizes))];
			switch (kind++ % 5) {
			case 0:
				p[i] = calloc(1, size);
				break;
			case 1:
				p[i] = realloc(malloc(size / 2 + 1), size);
				break;
			case 2:
				rule(!posix_memalign(&p[i], 64, size), "posix_memalign gives memory", size);
				break;
			default:
				p[i] = malloc(size);
			}
			memset(p[i], 1, malloc_usable_size(p[i]));
		}
		for (size_t i = 0; i < N; i++) {
			rule(!sized || malloc_usable_size(p[i]) == sized(p[i], 0),
			     "malloc_usable_size is jemalloc's", malloc_usable_size(p[i]));
			free(p[i]);
		}
	}
}

// A value and then 16 bytes, as programs do that keep a structure for each value: they may lie together, and neither is the other's affair.
static void values_with_structures(void)
{
	enum { N = 600 };
	static struct {
		unsigned char *value, *small;
		size_t size, small_size;
	} all[N];
	uint64_t r = 88172645463325252u;

	for (size_t round = 0; round < 60000; round++) {
		r ^= r << 13;
		r ^= r >> 7;
		r ^= r << 17;
		size_t i = r % N, size = 480 + (r >> 16) % (r >> 60 ? 600 : 2000);
		unsigned char mark = (unsigned char)(i * 2), now = (unsigned char)(mark + 1);
		rule(is_all(all[i].value, mark, all[i].size), "a value stays", all[i].size);
		rule(is_all(all[i].small, now, all[i].small_size), "a small structure stays", all[i].size);
		switch ((r >> 32) % 8) {
		case 0: // the small one goes, and another comes that is not beside it
			free(all[i].small);
			all[i].small = malloc(all[i].small_size = 16);
			break;
		case 1:
			size = 1 + (r >> 40) % 40;
			all[i].small = realloc(all[i].small, size);
			rule(is_all(all[i].small, now, size < all[i].small_size ? size : all[i].small_size), "realloc keeps a structure", size);
			all[i].small_size = size;
			break;
		case 2: // the value moves away
			all[i].value = realloc(all[i].value, size);
			rule(is_all(all[i].value, mark, size < all[i].size ? size : all[i].size), "realloc keeps a value", size);
			all[i].size = size;
			break;
		case 3:
			free(all[i].value);
			all[i].value = malloc(all[i].size = size);
			break;
		default:
			if (r >> 63)
				free(all[i].small);
			free(all[i].value);
			if (!(r >> 63))
				free(all[i].small);
			all[i].value = malloc(all[i].size = size);
			all[i].small = malloc(all[i].small_size = 16);
		}
		rule(malloc_usable_size(all[i].small) >= all[i].small_size && malloc_usable_size(all[i].value) >= all[i].size,
		     "malloc_usable_size covers both", all[i].size);
		memset(all[i].value, mark, malloc_usable_size(all[i].value));
		memset(all[i].small, now, malloc_usable_size(all[i].small));
	}
	for (size_t i = 0; i < N; i++) {
		free(all[i].value);
		free(all[i].small);
	}
}

int main(void)
{
	static const size_t sizes[] = {0,    1,	   16,	 100,	511,   512,    513,    4096,
				       8191, 8192, 9000, 10200, 50000, 262143, 262144, 3000000};
	const size_t n = sizeof(sizes) / sizeof(*sizes);
	volatile size_t huge = SIZE_MAX / 2 + 2; // volatile: the compiler must not judge it

	for (int round = 0; round < 3; round++) {
		for (size_t i = 0; i < n; i++) {
			unsigned char *p = malloc(sizes[i]);
			rule(p && (uintptr_t)p % 8 == 0, "malloc gives aligned memory", sizes[i]);
			rule(malloc_usable_size(p) >= sizes[i], "malloc_usable_size covers it", sizes[i]);
			memset(p, 0xa5, sizes[i]);
			for (size_t k = 0; k < n; k++) { // across all zones and back
				size_t keep = sizes[i] < sizes[k] ? sizes[i] : sizes[k];
				p = realloc(p, sizes[k] + 1);
				rule(malloc_usable_size(p) > sizes[k], "realloc makes room", sizes[k]);
				rule(p && is_all(p, 0xa5, keep), "realloc keeps the contents", sizes[k]);
				memset(p, 0xa5, sizes[k] + 1);
				p = realloc(p, sizes[i] + 1);
				rule(p && is_all(p, 0xa5, keep), "realloc back keeps the contents", sizes[k]);
				memset(p, 0xa5, sizes[i] + 1);
			}
			free(p);
			p = calloc(sizes[i], 2);
			rule(p && is_all(p, 0, sizes[i] * 2), "calloc gives zeros", sizes[i]);
			memset(p, 0xff, sizes[i] * 2);
			free(p);
			for (size_t align = 16; align <= 65536; align *= 16) {
				void *q;
				rule(!posix_memalign(&q, align, sizes[i]) && (uintptr_t)q % align == 0,
				     "posix_memalign aligns", sizes[i]);
				memset(q, 1, sizes[i]);
				free(q);
				q = aligned_alloc(align, sizes[i]);
				rule(q && (uintptr_t)q % align == 0, "aligned_alloc aligns", sizes[i]);
				free(q);
			}
			void *v = valloc(sizes[i]), *w = pvalloc(sizes[i]);
			rule((uintptr_t)v % 4096 == 0 && (uintptr_t)w % 4096 == 0, "valloc aligns to pages",
			     sizes[i]);
			rule(malloc_usable_size(w) >= (sizes[i] + 4095) / 4096 * 4096, "pvalloc rounds up",
			     sizes[i]);
			free(v);
			free(w);
		}
	}
	void *q = NULL;
	rule(posix_memalign(&q, 24, 100) == EINVAL, "posix_memalign refuses 24", 24);
	errno = 0;
	rule(!calloc(huge, 2) && errno == ENOMEM, "calloc knows overflow", huge);
	rule(!reallocarray(NULL, huge, 2), "reallocarray knows overflow", huge);
	errno = 0;
	rule(!malloc(SIZE_MAX - 4096) && errno == ENOMEM, "malloc of nearly everything fails", SIZE_MAX);
	pages_change_class((size_t(*)(const void *, int))dlsym(RTLD_DEFAULT, "sallocx"));
	values_with_structures();
	free(NULL);
	puts("ok");
	return 0;
}
