/*
 * Where the guest's RAM lies in QEMU's address space, and which tier each part is timed as. Line numbers
 * (uint32_t) are 64-byte units in a space where QEMU's RAM blocks follow each other, the same in every run.
 */
#ifndef TMSIM_MEMORY_H
#define TMSIM_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

#include "sim/profile.h"
#include "sim/qemu_plugin.h"

#define MEMORY_IO UINT32_MAX

/* QEMU's plugin interface names guest-physical addresses (since 8.0), not host addresses; set once, at start. */
extern bool memory_api_is_physical;

/* Names a memory backend (-object memory-backend-*,id=NAME) whose RAM is timed as PMEM. At most 8. 0 or -1. */
int memory_add_pmem(const char *backend_id);

/* The line that an access goes to and its tier; MEMORY_IO for device registers. Call it in a memory callback only. */
uint32_t memory_line(qemu_plugin_meminfo_t info, uint64_t vaddr, enum tier_id *tier);

/* The tier of a line that memory_line has named. */
enum tier_id memory_tier(uint32_t line);

/* The host address of a line that memory_line has named, its RAM block's name and the offset there in bytes; NULL, "" and 0 for none. */
void *memory_host(uint32_t line, const char **block, uint64_t *offset);

/* The line that a host address is in, MEMORY_IO: it is no guest RAM. */
uint32_t memory_line_of(const void *host);

/* A table of granules has come (granules.h): the blocks are listed anew before the next access. */
void memory_changed(void);

/* Called once the machine exists: names of PMEM backends that no RAM block has, NULL when all were found. */
const char *memory_missing_pmem(void);

#endif
