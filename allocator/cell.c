// Pages of 64 cells. A page is a thread's, which takes its cells in their order; what is freed is marked in bits beside the page, and handed out again
// before another cell is begun, to whoever asks. One lock, which a thread takes for a page, and for what is freed. Order: this lock, then
// tm_lock. Managed memory is never touched here.
#include "allocator/cell.h"
#include "allocator/arena.h"
#include "allocator/core.h"
#include "allocator/front.h"
#include "allocator/page_code.h"

#include <string.h>

#define CELL	   64
#define CELLS	   ((unsigned)(TM_PAGE / CELL))
#define GROW_BYTES ((size_t)2 << 20) // of address space at a time
#define COMMIT	   4		     // pages at a time
#define KEEP	   64		     // free pages that stay committed
#define AGAIN	   8		     // freed objects that a thread takes where others are at the lock
#define TRY	   16		     // one request in so many begins a cell although the last one is not full

// Slots of a cell, as bits.
enum { SLOT_32 = 1, SLOT_16 = 2, SLOT_16_SECOND = 4, SLOTS = 7 };
// Lists: pages with a free slot of 32 bytes, of 16; pages that nobody has, committed and not.
enum { HAS_32, HAS_16, FREE, AWAY, LISTS };

struct page {
	uint64_t free[3];	   // slots, by cell
	uint64_t empty;		   // cells whose second 16 bytes are free when their 32 bytes are
	uint32_t next[2], prev[2]; // in HAS_32 and HAS_16, index + 1; next[0]: in FREE and AWAY
};

static struct page *pages; // of the zone
static uintptr_t base;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint32_t first[LISTS];
static size_t n_free, held, used; // free pages that are committed; pages in use; bytes
// What was never used, by set of arenas: so threads that grow at a time do not enter a huge page together (slab.c).
static struct {
	uintptr_t next, committed, end;
} fresh[TM_ARENA_SETS];

static __thread struct {
	char *cell; // the last one begun
	unsigned left, tries;
	char *next, *end; // cells of its page
	uint64_t empty;	  // as in the page, which learns of them when it is full
	bool begin;	  // see tm_cell_begin_next()
} my;

bool tm_cell_init(void)
{
	if (!tm_pages_span)
		return false;
	base = tm.base + TM_SMALL * tm.zone_bytes;
	pages = tm_os_reserve_table(tm.zone_bytes / TM_PAGE * sizeof(*pages));
	return pages;
}

static uintptr_t address(uint32_t i)
{
	return base + (uintptr_t)i * TM_PAGE;
}

static uint32_t index_of(const void *p)
{
	return (uint32_t)(((uintptr_t)p - base) / TM_PAGE);
}

static bool has(const struct page *s, int list)
{
	return list == HAS_32 ? s->free[0] : s->free[1] | s->free[2];
}

static void link_first(int list, uint32_t i)
{
	pages[i].prev[list] = 0;
	pages[i].next[list] = first[list];
	if (first[list])
		pages[first[list] - 1].prev[list] = i + 1;
	first[list] = i + 1;
}

static void unlink_page(int list, uint32_t i)
{
	struct page *s = &pages[i];

	if (s->prev[list])
		pages[s->prev[list] - 1].next[list] = s->next[list];
	else
		first[list] = s->next[list];
	if (s->next[list])
		pages[s->next[list] - 1].prev[list] = s->prev[list];
}

static void push(int list, uint32_t i)
{
	pages[i].next[0] = first[list];
	first[list] = i + 1;
	n_free += list == FREE;
}

static uint32_t pop(int list)
{
	uint32_t i = first[list] - 1;

	first[list] = pages[i].next[0];
	n_free -= list == FREE;
	return i;
}

// A page that was never used; false: there is no memory. Lock held.
static bool fresh_page(uint32_t *i)
{
	unsigned set = tm_arena_set();

	if (fresh[set].next == fresh[set].end) {
		fresh[set].next = fresh[set].committed = tm_zone_take(TM_SMALL, GROW_BYTES, TM_PAGE);
		fresh[set].end = fresh[set].next ? fresh[set].next + GROW_BYTES : 0;
	}
	if (fresh[set].next == fresh[set].committed) {
		if (!fresh[set].next || !tm_commit(fresh[set].next, COMMIT * TM_PAGE))
			return false;
		fresh[set].committed += COMMIT * TM_PAGE;
	}
	*i = index_of((void *)fresh[set].next);
	fresh[set].next += TM_PAGE;
	return true;
}

// A committed page that nobody has; false: there is no memory. Lock held.
static bool free_page(uint32_t *i)
{
	unsigned set = tm_arena_set();

	if (first[FREE]) {
		*i = pop(FREE);
		return true;
	}
	if (!first[AWAY] || fresh[set].next != fresh[set].committed)
		return fresh_page(i);
	*i = pop(AWAY);
	if (tm_commit(address(*i), TM_PAGE))
		return true;
	push(AWAY, *i);
	return false;
}

static char *slot(unsigned bit)
{
	my.left &= ~bit;
	return my.cell + (bit == SLOT_32 ? 0 : bit == SLOT_16 ? 32 : 48);
}

// Marks a slot as free. Lock held.
static void mark(void *p)
{
	uint32_t i = index_of(p);
	struct page *s = &pages[i];
	int list = tm_cell_code(p) == 4 ? HAS_32 : HAS_16;
	unsigned kind = list == HAS_32 ? 0 : (uintptr_t)p & 16 ? 2 : 1;
	uint64_t cell = UINT64_C(1) << ((uintptr_t)p & (TM_PAGE - 1)) / CELL;

	if (kind == 0 && s->empty & cell) {
		s->empty &= ~cell;
		mark((char *)p + 48);
	}
	if (!has(s, list))
		link_first(list, i);
	s->free[kind] |= cell;
	used -= list == HAS_32 ? 32 : 16;
	if ((s->free[0] & s->free[1] & s->free[2]) != UINT64_MAX)
		return;
	unlink_page(HAS_32, i);
	unlink_page(HAS_16, i);
	held--;
	bool away = n_free >= KEEP && tm_decommit(address(i), TM_PAGE);
	push(away ? AWAY : FREE, i);
}

// Tells the thread's page which places were left empty. Lock held.
static void tell_empty(void)
{
	for (; my.empty; my.empty &= my.empty - 1) {
		struct page *s = &pages[index_of(my.end - 1)];
		uint64_t cell = my.empty & -my.empty;
		if (s->free[0] & cell)
			mark(my.end - TM_PAGE + (size_t)__builtin_ctzll(cell) * CELL + 48);
		else
			s->empty |= cell;
	}
}

// A page of the thread's own.
static bool new_page(void)
{
	uint32_t i = 0;

	pthread_mutex_lock(&lock);
	tell_empty();
	bool ok = free_page(&i);
	if (ok) {
		memset(pages[i].free, 0, sizeof(pages[i].free));
		pages[i].empty = 0;
		held++;
		used += TM_PAGE;
		tm_pages[(address(i) - tm_pages_base) / TM_PAGE] = TM_CODE_CELL;
	}
	pthread_mutex_unlock(&lock);
	if (ok) {
		my.next = (char *)address(i);
		my.end = my.next + TM_PAGE;
	}
	return ok;
}

void tm_cell_give(void **p, unsigned n)
{
	pthread_mutex_lock(&lock);
	for (unsigned i = 0; i < n; i++)
		mark(p[i]);
	pthread_mutex_unlock(&lock);
}

bool tm_cell_try_give(void *p)
{
	if (pthread_mutex_trylock(&lock))
		return false;
	mark(p);
	pthread_mutex_unlock(&lock);
	return true;
}

// What the thread has not used of its cell.
static void leave_cell(void)
{
	while (my.left)
		mark(slot(my.left & -my.left));
}

// A free slot of a page that has one.
static void *unmark(uint32_t i, int list)
{
	struct page *s = &pages[i];
	unsigned kind = list == HAS_32 ? 0 : s->free[1] ? 1 : 2;
	unsigned cell = (unsigned)__builtin_ctzll(s->free[kind]);

	s->free[kind] &= s->free[kind] - 1;
	used += list == HAS_32 ? 32 : 16;
	return (void *)(address(i) + cell * CELL + (kind == 0 ? 0 : kind == 1 ? 32 : 48));
}

// Something that was freed. Where threads meet at the lock, each takes a few more of that page, to need it less often.
static void *again(unsigned code)
{
	int list = code == 4 ? HAS_32 : HAS_16;
	unsigned n = 1, got = 0;
	void *p[AGAIN];

	if (!__atomic_load_n(&first[list], __ATOMIC_RELAXED))
		return NULL;
	if (pthread_mutex_trylock(&lock)) {
		n = tm_front.n[code] ? 1 : AGAIN;
		pthread_mutex_lock(&lock);
	}
	if (first[list]) {
		uint32_t i = first[list] - 1;
		while (got < n && has(&pages[i], list))
			p[got++] = unmark(i, list);
		if (!has(&pages[i], list))
			unlink_page(list, i);
	}
	pthread_mutex_unlock(&lock);
	if (!got)
		return NULL;
	for (unsigned k = got - 1; k; k--) // the first in memory is the first to be used
		tm_front_push(p[k], code);
	return p[0];
}

// The thread's next object of 16 bytes begins a cell: the place that is left of this one, beside its first two, stays empty.
static void leave_empty(void)
{
	my.begin = false;
	if (my.left != SLOT_16_SECOND)
		return;
	my.left = 0;
	my.empty |= UINT64_C(1) << ((uintptr_t)my.cell & (TM_PAGE - 1)) / CELL;
}

void tm_cell_begin_next(void)
{
	my.begin = true;
}

void *tm_cell_take(unsigned code)
{
	if (my.begin && code == 2)
		leave_empty();
	unsigned fits = code == 4 ? my.left & SLOT_32 : my.left & (SLOT_16 | SLOT_16_SECOND);
	void *p;

	if (fits)
		return slot(fits & -fits);
	if (!pages || !tm_front.limit) // the thread has not started, or has ended
		return NULL;
	p = again(code);
	if (p || code == 4 || (my.left && ++my.tries % TRY))
		return p;
	if (my.left) {
		pthread_mutex_lock(&lock);
		leave_cell();
		pthread_mutex_unlock(&lock);
	}
	if (my.next == my.end && !new_page())
		return NULL;
	my.cell = my.next;
	my.next += CELL;
	my.left = SLOTS;
	return slot(SLOT_16);
}

void tm_cell_close(void)
{
	pthread_mutex_lock(&lock);
	tell_empty();
	leave_cell();
	for (; my.next != my.end; my.next += CELL) {
		my.cell = my.next;
		my.left = SLOTS;
		leave_cell();
	}
	pthread_mutex_unlock(&lock);
}

void tm_cell_bytes(size_t *in_use, size_t *memory)
{
	*in_use = __atomic_load_n(&used, __ATOMIC_RELAXED);
	*memory = __atomic_load_n(&held, __ATOMIC_RELAXED) * TM_PAGE;
}

void tm_cell_lock(void)
{
	pthread_mutex_lock(&lock);
}

void tm_cell_unlock(void)
{
	pthread_mutex_unlock(&lock);
}

void tm_cell_lock_reset(void)
{
	pthread_mutex_t fresh_lock = PTHREAD_MUTEX_INITIALIZER;

	lock = fresh_lock;
}
