/* The initrd of one VM: the guest's own, and behind it an archive with /tm (programs, library, the run script). */
#ifndef HARNESS_OVERLAY_H
#define HARNESS_OVERLAY_H

#include <stddef.h>

/*
 * A file of the source tree and where it goes in the guest (below /). Lists end with NULLs; their order is fixed, and programs have no
 * debug information: the archive must be the same bytes each time, in whatever folder it was built.
 */
struct overlay_part {
	const char *from, *to;
};

/* What a guest takes that runs tiermem and tmload. */
extern const struct overlay_part overlay_tiermem[];
/* The same with tmalloc and its traces. */
extern const struct overlay_part overlay_alloc[];

/* Write INITRD + overlay to OUT. 0, or -errno with WHAT naming the file concerned (PATH_LEN + 64 bytes). */
int overlay_write(const char *out, const char *initrd, const struct overlay_part *parts, const char *script,
		  size_t script_len, char *what);

/* Whether everything the overlay takes is built. 0 or an exit code after saying what is missing. */
int overlay_check(const struct overlay_part *parts);

#endif
