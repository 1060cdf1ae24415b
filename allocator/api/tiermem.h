/*
 * tiermem: what a program may tell and ask tiermem about its memory. Link with -ltiermem, or load libtiermem.so.0 with dlopen().
 *
 * No program needs this: `tiermem run` places and moves the memory of any. Where tiermem does not manage the process (it was
 * started without it, or is a forked child) every function works and does nothing: memory is ordinary memory, advice and pins
 * are accepted, everything is unmanaged.
 *
 * Addresses may be any, of malloc, mmap or tiermem_alloc(); what of a range is not managed is left out. Memory moves in granules
 * (struct tiermem_stats says how large); a granule may hold other objects as well. Sizes are in bytes.
 *
 * Unless said otherwise a function returns 0 or a negative errno, and tiermem_error() then says in words what is wrong. Bad
 * arguments are -EINVAL, managed or not. All functions may be called from any thread at any time, but not in signal handlers.
 */
#ifndef TIERMEM_H
#define TIERMEM_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Only addresses are looked at: no warning of memory that is not initialised yet. */
#if defined(__GNUC__) && __GNUC__ >= 11
#define TIERMEM_NOT_READ __attribute__((access(none, 1)))
#else
#define TIERMEM_NOT_READ
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* The version of the library, "major.minor.patch". */
const char *tiermem_version(void);

/* 1 if tiermem manages this process' memory, else 0. */
int tiermem_managed(void);

/*
 * What went wrong in the last call of this thread that failed, one line without a newline; "" if none has. Valid until the
 * thread's next call. Never NULL.
 */
const char *tiermem_error(void);

enum tiermem_tier {
	TIERMEM_ANY = 0,  /* as any memory: DRAM while there is some */
	TIERMEM_DRAM = 1, /* DRAM within the quota; other memory makes room, as for TIERMEM_HOT */
	TIERMEM_PMEM = 2  /* PMEM while there is room */
};

/*
 * Zeroed memory of its own granules, shared with nothing else: for large objects, since size is rounded up to whole granules.
 * The tier is a hint; it is chosen at the first touch, and migration may change it later (tiermem_pin() prevents that).
 * Aligned to the granule (not managed: to a page). Freed by tiermem_free() only.
 * Returns NULL and sets errno: EINVAL, size is 0 or the tier none of these; ENOMEM, no address space.
 * A process that may not use userfaultfd gets ordinary, unmanaged memory.
 */
void *tiermem_alloc(size_t size, int tier);

/*
 * Frees memory of tiermem_alloc(), all of it, with the size that was asked for; NULL: does nothing. Its pins go too.
 * -EINVAL: not such memory, or another size, as far as whole granules tell. Ordinary memory is unmapped unchecked.
 */
int tiermem_free(void *p, size_t size);

enum tiermem_advice {
	TIERMEM_NORMAL = 0, /* no advice any more; moves nothing */
	TIERMEM_HOT = 1,    /* to DRAM: every granule that the range touches */
	TIERMEM_COLD = 2    /* to PMEM: granules that lie in the range as a whole (others may hold hot memory) */
};

/*
 * Moves memory now, as far as quota and PMEM allow. For hot memory other values and mappings make room, colder ones first; small
 * allocations, and malloc's arrays of 256 KiB and more, do not. Memory that has not been touched goes there at its first touch. Advice is remembered until TIERMEM_NORMAL or until the memory is freed, but counts less than heat
 * that has been measured, and than a quota that is lowered. Pinned memory stays.
 * Returns how many bytes moved, whole granules (0: they are there already, or cannot move), or
 * -EINVAL, bad advice or range; -ENOTSUP, this process' memory cannot move: tiermem_error() says why and what helps.
 */
ssize_t tiermem_advise(const void *addr, size_t size, int advice) TIERMEM_NOT_READ;

/*
 * Every granule that the range touches keeps its tier until it is unpinned (one not touched yet: from its first touch on).
 * Pins are counted: what is pinned twice is unpinned twice. Unpin before memory is given back by free() or munmap().
 * A pin is no mlock(2): the kernel may still swap DRAM. A quota that is lowered does not move what is pinned.
 * -EINVAL, bad range; -EOVERFLOW, pinned 1023 times already (nothing is pinned then).
 */
int tiermem_pin(const void *addr, size_t size) TIERMEM_NOT_READ;

/*
 * Takes back one tiermem_pin() of the same range. What tiermem itself keeps in place stays there.
 * -EINVAL, bad range, or not all of it is pinned (nothing is unpinned then).
 */
int tiermem_unpin(const void *addr, size_t size) TIERMEM_NOT_READ;

/* Where a range is: bytes; the four add up to its size. */
struct tiermem_range {
	uint64_t dram;
	uint64_t pmem;
	uint64_t untouched; /* managed, without memory behind it: the first touch chooses the tier */
	uint64_t unmanaged; /* none of tiermem's: stacks, files, code, small mappings, unmapped */
};

/* Fills *range. While memory moves, it counts where it came from. -EINVAL, bad range or NULL. */
int tiermem_query(const void *addr, size_t size, struct tiermem_range *range) TIERMEM_NOT_READ;

/*
 * Statistics of the process. The caller sets size to sizeof(struct tiermem_stats); later versions add members at the end and
 * accept the size of earlier ones. On return size is how much has been filled; the rest is 0.
 */
struct tiermem_stats {
	size_t size;
	uint32_t managed;  /* 1: the rest is valid; else all of it is 0 */
	uint32_t migrates; /* 1: memory can move between the tiers */
	uint64_t granule;  /* bytes that move at a time */
	uint64_t quota;	   /* DRAM that managed memory may take; UINT64_MAX: unlimited */
	uint64_t dram;	   /* bytes of managed memory in DRAM now */
	uint64_t pmem;	   /* and on PMEM */
	uint64_t dram_peak;
	uint64_t pmem_peak;
	uint64_t pmem_size; /* bytes of the PMEM device or file */
	uint64_t pmem_free; /* of these, bytes without contents */
	uint64_t promoted;  /* bytes moved to DRAM since the start */
	uint64_t demoted;   /* bytes moved to PMEM since the start */
	uint64_t failed;    /* moves that failed, a count */
	uint64_t spilled;   /* bytes to PMEM for want of DRAM since the start; see tiermem_on_pressure() */
	uint64_t pinned;    /* bytes held by tiermem_pin() now */
};

/* -EINVAL, stats is NULL or its size none that any version has. */
int tiermem_stats(struct tiermem_stats *stats);

/* What a pressure callback is told. size as in struct tiermem_stats, set by the library. */
struct tiermem_pressure {
	size_t size;
	uint64_t spilled; /* bytes to PMEM for want of DRAM since the last call, or the registration */
	uint64_t dram;	  /* bytes of managed memory in DRAM now */
	uint64_t quota;
};

typedef void tiermem_pressure_fn(const struct tiermem_pressure *pressure, void *data);

/*
 * Has fn called when DRAM is short: memory that would have been in DRAM was placed on PMEM at its first use, or moved there to make
 * room for other memory or because the quota was lowered, in the last interval_ms. Not because of advice or a tier hint, not by
 * `tiermem migrate`, and never with a quota of 0 or unlimited.
 * Called by a thread of tiermem's own, one callback at a time, without any lock held: it may call every function here, malloc
 * and free. At most once in interval_ms (10 to 3600000; 0: 1000), and not later than that after the fact.
 * Returns a number above 0 for tiermem_off_pressure(), or
 * -EINVAL, fn is NULL or a bad interval; -ENOSPC, 16 callbacks are registered already; -EAGAIN, no thread can be started.
 */
int tiermem_on_pressure(tiermem_pressure_fn *fn, void *data, unsigned interval_ms);

/*
 * Ends the callbacks of a registration; waits until none of them runs any more, unless a callback calls it.
 * -EINVAL, no such registration.
 */
int tiermem_off_pressure(int id);

#ifdef __cplusplus
}
#endif

#endif
