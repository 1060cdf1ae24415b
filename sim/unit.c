#include "sim/unit.h"

#include <stddef.h>

#include "sim/memory.h"
#include "sim/sample.h"
#include "sim/tmunit.h"

static struct tmunit *page[TMUNIT_PAGES]; /* of guest RAM */
static uint32_t pages;
static uint64_t from, bytes;
static bool cheap;

static void configure(const struct tmunit *first)
{
	from = first->from;
	bytes = first->bytes;
	cheap = first->flags & TMUNIT_FREE;
	sample_set_period(first->period > UINT32_C(1) << 31 ? UINT32_C(1) << 31 : first->period);
	pages = first->period ? 1 : 0;
}

void unit_start(qemu_plugin_meminfo_t info, uint64_t vaddr)
{
	enum tier_id tier;
	uint64_t offset;
	const char *block;
	uint32_t line = memory_line(info, vaddr, &tier);
	void *host = line == MEMORY_IO ? NULL : memory_host(line, &block, &offset);
	struct tmunit *u = (struct tmunit *)((uintptr_t)host & ~(uintptr_t)(TMUNIT_PAGE - 1));

	if (!host)
		return;
	if (!u->index) {
		page[0] = u;
		u->on = 1;
		configure(u);
	} else if (u->index == pages && pages < TMUNIT_PAGES) {
		page[pages++] = u;
	}
}

bool unit_take(uint64_t vaddr)
{
	uint32_t i;

	if (!pages || vaddr - from >= bytes)
		return false;
	i = page[0]->taken;
	page[i / TMUNIT_RECORDS % pages]->record[i % TMUNIT_RECORDS] = vaddr;
	__atomic_store_n(&page[0]->taken, i + 1, __ATOMIC_RELEASE);
	return !cheap;
}
