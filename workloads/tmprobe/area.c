#include "workloads/tmprobe/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

enum { PAGE = 4096 };

/* A devdax device's size: sysfs has it, stat does not. 0 when it cannot be found. */
static uint64_t device_size(const struct stat *st)
{
	char name[64];
	unsigned long long size = 0;
	FILE *f;

	snprintf(name, sizeof(name), "/sys/dev/char/%u:%u/size", major(st->st_rdev), minor(st->st_rdev));
	f = fopen(name, "re");
	if (!f)
		return 0;
	if (fscanf(f, "%llu", &size) != 1)
		size = 0;
	fclose(f);
	return size;
}

/* Maps a device or a file. */
static void *map_path(const char *path, uint64_t want, uint64_t *size)
{
	struct stat st;
	int fd = open(path, O_RDWR | O_CLOEXEC);
	void *p;

	if (fd < 0 || fstat(fd, &st)) {
		complain("cannot open %s: %s", path, strerror(errno));
		return NULL;
	}
	*size = S_ISCHR(st.st_mode) ? device_size(&st) : (uint64_t)st.st_size;
	if (!S_ISCHR(st.st_mode) && !S_ISREG(st.st_mode)) {
		complain("%s is neither a devdax device nor a file", path);
		return NULL;
	}
	if (*size < PAGE) {
		complain("%s has no size: make the file as large as what is to be measured", path);
		return NULL;
	}
	if (*size > want)
		*size = want;
	p = mmap(NULL, *size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
	if (p == MAP_FAILED) {
		complain("cannot map %llu bytes of %s: %s", (unsigned long long)*size, path, strerror(errno));
		return NULL;
	}
	close(fd);
	return p;
}

int area_map(struct area *a, const char *path, uint64_t want)
{
	a->size = want;
	if (path) {
		a->base = map_path(path, want, &a->size);
		if (!a->base)
			return -1;
	} else {
		a->base = mmap(NULL, want, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (a->base == MAP_FAILED) {
			complain("cannot have %llu bytes of memory: %s", (unsigned long long)want,
				 strerror(errno));
			return -1;
		}
	}
	/* The chases read zeros; no page fault is to be measured, and no write-back of what this leaves in the caches. */
	for (uint64_t i = 0; i < a->size; i += PAGE)
		op_run(OP_NT, a->base + i, PAGE);
	return 0;
}
