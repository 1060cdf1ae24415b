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

struct tm_pmem tm_pmem = {.devices = 1, .device = {{.fd = -1}}, .stripe = 32};

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

static bool open_devdax(const struct stat *st, size_t granule, const char *name, uint64_t *bytes, char *why, size_t size)
{
	*bytes = sysfs_number(st, "size");
	uint64_t align = sysfs_number(st, "device/align");
	if (!align)
		align = sysfs_number(st, "align");
	if (!*bytes) {
		snprintf(why, size,
			 "%s is not a devdax device; make one: ndctl create-namespace -m devdax -a 4096", name);
		return false;
	}
	if (align > granule) {
		snprintf(why, size,
			 "%s is aligned to %llu bytes, the granule is %zu; use --granule %lluK or make it "
			 "anew: "
			 "ndctl create-namespace -m devdax -a 4096",
			 name, (unsigned long long)align, granule, (unsigned long long)align >> 10);
		return false;
	}
	return true;
}

static bool open_memfd(const char *name, size_t granule, struct tm_pmem_device *d, char *why, size_t size)
{
	if (!name[6])
		d->bytes = tm_os_ram_bytes();
	else if (!tm_parse_size(name + 6, &d->bytes))
		d->bytes = 0;
	d->bytes &= ~(uint64_t)(granule - 1);
	d->fd = memfd_create("tiermem", MFD_CLOEXEC);
	if (d->fd >= 0 && !ftruncate(d->fd, (off_t)d->bytes))
		return true;
	snprintf(why, size, "cannot make a memfd of %llu bytes: %s", (unsigned long long)d->bytes, strerror(errno));
	return false;
}

static bool open_path(const char *name, size_t granule, struct tm_pmem_device *d, enum tm_pmem_kind *kind, char *why, size_t size)
{
	struct stat st;

	d->fd = open(name, O_RDWR | O_CLOEXEC);
	if (d->fd < 0 || fstat(d->fd, &st)) {
		snprintf(why, size, "cannot open %s: %s", name, strerror(errno));
		return false;
	}
	if (S_ISCHR(st.st_mode)) {
		*kind = TM_DEVDAX;
		d->id = st.st_rdev;
		return open_devdax(&st, granule, name, &d->bytes, why, size);
	}
	if (!S_ISREG(st.st_mode)) {
		snprintf(why, size,
			 "%s is neither a devdax device nor a file; give /dev/daxX.Y, a file or memfd:SIZE", name);
		return false;
	}
	d->id = st.st_ino;
	d->bytes = (uint64_t)st.st_size;
	void *probe = st.st_size < (off_t)TM_PAGE ? MAP_FAILED
						  : tm_os_mmap(NULL, TM_PAGE, PROT_READ,
							       MAP_SHARED_VALIDATE | MAP_SYNC, d->fd, 0);
	*kind = probe == MAP_FAILED ? TM_FILE : TM_FSDAX;
	if (probe != MAP_FAILED)
		tm_os_munmap(probe, TM_PAGE);
	return true;
}

// Opens one of a list.
static bool open_one(const char *name, size_t granule, struct tm_pmem_device *d, enum tm_pmem_kind *kind, char *why, size_t size)
{
	bool ok;

	if (!strncmp(name, "memfd:", 6)) {
		*kind = TM_MEMFD;
		ok = open_memfd(name, granule, d, why, size);
	} else {
		ok = open_path(name, granule, d, kind, why, size);
	}
	d->bytes &= ~(uint64_t)(granule - 1);
	if (ok && !d->bytes) {
		snprintf(why, size, "%s is smaller than one granule of %zu bytes; give a larger device or file", name, granule);
		ok = false;
	}
	return ok;
}

static bool same_file(int a, int b)
{
	struct stat x, y;

	return !fstat(a, &x) && !fstat(b, &y) && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

// The next device, in its place. False: it does not go with the others.
static bool add(struct tm_pmem *p, struct tm_pmem_device d, enum tm_pmem_kind kind, char *why, size_t size)
{
	unsigned at = p->devices;

	for (unsigned i = 0; i < p->devices; i++) {
		if (same_file(p->device[i].fd, d.fd)) {
			snprintf(why, size, "%.*s is there twice; name each device once", d.length, d.path);
			return false;
		}
	}
	if (p->devices && kind != p->kind) {
		snprintf(why, size, "%.*s is %s and %.*s %s; devices that are used together must be of one kind", p->device[0].length,
			 p->device[0].path, tm_pmem_kind_name(p->kind), d.length, d.path, tm_pmem_kind_name(kind));
		return false;
	}
	for (p->kind = kind; at && p->device[at - 1].id > d.id; at--)
		p->device[at] = p->device[at - 1];
	p->device[at] = d;
	p->devices++;
	p->bytes += d.bytes;
	return true;
}

void tm_pmem_close(struct tm_pmem *p)
{
	for (unsigned i = 0; i < p->devices; i++)
		tm_os_close(p->device[i].fd);
	p->devices = 0;
}

bool tm_pmem_open(const char *path, size_t granule, struct tm_pmem *out, char *why, size_t size)
{
	char name[4096];

	if (!strcmp(path, "auto"))
		path = tm_tier_find(granule);
	*out = (struct tm_pmem){.path = path, .stripe = 32};
	if (!strncmp(path, "numa:", 5))
		return tm_numa_open(path, granule, out, why, size);
	for (const char *at = path;; at += strcspn(at, ",") + 1) {
		struct tm_pmem_device d = {.fd = -1, .path = at, .length = (int)strcspn(at, ",")};
		enum tm_pmem_kind kind;
		bool ok = false;
		snprintf(name, sizeof(name), "%.*s", d.length, at);
		if (out->devices == TM_PMEM_DEVICES)
			snprintf(why, size, "more than %d devices; name fewer", TM_PMEM_DEVICES);
		else
			ok = open_one(name, granule, &d, &kind, why, size) && add(out, d, kind, why, size);
		if (!ok) {
			if (d.fd >= 0)
				close(d.fd);
			tm_pmem_close(out);
			return false;
		}
		if (!at[d.length])
			return true;
	}
}

// The granularity says whether stores reach the device without msync: only then are libpmem2's copies cheap.
static bool alias_libpmem2(struct tm_pmem_device *d, size_t length, char *why, size_t size)
{
	struct pmem2_source *source = NULL;
	struct pmem2_config *config = NULL;
	struct pmem2_map *map = NULL;
	bool ok = !pmem2_source_from_fd(&source, d->fd) && !pmem2_config_new(&config) &&
		  !pmem2_config_set_required_store_granularity(config, PMEM2_GRANULARITY_PAGE) &&
		  !pmem2_config_set_length(config, tm_pmem.start + length) && !pmem2_map_new(&map, config, source);

	if (!ok) {
		snprintf(why, size, "cannot map %.*s: %s", d->length, d->path, pmem2_errormsg());
		return false;
	}
	d->alias = (char *)pmem2_map_get_address(map) + tm_pmem.start;
	if (pmem2_map_get_store_granularity(map) != PMEM2_GRANULARITY_PAGE) {
		copy_fn = pmem2_get_memcpy_fn(map);
		set_fn = pmem2_get_memset_fn(map);
	}
	pmem2_config_delete(&config);
	pmem2_source_delete(&source);
	return true;
}

static bool alias(struct tm_pmem_device *d, size_t length, char *why, size_t size)
{
	if (tm_pmem.kind != TM_MEMFD)
		return alias_libpmem2(d, length, why, size);
	void *p = tm_os_mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, d->fd, (off_t)tm_pmem.start);
	if (p == MAP_FAILED) {
		snprintf(why, size, "cannot map %zu bytes of memfd: %s", length, strerror(errno));
		return false;
	}
	d->alias = p;
	return true;
}

bool tm_pmem_alias(char *why, size_t size)
{
	for (unsigned i = 0; i < tm_pmem.devices && !tm_pmem_anonymous(); i++) {
		size_t length = tm_pmem.bytes / tm_pmem.devices;
		if (!alias(&tm_pmem.device[i], length, why, size))
			return false;
		tm_os_madvise(tm_pmem.device[i].alias, length, MADV_DONTDUMP); // what is in use is mapped in the zones
	}
	return true;
}

// Where a frame is among those of its device.
static uint64_t place_of(uint32_t frame)
{
	uint64_t stripe = (uint64_t)frame >> tm_pmem.stripe, in = frame & ((UINT64_C(1) << tm_pmem.stripe) - 1);

	return ((stripe / tm_pmem.devices << tm_pmem.stripe) + in) << tm.shift;
}

uint64_t tm_pmem_offset(uint32_t frame)
{
	return tm_pmem.start + place_of(frame);
}

bool tm_pmem_map(void *addr, uint32_t frame, uint32_t n, int prot, bool fill)
{
	int flags = MAP_SHARED | MAP_FIXED | MAP_NORESERVE | (fill ? MAP_POPULATE : 0);

	if (tm_pmem_anonymous())
		return tm_numa_bind(addr, (size_t)n << tm.shift, true);
	return tm_os_mmap(addr, (size_t)n << tm.shift, prot, flags, tm_pmem.device[tm_pmem_device(frame)].fd,
			  (off_t)tm_pmem_offset(frame)) != MAP_FAILED;
}

char *tm_pmem_address(uint32_t frame)
{
	return tm_pmem.device[tm_pmem_device(frame)].alias + place_of(frame);
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
		fallocate(tm_pmem.device[tm_pmem_device(frame)].fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			  (off_t)tm_pmem_offset(frame), (off_t)n << tm.shift);
}
