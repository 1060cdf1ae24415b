// PMEM devices: opening, the alias mapping through libpmem2, frames.
#include "allocator/tier_pmem.h"
#include "allocator/core.h"
#include "allocator/tier_find.h"
#include "allocator/tier_numa.h"

#include <errno.h>
#include <fcntl.h>
#include <libpmem2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

struct tm_pmem tm_pmem = {.fd = -1};

static pmem2_memcpy_fn copy_fn;
static pmem2_memset_fn set_fn;

const char *tm_pmem_kind_name(enum tm_pmem_kind kind)
{
	static const char *const names[] = {"devdax", "fsdax", "file", "memfd", "numa"};
	return names[kind];
}

// A number from a device's sysfs file; 0: none.
static uint64_t sysfs_number(const struct stat *st, const char *name)
{
	char path[128], text[64];

	snprintf(path, sizeof(path), "/sys/dev/char/%u:%u/%s", major(st->st_rdev), minor(st->st_rdev), name);
	return tm_os_read_file(path, text, sizeof(text)) > 0 ? strtoull(text, NULL, 0) : 0;
}

static bool open_devdax(const struct stat *st, size_t granule, struct tm_pmem *out, char *why, size_t size)
{
	out->kind = TM_DEVDAX;
	out->bytes = sysfs_number(st, "size");
	uint64_t align = sysfs_number(st, "device/align");
	if (!align)
		align = sysfs_number(st, "align");
	if (!out->bytes) {
		snprintf(why, size,
			 "%s is not a devdax device; make one: ndctl create-namespace -m devdax -a 4096",
			 out->path);
		return false;
	}
	if (align > granule) {
		snprintf(why, size,
			 "%s is aligned to %llu bytes, the granule is %zu; use --granule %lluK or make it "
			 "anew: "
			 "ndctl create-namespace -m devdax -a 4096",
			 out->path, (unsigned long long)align, granule, (unsigned long long)align >> 10);
		return false;
	}
	return true;
}

static bool open_path(size_t granule, struct tm_pmem *out, char *why, size_t size)
{
	struct stat st;

	out->fd = open(out->path, O_RDWR | O_CLOEXEC);
	if (out->fd < 0 || fstat(out->fd, &st)) {
		snprintf(why, size, "cannot open %s: %s", out->path, strerror(errno));
		return false;
	}
	if (S_ISCHR(st.st_mode))
		return open_devdax(&st, granule, out, why, size);
	if (!S_ISREG(st.st_mode)) {
		snprintf(why, size,
			 "%s is neither a devdax device nor a file; give /dev/daxX.Y, a file or memfd:SIZE",
			 out->path);
		return false;
	}
	out->bytes = (uint64_t)st.st_size;
	void *probe = st.st_size < (off_t)TM_PAGE ? MAP_FAILED
						  : tm_os_mmap(NULL, TM_PAGE, PROT_READ,
							       MAP_SHARED_VALIDATE | MAP_SYNC, out->fd, 0);
	out->kind = probe == MAP_FAILED ? TM_FILE : TM_FSDAX;
	if (probe != MAP_FAILED)
		tm_os_munmap(probe, TM_PAGE);
	return true;
}

bool tm_pmem_open(const char *path, size_t granule, struct tm_pmem *out, char *why, size_t size)
{
	if (!strcmp(path, "auto"))
		path = tm_tier_find(granule);
	*out = (struct tm_pmem){.fd = -1, .path = path};
	if (!strncmp(path, "memfd:", 6)) {
		out->kind = TM_MEMFD;
		if (!path[6])
			out->bytes = tm_os_ram_bytes();
		else if (!tm_parse_size(path + 6, &out->bytes))
			out->bytes = 0;
		out->bytes &= ~(uint64_t)(granule - 1);
		out->fd = memfd_create("tiermem", MFD_CLOEXEC);
		if (out->fd < 0 || ftruncate(out->fd, (off_t)out->bytes)) {
			snprintf(why, size, "cannot make a memfd of %llu bytes: %s",
				 (unsigned long long)out->bytes, strerror(errno));
			return false;
		}
	} else if (!strncmp(path, "numa:", 5)) {
		if (!tm_numa_open(path, granule, out, why, size))
			return false;
	} else if (!open_path(granule, out, why, size)) {
		if (out->fd >= 0)
			close(out->fd);
		return false;
	}
	out->bytes &= ~(uint64_t)(granule - 1);
	if (!out->bytes) {
		snprintf(why, size,
			 "%s is smaller than one granule of %zu bytes; give a larger device or file", path,
			 granule);
		close(out->fd);
		return false;
	}
	return true;
}

// The granularity says whether stores reach the device without msync: only then are libpmem2's copies cheap.
static bool alias_libpmem2(char *why, size_t size)
{
	struct pmem2_source *source = NULL;
	struct pmem2_config *config = NULL;
	struct pmem2_map *map = NULL;
	bool ok = !pmem2_source_from_fd(&source, tm_pmem.fd) && !pmem2_config_new(&config) &&
		  !pmem2_config_set_required_store_granularity(config, PMEM2_GRANULARITY_PAGE) &&
		  !pmem2_config_set_length(config, tm_pmem.start + tm_pmem.bytes) && !pmem2_map_new(&map, config, source);

	if (!ok) {
		snprintf(why, size, "cannot map %s: %s", tm_pmem.path, pmem2_errormsg());
		return false;
	}
	tm_pmem.alias = (char *)pmem2_map_get_address(map) + tm_pmem.start;
	if (pmem2_map_get_store_granularity(map) != PMEM2_GRANULARITY_PAGE) {
		copy_fn = pmem2_get_memcpy_fn(map);
		set_fn = pmem2_get_memset_fn(map);
	}
	pmem2_config_delete(&config);
	pmem2_source_delete(&source);
	return true;
}

bool tm_pmem_alias(char *why, size_t size)
{
	if (tm_pmem_anonymous())
		return true;
	if (tm_pmem.kind != TM_MEMFD)
		return alias_libpmem2(why, size);
	void *p = tm_os_mmap(NULL, tm_pmem.bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE,
			     tm_pmem.fd, (off_t)tm_pmem.start);
	if (p == MAP_FAILED) {
		snprintf(why, size, "cannot map %llu bytes of memfd: %s", (unsigned long long)tm_pmem.bytes,
			 strerror(errno));
		return false;
	}
	tm_pmem.alias = p;
	return true;
}

static off_t offset_of(uint32_t frame)
{
	return (off_t)(tm_pmem.start + ((uint64_t)frame << tm.shift));
}

bool tm_pmem_map(void *addr, uint32_t frame, uint32_t n, int prot, bool fill)
{
	int flags = MAP_SHARED | MAP_FIXED | MAP_NORESERVE | (fill ? MAP_POPULATE : 0);

	if (tm_pmem_anonymous())
		return tm_numa_bind(addr, (size_t)n << tm.shift, true);
	return tm_os_mmap(addr, (size_t)n << tm.shift, prot, flags, tm_pmem.fd, offset_of(frame)) != MAP_FAILED;
}

char *tm_pmem_address(uint32_t frame)
{
	return tm_pmem.alias + ((size_t)frame << tm.shift);
}

void tm_pmem_store(uint32_t frame, const void *from, uint32_t n)
{
	if (copy_fn)
		copy_fn(tm_pmem_address(frame), from, (size_t)n << tm.shift, PMEM2_F_MEM_NONTEMPORAL);
	else
		memcpy(tm_pmem_address(frame), from, (size_t)n << tm.shift);
}

void tm_pmem_zero(uint32_t frame, uint32_t n)
{
	if (set_fn)
		set_fn(tm_pmem_address(frame), 0, (size_t)n << tm.shift, PMEM2_F_MEM_NONTEMPORAL);
	else
		memset(tm_pmem_address(frame), 0, (size_t)n << tm.shift);
}

void tm_pmem_discard(uint32_t frame, uint32_t n)
{
	if (tm_pmem.kind == TM_MEMFD)
		fallocate(tm_pmem.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset_of(frame), (off_t)n << tm.shift);
}
