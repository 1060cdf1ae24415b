// Which event of this machine's PMU tells the addresses of loads that missed the caches.
#ifndef TIERMEM_PERF_EVENT_H
#define TIERMEM_PERF_EVENT_H

#include <linux/perf_event.h>
#include <stdbool.h>
#include <stddef.h>

#define TM_PERF_EVENTS 2

// The events to try, the best first, as far as they are given by type, config, precision, sample type and what is left out. 0: none; why says why. Root: what is before
// /sys.
int tm_perf_events(struct perf_event_attr out[TM_PERF_EVENTS], const char *root, char *why, size_t size);
// The phrase for an errno of perf_event_open(2), with the mend.
void tm_perf_refusal(int error, char *why, size_t size);

#endif
