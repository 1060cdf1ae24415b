#include "harness/overlay.h"
#include "harness/cpio.h"
#include "harness/util.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const struct overlay_part overlay_tiermem[] = {
	{"build/stripped/bin/tiermem", "tm/bin/tiermem"},
	{"build/stripped/bin/tmload", "tm/bin/tmload"},
	{"build/stripped/bin/tmmark", "tm/bin/tmmark"},
	{"build/stripped/lib/libtiermem-preload.so", "tm/lib/libtiermem-preload.so"},
	{NULL, NULL},
};

const struct overlay_part overlay_alloc[] = {
	{"build/stripped/bin/tiermem", "tm/bin/tiermem"},
	{"build/stripped/bin/tmload", "tm/bin/tmload"},
	{"build/stripped/bin/tmmark", "tm/bin/tmmark"},
	{"build/stripped/bin/tmalloc", "tm/bin/tmalloc"},
	{"build/stripped/lib/libtiermem-preload.so", "tm/lib/libtiermem-preload.so"},
	{"workloads/tmalloc/traces/redis.csv", "tm/redis.csv"},
	{"workloads/tmalloc/traces/python.csv", "tm/python.csv"},
	{"workloads/tmalloc/traces/mariadb.csv", "tm/mariadb.csv"},
	{NULL, NULL},
};

int overlay_check(const struct overlay_part *parts)
{
	char path[PATH_LEN];

	for (; parts->from; parts++) {
		root_path(path, parts->from);
		if (access(path, R_OK)) {
			complain("%s is missing; run `make all`", path);
			return EXIT_FAIL;
		}
	}
	return 0;
}

/* Add one part of the build to the archive; WHAT gets its path. */
static int add_part(struct cpio *c, const char *from, const char *to, char *what)
{
	size_t len;
	char *data;

	root_path(what, from);
	data = read_file(what, &len);
	if (!data)
		return -errno;
	cpio_file(c, to, 0755, data, len);
	free(data);
	return 0;
}

int overlay_write(const char *out, const char *initrd, const struct overlay_part *parts, const char *script,
		  size_t script_len, char *what)
{
	static const char zero[512];
	struct cpio c = {0};
	size_t len = 0;
	char *base;
	int err = 0;

	snprintf(what, PATH_LEN, "%s", initrd);
	base = read_file(initrd, &len);
	if (!base)
		return -errno;
	snprintf(what, PATH_LEN, "%s", out);
	c.f = fopen(out, "wb");
	if (!c.f) {
		err = -errno;
		free(base);
		return err;
	}
	if (fwrite(base, 1, len, c.f) != len ||
	    fwrite(zero, 1, (512 - len % 512) % 512, c.f) != (512 - len % 512) % 512)
		err = -(errno ? errno : EIO);
	free(base);
	if (!err) {
		cpio_dir(&c, "tm");
		cpio_dir(&c, "tm/bin");
		cpio_dir(&c, "tm/lib");
		for (; parts->from && !err; parts++)
			err = add_part(&c, parts->from, parts->to, what);
		if (!err) { /* what was read is well, so an error is of the archive from here on */
			snprintf(what, PATH_LEN, "%s", out);
			cpio_file(&c, "tm/run", 0755, script, script_len);
			err = cpio_end(&c);
		}
	}
	if (fclose(c.f) && !err)
		err = -errno;
	return err;
}
