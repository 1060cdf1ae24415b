// Memory that has to keep the identity that the kernel knows it by. A futex that is not process-private is found by mm and address
// while it lies in anonymous memory, by file and offset once a frame of the PMEM device is mapped there: who waits before a
// migration would not be found by a wake after it. Such granules are brought to DRAM and stay there.
#ifndef TIERMEM_PIN_H
#define TIERMEM_PIN_H

#include "allocator/note.h"

// The rare part of tm_pin_futex().
void tm_pin(uintptr_t addr);

// The program waits at addr, or wakes who does, by a key that is not process-private. Any address, any time.
static inline void tm_pin_futex(const void *addr)
{
	uintptr_t a = (uintptr_t)addr;

	if (tm.managed && tm_ours(a) && !tm_noted(tm_index(a), TM_NOTE_FUTEX))
		tm_pin(a);
}

// The same for an object of size bytes that holds futexes.
static inline void tm_pin_object(const void *object, size_t size)
{
	tm_pin_futex(object);
	tm_pin_futex((const char *)object + size - 1);
}

#endif
