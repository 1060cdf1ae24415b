/* Writing a cpio archive (newc) with fixed times and owners: the same input gives the same bytes. */
#ifndef HARNESS_CPIO_H
#define HARNESS_CPIO_H

#include <stddef.h>
#include <stdio.h>

struct cpio {
	FILE *f;
	unsigned inode;
	int err; /* first error, -errno */
};

/* Add a directory. */
void cpio_dir(struct cpio *c, const char *name);

/* Add a regular file with its contents. */
void cpio_file(struct cpio *c, const char *name, unsigned mode, const void *data, size_t len);

/* Write the trailer, padded to 512 bytes. 0 or -errno of anything that failed since the start. */
int cpio_end(struct cpio *c);

#endif
