// The heat of memory where a sampling unit counts misses: what policy_samples.c places by. Heat of a granule: its samples, halved whenever there are many
// for each granule in use. What is expected of it: the rate that is likely with that heat (heat_rate.h).
// In a program, memory that lies together was often allocated and is used together: there some neighbours have one heat, if that shows a difference
// between hot and cold more clearly than each granule for itself does.
// What is new has the heat of its kind. Worker thread only.
#ifndef TIERMEM_HEAT_COUNT_H
#define TIERMEM_HEAT_COUNT_H

#include "allocator/core.h"

// Kinds of memory, each with rates of its own: small allocations, buffers, and values and mappings (TM_BULK).
#define TM_HEAT_KINDS 3
unsigned tm_heat_kind(size_t g);

// All granules that are managed, one after another: for (struct tm_heat_walk w = tm_heat_walk(); tm_heat_next(&w);) ... w.g
struct tm_heat_walk {
	int zone;
	size_t k, g, end;
};

struct tm_heat_walk tm_heat_walk(void);
bool tm_heat_next(struct tm_heat_walk *w);

// Before all else. plain: what is counted is the rate, of each granule for itself and from the first on. False: there is no memory.
bool tm_heat_prepare(bool plain);
// n samples of a granule have come (a tracker's collect()); from now on each stands for so many.
void tm_heat_take(size_t g, uint32_t n);
void tm_heat_spread(unsigned factor);

// Looks at all granules: which are new, and what rates are to be expected.
void tm_heat_look(void);
// True when PMEM suddenly gets considerably more of the misses: the program does something else than before, and most of what was counted is forgotten.
bool tm_heat_changed(void);
// Halves what is old; forgets all.
void tm_heat_age(void);
void tm_heat_forget(void);
// Enough is known to judge by.
bool tm_heat_known(void);

// A program's granule that has come into use since the last look.
bool tm_heat_new(size_t g);
// Of a granule: its heat, which may be that of its group, of so many granules; and how many misses to expect of it with that, in those of a value.
float tm_heat_of(size_t g);
unsigned tm_heat_together(size_t g);
float tm_heat_rate(size_t g);
// Heat of a granule, on average.
float tm_heat_mean(void);
// ln of how much colder than the mean of all; 0: as warm, or not known.
float tm_heat_cold(size_t g);

#endif
