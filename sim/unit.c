#include "sim/unit.h"

#include <stddef.h>

#include "sim/memory.h"
#include "sim/sample.h"
#include "sim/tmunit.h"

static struct tmunit *page; /* of guest RAM */
static uint64_t from, bytes;
static bool cheap;

void unit_start(qemu_plugin_meminfo_t info, uint64_t vaddr)
{
	enum tier_id tier;
	uint64_t offset;
	const char *block;
	uint32_t line = memory_line(info, vaddr, &tier);
	void *host = line == MEMORY_IO ? NULL : memory_host(line, &block, &offset);

	if (!host)
		return;
	page = (struct tmunit *)((uintptr_t)host & ~(uintptr_t)(TMUNIT_PAGE - 1));
	from = page->from;
	bytes = page->bytes;
	cheap = page->flags & TMUNIT_FREE;
	page->on = 1;
	sample_set_period(page->period > UINT32_C(1) << 31 ? UINT32_C(1) << 31 : page->period);
	if (!page->period)
		page = NULL;
}

bool unit_take(uint64_t vaddr)
{
	if (!page || vaddr - from >= bytes)
		return false;
	page->record[page->taken % TMUNIT_RECORDS] = vaddr;
	__atomic_store_n(&page->taken, page->taken + 1, __ATOMIC_RELEASE);
	return !cheap;
}
