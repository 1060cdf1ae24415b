#include "allocator/front.h"
#include "allocator/arena.h"
#include "allocator/jem.h"

#include <stdio.h>

__thread struct tm_front tm_front;

// jemalloc 5.3's experimental.batch_alloc: what it reads. Without that call there is no refilling.
struct batch {
	void **objects;
	size_t count, size;
	int flags;
};

static size_t batch_mib[2], batch_mib_length;
static bool refills[TM_FRONT_CLASSES]; // the class's slabs have more than TM_FRONT_REFILL objects

void tm_front_init(void)
{
	size_t mib[4], length = 4, miblen = 2, n = sizeof(unsigned), bytes, count;
	unsigned bins = 0;

	if (je_mallctl("arenas.nbins", &bins, &n, NULL, 0) ||
	    je_mallctlnametomib("arenas.bin.0.size", mib, &length) ||
	    je_mallctlnametomib("experimental.batch_alloc", batch_mib, &miblen))
		return;
	for (mib[2] = 0; mib[2] < bins; mib[2]++) {
		char name[64];
		uint32_t regs = 0;
		size_t regs_size = sizeof(regs);
		count = sizeof(bytes);
		snprintf(name, sizeof(name), "arenas.bin.%zu.nregs", mib[2]);
		if (je_mallctlbymib(mib, length, &bytes, &count, NULL, 0) ||
		    je_mallctl(name, &regs, &regs_size, NULL, 0))
			return;
		size_t c = tm_front_class(bytes);
		if (c < TM_FRONT_CLASSES && tm_front_size(c) == bytes)
			refills[c] = regs > TM_FRONT_REFILL;
	}
	batch_mib_length = miblen;
}

void *tm_front_refill(size_t size, int flags)
{
	size_t c = tm_front_class(size), got = 0, length = sizeof(got);
	unsigned code = tm_front_code(size);

	if (!batch_mib_length || code == TM_CODE_NONE || !refills[c] || tm_front.n[code] || !tm_front.limit)
		return NULL;
	struct batch batch = {tm_front.slot[code], TM_FRONT_REFILL, tm_front_size(c), flags};
	if (je_mallctlbymib(batch_mib, batch_mib_length, &got, &length, &batch, sizeof(batch)) || !got)
		return NULL;
	for (size_t i = 0; i < got; i++)
		tm_page_set(tm_front.slot[code][i], code);
	tm_front.n[code] = (uint8_t)(got - 1);
	return tm_front.slot[code][got - 1];
}

void tm_front_open(void)
{
	tm_front.limit = TM_FRONT_DEPTH;
}

void tm_front_close(void)
{
	void *p;

	tm_front.limit = 0;
	for (unsigned code = 1; code < TM_CODES; code++) {
		while ((p = tm_front_pop(code)))
			je_sdallocx(p, tm_code_size[code], 0);
	}
}
