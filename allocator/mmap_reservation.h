// Address ranges that the program has reserved (PROT_NONE, as Java, V8 and MariaDB reserve their heaps) and makes usable piece by piece: a table
// of them, in granules. A granule of one is TM_EMPTY until then. tm_lock held for all of it.
#ifndef TIERMEM_MMAP_RESERVATION_H
#define TIERMEM_MMAP_RESERVATION_H

#include <stdbool.h>
#include <stddef.h>

// False: the table is full.
bool tm_reservation_add(size_t g, size_t n);
// Granules of all of them that are not in the far area (far.h).
size_t tm_reservations_near(void);
// Whether granule g lies in one.
bool tm_reservation_has(size_t g);
// Whether the n granules from g lie in one.
bool tm_reservation_covers(size_t g, size_t n);
// In a forked child: there are none.
void tm_reservation_forget(void);
// These granules are in none any more; calls removed, if there is such, for every part of them that was. If the table has no place for a
// remainder it is forgotten, and stays reserved.
void tm_reservation_remove(size_t g, size_t n, void (*removed)(size_t g, size_t n));

#endif
