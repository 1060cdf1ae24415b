// Address ranges of the zone of captured mappings that the program has reserved (PROT_NONE, as Java and V8 reserve their heaps) and makes
// usable piece by piece: a table of them, in granules. A granule of one is TM_EMPTY until then. tm_lock held for all of it.
#ifndef TIERMEM_MMAP_RESERVATION_H
#define TIERMEM_MMAP_RESERVATION_H

#include <stdbool.h>
#include <stddef.h>

// False: the table is full.
bool tm_reservation_add(size_t g, size_t n);
// Granules of all of them.
size_t tm_reservations(void);
// Whether granule g lies in one.
bool tm_reservation_has(size_t g);
// Whether the n granules from g lie in one of which nothing has been used ever: none of them needs a look.
bool tm_reservation_unused(size_t g, size_t n);
// Something of what lies around granule g is used.
void tm_reservation_use(size_t g);
// These granules are in none any more. If the table has no place for a remainder it is forgotten, and stays reserved.
void tm_reservation_remove(size_t g, size_t n);

#endif
