// The fault thread: resolves what userfaultfd reports.
#ifndef TIERMEM_UFFD_H
#define TIERMEM_UFFD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Opens both userfaultfds; false: denied, tm.uffd_works stays false.
bool tm_uffd_init(void);
// Captured mappings: has the next first touches of n granules reported. Where the kernel refuses that, they are pinned for good, and nobody
// waits for a touch. tm_lock held.
void tm_uffd_watch(size_t g, size_t n);
// In a forked child: what it has is its parent's.
void tm_uffd_forked(void);
// The thread's body.
void *tm_uffd_thread(void *unused);
// It has started. A thread that starts reads the program's locale, which is managed memory: nothing may move before, or it would wait for itself.
bool tm_uffd_serves(void);
// CPU time the fault thread spent on hints so far.
uint64_t tm_uffd_hint_cpu_ns(void);

#endif
