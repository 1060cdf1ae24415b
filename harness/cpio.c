#include "harness/cpio.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

/* Write bytes, remembering the first error. */
static void put(struct cpio *c, const void *data, size_t len)
{
	if (!c->err && len && fwrite(data, 1, len, c->f) != len)
		c->err = -(errno ? errno : EIO);
}

/* Pad from a length to the next multiple of UNIT. */
static void pad(struct cpio *c, size_t len, size_t unit)
{
	static const char zero[512];

	put(c, zero, (unit - len % unit) % unit);
}

/* One entry: header, name, data. */
static void entry(struct cpio *c, const char *name, unsigned mode, const void *data, size_t len)
{
	char head[111];
	size_t name_len = strlen(name) + 1;

	if (len > 0xffffffffUL) {
		c->err = -EFBIG;
		return;
	}
	snprintf(head, sizeof(head), "070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X", ++c->inode,
		 mode, 0u, 0u, S_ISDIR(mode) ? 2u : 1u, 0u, (unsigned)len, 0u, 0u, 0u, 0u, (unsigned)name_len,
		 0u);
	put(c, head, 110);
	put(c, name, name_len);
	pad(c, 110 + name_len, 4);
	put(c, data, len);
	pad(c, len, 4);
}

void cpio_dir(struct cpio *c, const char *name)
{
	entry(c, name, S_IFDIR | 0755, "", 0);
}

void cpio_file(struct cpio *c, const char *name, unsigned mode, const void *data, size_t len)
{
	entry(c, name, S_IFREG | mode, data, len);
}

int cpio_end(struct cpio *c)
{
	long pos;

	entry(c, "TRAILER!!!", 0, "", 0);
	pos = ftell(c->f);
	if (pos >= 0)
		pad(c, (size_t)pos, 512);
	return c->err;
}
