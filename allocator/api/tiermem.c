// libtiermem.so: checks arguments, keeps the last message, and passes calls to the preload library if the process has it. That
// one cannot be loaded here: jemalloc's thread-local storage is static. Without it everything is as in a process that is not managed.
#include "allocator/api/tiermem.h"
#include "allocator/api/preload_v1.h"
#include "allocator/version.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#define API	    __attribute__((visibility("default")))
#define PAGE	    ((size_t)4096)
#define STATS_LEAST (offsetof(struct tiermem_stats, pinned) + sizeof(uint64_t)) // the first version's

// The dynamic linker finds it in the preload library, wherever that is loaded from; NULL: it is not.
extern const struct tm_preload_v1 tiermem_preload_v1 __attribute__((weak));

static __thread char message[TM_WHY];

// Remembers why a call failed; returns -error.
static int fail(int error, const char *format, ...) __attribute__((format(printf, 2, 3)));
static int fail(int error, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	return -error;
}

// The preload library of a managed process, or NULL.
static const struct tm_preload_v1 *preload(void)
{
	const struct tm_preload_v1 *p = &tiermem_preload_v1;

	return p && p->size >= sizeof(*p) && p->managed() ? p : NULL;
}

static int check_range(const void *addr, size_t size)
{
	if (!size)
		return fail(EINVAL, "the range is empty");
	if ((uintptr_t)addr + size < size)
		return fail(EINVAL, "the range wraps around the end of the address space");
	return 0;
}

API const char *tiermem_version(void)
{
	return TIERMEM_VERSION;
}

API int tiermem_managed(void)
{
	return preload() != NULL;
}

API const char *tiermem_error(void)
{
	return message;
}

API void *tiermem_alloc(size_t size, int tier)
{
	const struct tm_preload_v1 *p = preload();
	void *memory = NULL;

	if (!size || tier < TIERMEM_ANY || tier > TIERMEM_PMEM) {
		errno = size ? -fail(EINVAL,
				     "no tier %d; there are TIERMEM_ANY, TIERMEM_DRAM and TIERMEM_PMEM", tier)
			     : -fail(EINVAL, "0 bytes cannot be allocated");
		return NULL;
	}
	if (p)
		return p->alloc(size, tier, message);
	if (size <= SIZE_MAX / 2)
		memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (!memory || memory == MAP_FAILED) {
		errno = -fail(ENOMEM, "no address space for %zu bytes", size);
		return NULL;
	}
	return memory;
}

API int tiermem_free(void *memory, size_t size)
{
	const struct tm_preload_v1 *p = &tiermem_preload_v1;

	if (!memory)
		return 0;
	if (!size || (uintptr_t)memory & (PAGE - 1))
		return fail(EINVAL, "%p with %zu bytes is not memory of tiermem_alloc()", memory, size);
	if (p && p->size >= sizeof(*p)) // in a forked child, too: its parent may have got it
		return p->free(memory, size, message);
	return munmap(memory, size) ? fail(errno, "%p with %zu bytes: %s", memory, size, strerror(errno)) : 0;
}

API ssize_t tiermem_advise(const void *addr, size_t size, int advice)
{
	const struct tm_preload_v1 *p = preload();
	int bad = check_range(addr, size);

	if (bad)
		return bad;
	if (advice < TIERMEM_NORMAL || advice > TIERMEM_COLD)
		return fail(EINVAL, "no advice %d; there are TIERMEM_NORMAL, TIERMEM_HOT and TIERMEM_COLD",
			    advice);
	return p ? p->advise((uintptr_t)addr, size, advice, message) : 0;
}

static int pin(const void *addr, size_t size, bool on)
{
	const struct tm_preload_v1 *p = preload();
	int bad = check_range(addr, size);

	return bad ? bad : p ? p->pin((uintptr_t)addr, size, on, message) : 0;
}

API int tiermem_pin(const void *addr, size_t size)
{
	return pin(addr, size, true);
}

API int tiermem_unpin(const void *addr, size_t size)
{
	return pin(addr, size, false);
}

API int tiermem_query(const void *addr, size_t size, struct tiermem_range *range)
{
	const struct tm_preload_v1 *p = preload();
	int bad = check_range(addr, size);

	if (bad)
		return bad;
	if (!range)
		return fail(EINVAL, "there is no struct tiermem_range to fill");
	*range = (struct tiermem_range){.unmanaged = size};
	if (p)
		p->query((uintptr_t)addr, size, range);
	return 0;
}

API int tiermem_stats(struct tiermem_stats *stats)
{
	const struct tm_preload_v1 *p = preload();

	if (!stats)
		return fail(EINVAL, "there is no struct tiermem_stats to fill");
	size_t size = stats->size;
	if (size < STATS_LEAST || size > 4096)
		return fail(EINVAL, "size is %zu; set it to sizeof(struct tiermem_stats)", size);
	memset(stats, 0, size);
	stats->size = size < sizeof(*stats) ? size : sizeof(*stats);
	if (p)
		p->stats(stats);
	return 0;
}

API int tiermem_on_pressure(tiermem_pressure_fn *fn, void *data, unsigned interval_ms)
{
	const struct tm_preload_v1 *p = preload();

	if (!fn)
		return fail(EINVAL, "there is no function to call");
	if (interval_ms && (interval_ms < 10 || interval_ms > 3600000))
		return fail(EINVAL, "an interval of %u ms is not from 10 to 3600000", interval_ms);
	return p ? p->on_pressure(fn, data, interval_ms ? interval_ms : 1000, message) : INT32_MAX;
}

API int tiermem_off_pressure(int id)
{
	const struct tm_preload_v1 *p = preload();

	if (id <= 0)
		return fail(EINVAL, "%d is not what tiermem_on_pressure() returns", id);
	return p && id != INT32_MAX ? p->off_pressure(id, message) : 0;
}
