// When a policy looks for what should move, in a program: finding it takes time of the program's CPUs, in proportion to its memory. On average one part
// in TM_LOOK_SHARE at most. After a change soon, for as long as that is no more than a few looks ahead. Worker only.
#ifndef TIERMEM_LOOK_PACE_H
#define TIERMEM_LOOK_PACE_H

#include <stdbool.h>
#include <stdint.h>

#define TM_LOOK_SHARE  200
#define TM_LOOK_AHEAD  4
#define TM_LOOK_CHANGE UINT64_C(300000000) // ns from a change to a look: what is left of old counts tells nothing

bool tm_look_due(uint64_t now_ns);
// The program does something else than before: several times before a look are once.
void tm_look_soon(uint64_t now_ns);
// A look that began at now has taken so long.
void tm_look_done(uint64_t now_ns, uint64_t took_ns);

#endif
