// The heat of values by size class, and where new memory of a class belongs. Programs use alike what they allocate in like sizes: what has been learned
// of a class's memory is expected of more of it, before that has been used. Classes are those of slabs (slab.h); what is in none has none.
#ifndef TIERMEM_CLASS_HEAT_H
#define TIERMEM_CLASS_HEAT_H

#include "allocator/page_code.h"

#include <stddef.h>
#include <stdint.h>

enum tm_class_place {
	TM_CLASS_ANY,  // not known, or as hot as others: DRAM while the quota goes
	TM_CLASS_DRAM, // considerably hotter than what is in DRAM: what is kept free there is for it, too
	TM_CLASS_PMEM, // considerably colder: it would be the first to be demoted
};

// By page code. Written by the worker thread, read when memory is placed.
extern uint8_t tm_class_place[TM_CODES + 1];

// The class of a granule of the bulk zone, by its first page, or TM_CODE_NONE. Its pages are a slab's, or will be when they are committed.
unsigned tm_class_of(size_t g);

// Where misses are counted: every granule in use, with its samples, and then the end of this look. usual: how many one has, on average.
void tm_class_add(size_t g, float samples);
void tm_class_end(float usual);
// Samples of a granule of g's class, on average; `otherwise` if g has none or little is known of it.
float tm_class_heat(size_t g, float otherwise);
// Decides for all classes. level: samples to expect of the coldest granules in DRAM.
void tm_class_judge(float level);

// Where delays to a touch are measured. For equal heat ln(delay) has this standard deviation (pi / sqrt(6): delays are exponential).
#define TM_DELAY_DEVIATION 1.2826
// One delay, of a granule of the bulk zone, ln of how much longer than others'.
void tm_class_delay(size_t g, double longer);

// Nothing is known any more, in a child that begins to be managed.
void tm_class_reset(void);

#endif
