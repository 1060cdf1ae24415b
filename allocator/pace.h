// What policies share: how much migration may move now, and whether the program still grows. Worker only.
#ifndef TIERMEM_PACE_H
#define TIERMEM_PACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Once in each tick: what --bandwidth allows comes in, a quarter of a second of it at most.
void tm_pace_tick(uint64_t now_ns);
// Whether anything may move now.
bool tm_pace_left(void);
// So many granules have moved. Returns that.
size_t tm_pace_pay(size_t granules);
// Once in each tick, by a policy for whole programs: sets tm.grown_up, so that values may have what was kept for small allocations.
void tm_pace_growth(uint64_t now_ns);

#endif
