#include "allocator/page_code.h"
#include "allocator/front.h"
#include "allocator/jem.h"

uint8_t *tm_pages;
uintptr_t tm_pages_base;
size_t tm_pages_span;
uint8_t tm_small_code[TM_CODE_SMALL + 1];
uint16_t tm_code_size[TM_CODES];

void tm_pages_init(uintptr_t base, size_t bytes)
{
	void *p = tm_os_reserve_table(bytes / TM_PAGE);

	if (!p)
		return;
	for (size_t i = 0; i <= TM_CODE_SMALL; i++) {
		tm_small_code[i] = (uint8_t)(je_nallocx(i ? i * 8 : 1, 0) / 8);
		tm_code_size[i] = (uint16_t)(i * 8);
	}
	for (size_t c = 0; c < TM_FRONT_CLASSES; c++)
		tm_code_size[TM_CODE_BULK + c] = (uint16_t)tm_front_size(c);
	tm_pages = p;
	tm_pages_base = base;
	tm_pages_span = bytes;
}
