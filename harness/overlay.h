/* The initrd of one VM: the guest's own, and behind it an archive with /tm (programs, library, the run script). */
#ifndef HARNESS_OVERLAY_H
#define HARNESS_OVERLAY_H

#include <stddef.h>

/* Write INITRD + overlay to OUT. 0, or -errno with WHAT naming the file concerned (PATH_LEN + 64 bytes). */
int overlay_write(const char *out, const char *initrd, const char *script, size_t script_len, char *what);

/* Whether everything the overlay takes is built. 0 or an exit code after saying what is missing. */
int overlay_check(void);

#endif
