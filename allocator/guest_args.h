// QEMU's command line: which files are the machine's RAM. Pure functions, no malloc.
#ifndef TIERMEM_GUEST_ARGS_H
#define TIERMEM_GUEST_ARGS_H

#include <stdbool.h>
#include <stddef.h>

// The index-th path (from 0) that backs RAM of the machine, in a command line as /proc/PID/cmdline has it (n bytes, each argument
// ends in 0): mem-path of memory-backend-file objects that -machine memory-backend=, -numa memdev= or a pc-dimm name, and the
// argument of -mem-path. Not those of an nvdimm or virtio-pmem. False: there are no more, or it does not fit into size bytes.
bool tm_guest_args_ram_path(const char *args, size_t n, size_t index, char *path, size_t size);

#endif
