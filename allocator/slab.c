// A class is a kind of one set of arenas (arena.h), so threads that allocate at a time do not meet; what others free goes back to whose it was. Each
// has a lock, and a list of its slabs that have a free object, the one last freed into first. A slab's pages are committed as its objects are
// taken, from the first on; when all objects are free, and it is not the class's last with room, its pages go back, and its address may
// become a slab of another class. Locks: a class, then `places`, then tm_lock. Managed memory is never touched here.
//
// Companions come and go without a lock. Who takes one sets its bit, then looks whether the slab is still there (kind); who gives a slab back
// says that it is gone, then looks for companions: one of them sees the other.
#include "allocator/slab.h"
#include "allocator/arena.h"
#include "allocator/core.h"
#include "allocator/page_code.h"

#include <string.h>

#define GROW_BYTES  ((size_t)2 << 20) // of address space at a time
#define COMMIT_STEP 4 // pages

struct slab {
	uint64_t free;	     // objects, by bit
	_Atomic uint64_t companions; // in use, by bit
	uint32_t next, prev; // in its class's list, or free places: index + 1
	uint8_t committed;   // pages, from the first on
	_Atomic uint8_t kind; // 0: a free place
	_Atomic uint8_t set;  // written before kind, and read after it
};

static struct slab *slabs; // of the zone
static uintptr_t base;
static struct class {
	pthread_mutex_t lock;
	uint32_t first; // index + 1
	size_t used;
	_Atomic size_t companions;
} classes[TM_ARENA_SETS][TM_SLAB_KINDS] = {[0 ... TM_ARENA_SETS - 1] = {[0 ... TM_SLAB_KINDS - 1] = {.lock = PTHREAD_MUTEX_INITIALIZER}}};
static _Atomic unsigned sets; // that have classes: all below; changes under places.lock

static struct {
	pthread_mutex_t lock;
	uint32_t free; // index + 1
	struct {
		uintptr_t next, end;
	} fresh[TM_ARENA_SETS]; // never used yet
	_Atomic size_t pages; // committed in slabs
} places = {.lock = PTHREAD_MUTEX_INITIALIZER};

bool tm_slab_init(void)
{
	if (!tm_pages_span)
		return false;
	base = tm.base + TM_BULK * tm.zone_bytes;
	slabs = tm_os_reserve_table(tm.zone_bytes / TM_SLAB_BYTES * sizeof(*slabs));
	return slabs;
}

static uintptr_t address(uint32_t i)
{
	return base + (uintptr_t)i * TM_SLAB_BYTES;
}

static uint32_t index_of(const void *p)
{
	return (uint32_t)(((uintptr_t)p - base) / TM_SLAB_BYTES);
}

// The bit of the object at p, or of its companion.
static uint64_t bit_of(uint32_t i, const void *p, size_t step)
{
	return UINT64_C(1) << ((uintptr_t)p - address(i)) / step;
}

static uint64_t all(unsigned k)
{
	unsigned n = tm_slab_objects(k);

	return n == 64 ? UINT64_MAX : (UINT64_C(1) << n) - 1;
}

static void link_first(struct class *c, uint32_t i)
{
	slabs[i].prev = 0;
	slabs[i].next = c->first;
	if (c->first)
		slabs[c->first - 1].prev = i + 1;
	c->first = i + 1;
}

static void unlink_slab(struct class *c, uint32_t i)
{
	struct slab *s = &slabs[i];

	if (s->prev)
		slabs[s->prev - 1].next = s->next;
	else
		c->first = s->next;
	if (s->next)
		slabs[s->next - 1].prev = s->prev;
}

// A place for one more slab that was never used; false: the zone is full. Threads that grow at a time have 2 MiB each: if they entered a huge page
// together, the kernel would fill in one for each of them, and throw away all but one.
static bool take_fresh(uint32_t *i, unsigned set)
{
	uintptr_t at = places.fresh[set].next;

	if (at == places.fresh[set].end) {
		at = tm_zone_take(TM_BULK, GROW_BYTES, TM_SLAB_BYTES);
		places.fresh[set].end = at ? at + GROW_BYTES : 0;
	}
	places.fresh[set].next = at ? at + TM_SLAB_BYTES : 0;
	*i = (uint32_t)((at - base) / TM_SLAB_BYTES);
	return at;
}

// A place for one more slab; false: the zone is full.
static bool take_place(uint32_t *i, unsigned set)
{
	bool found = true;

	pthread_mutex_lock(&places.lock);
	if (places.free) {
		*i = places.free - 1;
		places.free = slabs[*i].next;
	} else {
		found = take_fresh(i, set);
	}
	pthread_mutex_unlock(&places.lock);
	return found;
}

// A slab that nobody uses: its memory goes back, unless that is refused; it then stays for the next who takes the place.
static void give_place(uint32_t i)
{
	struct slab *s = &slabs[i];

	if (s->committed && tm_decommit(address(i), s->committed * TM_PAGE)) {
		atomic_fetch_sub_explicit(&places.pages, s->committed, memory_order_relaxed);
		s->committed = 0;
	}
	pthread_mutex_lock(&places.lock);
	s->next = places.free;
	places.free = i + 1;
	pthread_mutex_unlock(&places.lock);
}

static bool new_slab(struct class *c, unsigned set, unsigned k)
{
	uint32_t i;

	if (!take_place(&i, set))
		return false;
	slabs[i].set = (uint8_t)set;
	__atomic_store_n(&slabs[i].free, all(k), __ATOMIC_RELAXED);
	slabs[i].kind = (uint8_t)k;
	memset(&tm_pages[(address(i) - tm_pages_base) / TM_PAGE], (int)tm_slab_code(k), TM_SLAB_BYTES / TM_PAGE);
	link_first(c, i);
	return true;
}

// Has the pages of a slab's first n objects committed.
static bool commit(uint32_t i, size_t bytes)
{
	struct slab *s = &slabs[i];
	size_t pages = (bytes + COMMIT_STEP * TM_PAGE - 1) / (COMMIT_STEP * TM_PAGE) * COMMIT_STEP;

	if (pages > TM_SLAB_BYTES / TM_PAGE)
		pages = TM_SLAB_BYTES / TM_PAGE;
	if (pages <= s->committed)
		return true;
	if (!tm_commit(address(i) + s->committed * TM_PAGE, (pages - s->committed) * TM_PAGE))
		return false;
	atomic_fetch_add_explicit(&places.pages, pages - s->committed, memory_order_relaxed);
	s->committed = (uint8_t)pages;
	return true;
}

// A set's first slab.
static void add_set(unsigned set)
{
	pthread_mutex_lock(&places.lock);
	if (set >= sets)
		sets = set + 1;
	pthread_mutex_unlock(&places.lock);
}

unsigned tm_slab_take(unsigned k, void **objects, unsigned n)
{
	unsigned got = 0, set = tm_arena_set();
	struct class *c = &classes[set][k];
	size_t step = tm_slab_step(k), in_front = step - tm_slab_size(k);

	if (set >= atomic_load_explicit(&sets, memory_order_relaxed))
		add_set(set);
	pthread_mutex_lock(&c->lock);
	while (got < n && (c->first || new_slab(c, set, k))) {
		uint32_t i = c->first - 1;
		unsigned j = (unsigned)__builtin_ctzll(slabs[i].free);
		if (!commit(i, (j + 1) * step))
			break;
		objects[got++] = (void *)(address(i) + j * step + in_front);
		__atomic_store_n(&slabs[i].free, slabs[i].free & (slabs[i].free - 1), __ATOMIC_RELEASE);
		if (!slabs[i].free)
			unlink_slab(c, i);
	}
	c->used += got;
	pthread_mutex_unlock(&c->lock);
	for (unsigned i = 0; i < got / 2; i++) {
		void *p = objects[i];
		objects[i] = objects[got - 1 - i];
		objects[got - 1 - i] = p;
	}
	return got;
}

// Something of a slab has been freed: if that was the last, and it is not the class's last slab with room, it goes back.
static void give_slab(struct class *c, unsigned k, uint32_t i)
{
	struct slab *s = &slabs[i];

	if (s->free != all(k) || !(s->next || s->prev))
		return;
	s->kind = 0;
	if (s->companions) {
		s->kind = (uint8_t)k;
		return;
	}
	unlink_slab(c, i);
	give_place(i);
}

// n objects have been given back.
static void leave(struct class *c, unsigned n)
{
	c->used -= n;
	pthread_mutex_unlock(&c->lock);
}

void tm_slab_give(unsigned k, void *const *objects, unsigned n)
{
	struct class *c = NULL;
	size_t step = tm_slab_step(k);
	unsigned mine = 0; // objects of c

	for (unsigned o = 0; o < n; o++, mine++) {
		uint32_t i = index_of(objects[o]);
		struct class *its = &classes[slabs[i].set][k];
		if (its != c) {
			if (c)
				leave(c, mine);
			pthread_mutex_lock(&its->lock);
			c = its;
			mine = 0;
		}
		if (!slabs[i].free)
			link_first(c, i);
		__atomic_store_n(&slabs[i].free, slabs[i].free | bit_of(i, objects[o], step), __ATOMIC_RELEASE);
		give_slab(c, k, i);
	}
	if (c)
		leave(c, mine);
}

void *tm_slab_take_companion(unsigned k, const void *object)
{
	uint32_t i = index_of(object);
	struct slab *s = &slabs[i];
	size_t step = tm_slab_step(k);
	unsigned j = (unsigned)(((uintptr_t)object - address(i)) / step); // the object may have gone, and this be another's, or none's
	uint64_t bit = UINT64_C(1) << j;

	if (s->kind != k || !(bit & all(k)) || s->companions & bit || atomic_fetch_or(&s->companions, bit) & bit)
		return NULL;
	// Its slab may have gone by now, or be new and not committed so far.
	if (s->kind != k || __atomic_load_n(&s->free, __ATOMIC_ACQUIRE) & bit) {
		atomic_fetch_and(&s->companions, ~bit);
		return NULL;
	}
	atomic_fetch_add_explicit(&classes[s->set][k].companions, 1, memory_order_relaxed);
	return (void *)(address(i) + j * step);
}

void tm_slab_give_companion(unsigned k, void *p)
{
	uint32_t i = index_of(p);
	unsigned set = slabs[i].set; // it stays the slab's until the companion goes
	struct class *c = &classes[set][k];
	uint64_t bit = bit_of(i, p, tm_slab_step(k));

	atomic_fetch_sub_explicit(&c->companions, 1, memory_order_relaxed);
	if (atomic_fetch_and(&slabs[i].companions, ~bit) != bit || __atomic_load_n(&slabs[i].free, __ATOMIC_RELAXED) != all(k))
		return;
	pthread_mutex_lock(&c->lock);
	if (slabs[i].kind == k && slabs[i].set == set)
		give_slab(c, k, i);
	pthread_mutex_unlock(&c->lock);
}

void tm_slab_bytes(size_t *used, size_t *held)
{
	*used = 0;
	for (unsigned set = 0; set < sets; set++)
		for (unsigned k = TM_SLAB_FEWEST; k < TM_SLAB_KINDS; k++)
			*used += __atomic_load_n(&classes[set][k].used, __ATOMIC_RELAXED) * tm_slab_size(k) +
				 classes[set][k].companions * TM_COMPANION;
	*held = atomic_load_explicit(&places.pages, memory_order_relaxed) * TM_PAGE;
}

void tm_slab_lock_all(void)
{
	for (unsigned set = 0;; set++) {
		if (set == sets) {
			pthread_mutex_lock(&places.lock);
			if (set == sets)
				break;
			pthread_mutex_unlock(&places.lock); // a new one has come
		}
		for (unsigned k = 0; k < TM_SLAB_KINDS; k++)
			pthread_mutex_lock(&classes[set][k].lock);
	}
}

void tm_slab_unlock_all(void)
{
	pthread_mutex_unlock(&places.lock);
	for (unsigned set = 0; set < sets; set++)
		for (unsigned k = 0; k < TM_SLAB_KINDS; k++)
			pthread_mutex_unlock(&classes[set][k].lock);
}

void tm_slab_locks_reset(void)
{
	pthread_mutex_t fresh = PTHREAD_MUTEX_INITIALIZER;

	for (unsigned set = 0; set < sets; set++)
		for (unsigned k = 0; k < TM_SLAB_KINDS; k++)
			classes[set][k].lock = fresh;
	places.lock = fresh;
}
