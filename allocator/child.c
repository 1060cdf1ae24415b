#include "allocator/child.h"
#include "allocator/api.h"
#include "allocator/arena.h"
#include "allocator/class_heat.h"
#include "allocator/control.h"
#include "allocator/core.h"
#include "allocator/far.h"
#include "allocator/hint.h"
#include "allocator/migrate.h"
#include "allocator/mirror.h"
#include "allocator/mmap_reservation.h"
#include "allocator/mmap_space.h"
#include "allocator/move.h"
#include "allocator/pool.h"
#include "allocator/share.h"
#include "allocator/uffd.h"
#include "allocator/worker.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static size_t taken; // bytes since the fork
static bool decided; // it is managed, or cannot be

void tm_child_forked(void)
{
	taken = 0;
	tm_uffd_forked();
	tm_control_forked();
	tm_worker_forked();
	decided = tm.guest || !tm_pool_forked();
}

static void take(size_t size)
{
	taken += size;
	if (!decided && taken >= TM_CHILD_BYTES)
		tm_arenas_interrupt(); // hooks may not do what has to be done
}

void tm_child_commit(uintptr_t addr, size_t size)
{
	uintptr_t end = addr + size;

	for (size_t g = tm_index(addr); g <= tm_index(end - 1); g++) {
		struct tm_granule *t = &tm.table[g];
		if (t->state == TM_EMPTY)
			*t = (struct tm_granule){.frame = TM_NO_FRAME, .state = TM_INHERITED, .flags = t->flags & TM_PINNED};
		t->live = (uint16_t)(t->live + tm_pages_in(g, addr, end));
	}
	take(size);
}

void tm_child_decommit(uintptr_t addr, size_t size)
{
	uintptr_t end = addr + size;

	tm_share_empty((void *)addr, size);
	for (size_t g = tm_index(addr); g <= tm_index(end - 1); g++) {
		struct tm_granule *t = &tm.table[g];
		t->live = (uint16_t)(t->live - tm_pages_in(g, addr, end));
		if (!t->live)
			*t = (struct tm_granule){.frame = TM_NO_FRAME, .flags = (t->flags & TM_PINNED) | TM_STALE};
	}
}

void tm_child_mmap(size_t size)
{
	taken += size;
	tm_child_adopt();
}

// What was in use at the fork, or has come into use since, is nobody's business any more; the rest is free, and stale where it was: jemalloc
// takes what it gave back before the fork for zero, and the next frame there may be any.
static void inherit(size_t first, size_t end)
{
	for (size_t g = first; g < end; g++) {
		struct tm_granule *t = &tm.table[g];
		unsigned flags = t->flags & (TM_PINNED | TM_STALE);
		if (t->state == TM_EMPTY && t->flags == flags)
			continue; // its page of the table stays shared with the parent
		t->frame = TM_NO_FRAME;
		t->flags = (uint8_t)flags;
		t->state = t->state == TM_EMPTY ? TM_EMPTY : TM_INHERITED;
	}
}

void tm_child_adopt(void)
{
	size_t first, end;

	if (!tm.child || decided || taken < TM_CHILD_BYTES)
		return;
	decided = true;
	if (!tm_pool_rejoin())
		return;
	for (int z = 0; z < TM_ZONES; z++)
		for (size_t k = 0; tm_zone_span((enum tm_zone)z, k, &first, &end); k++)
			inherit(first, end);
	// Its mappings were the kernel's since the fork: new ones lie behind them.
	tm_reservation_forget();
	tm_space_forget();
	tm.count = (struct tm_counters){0};
	tm.vmas = 0;
	tm.pid = getpid();
	tm.adopted = true;
	tm_class_reset();
	tm_hint_reset();
	tm_share_reset();
	tm_move_reset();
	tm_api_pressure_reset();
	tm_lock();
	tm_keep_small();
	tm_unlock();
	tm_mirror_renew();
	if (tm.uffd_works && tm_uffd_init())
		tm_migrate_register();
	tm_control_init();
	tm.child = false;
	tm_worker_start(); // without threads: memory stays where it is placed
}
