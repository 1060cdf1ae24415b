// tiermem doctor: the report, and who adds to it.
#ifndef TIERMEM_DOCTOR_H
#define TIERMEM_DOCTOR_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct doctor {
	const char *root; // before /proc, /sys, /dev and /etc: for tests
	json_t *items;
};

enum doctor_state { OK, EMULATED, MISSING, UNKNOWN };

// One item: its state, what to do about it (NULL: nothing), and what was found.
void doctor_add(struct doctor *d, const char *item, enum doctor_state state, const char *todo,
		const char *format, ...) __attribute__((format(printf, 5, 6)));
// Path under the root; valid until the next call but three.
const char *doctor_path(const struct doctor *d, const char *path);
// First line of a file; false: it cannot be read.
bool doctor_read(const struct doctor *d, const char *path, char *text, size_t size);

void doctor_kernel(struct doctor *d);  // what the kernel can do and is set to
void doctor_devices(struct doctor *d); // PMEM, CXL, counters, KVM
void doctor_tiermem(struct doctor *d); // the library, its dependencies, the configuration

#endif
