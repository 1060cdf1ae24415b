#include "allocator/front.h"
#include "allocator/arena.h"
#include "allocator/jem.h"

#include <sys/mman.h>

__thread struct tm_front tm_front;
uint8_t *tm_front_pages;
uintptr_t tm_front_base;
size_t tm_front_span;

void tm_front_init(uintptr_t base, size_t bytes)
{
	void *p = tm_os_mmap(NULL, bytes / TM_PAGE, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		return;
	tm_front_pages = p;
	tm_front_base = base;
	tm_front_span = bytes;
}

bool tm_front_open(void)
{
	if (tm_front.state == TM_FRONT_CLOSED || !tm_arena_thread_ready())
		return false;
	tm_front.state = TM_FRONT_OPEN;
	return true;
}

void tm_front_close(void)
{
	tm_front.state = TM_FRONT_CLOSED;
	for (size_t c = 0; c < TM_FRONT_CLASSES; c++)
		while (tm_front.n[c])
			je_dallocx(tm_front.slot[c][--tm_front.n[c]], tm_arena_free_flags());
}
