#include "allocator/page_code.h"
#include "allocator/jem.h"

uint8_t *tm_pages;
uintptr_t tm_pages_base;
size_t tm_pages_span;
uint8_t tm_small_code[TM_CODE_SMALL + 1];
uint8_t tm_slab_codes[TM_SLAB_MAX / 16 + 1];
uint16_t tm_code_size[TM_CODE_COMPANION + 1];

void tm_pages_init(uintptr_t base, size_t bytes)
{
	void *p = tm_os_reserve_table(bytes / TM_PAGE);

	if (!p)
		return;
	for (size_t i = 0; i <= TM_CODE_SMALL; i++) {
		tm_small_code[i] = (uint8_t)(je_nallocx(i ? i * 8 : 1, 0) / 8);
		tm_code_size[i] = (uint16_t)(i * 8);
	}
	tm_pages = p;
	tm_pages_base = base;
	tm_pages_span = bytes;
}

void tm_pages_slabs(size_t from, size_t to)
{
	for (unsigned k = TM_SLAB_FEWEST; k < TM_SLAB_KINDS; k++)
		tm_code_size[tm_slab_code(k)] = (uint16_t)tm_slab_size(k);
	tm_code_size[TM_CODE_COMPANION] = TM_COMPANION;
	for (size_t size = TM_SLAB_BYTES / TM_SLAB_MOST; size <= TM_SLAB_MAX; size += 16) {
		if (size >= from && size < to)
			tm_slab_codes[size / 16] = (uint8_t)tm_slab_code(tm_slab_kind(size));
	}
}
