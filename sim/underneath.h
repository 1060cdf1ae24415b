/*
 * What libtmsim.so offers to a library that manages guest RAM in the same QEMU process (an allocator underneath the guest): tell
 * which tier each granule of guest RAM is in, have a thread live in simulated time, and charge for what moving memory takes.
 * Sampling is in sample.h. The functions are exported: declare them weak, or find them by dlsym(RTLD_DEFAULT, ...). Before the
 * plugin is installed, and in a process without it, they do nothing.
 */
#ifndef TMSIM_UNDERNEATH_H
#define TMSIM_UNDERNEATH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * [base, base + bytes) is guest RAM in granules of 2^shift bytes (12..30). The byte at state + i * stride says where granule i is:
 * in PMEM if it is pmem, else in DRAM. It is read at every access that misses the caches, so it may change at any time and must stay
 * there for good. 0; -EINVAL; -ENOSPC after 64 ranges; -ENOSYS: there is no simulation.
 */
int tmsim_tier_table(const void *base, size_t bytes, unsigned int shift, const uint8_t *state, size_t stride, uint8_t pmem);

/*
 * An actor for a thread that the caller is about to create; it must be in simulated time itself (as QEMU's main thread is). The new
 * thread calls tmsim_actor_enter() first, which returns when it is its turn, and tmsim_actor_leave() last. In between it waits by
 * pthread_cond_wait and pthread_cond_timedwait, which pass in simulated time, and while it does not wait nobody else runs in strict
 * mode. It must never wait for another actor by other means. NULL: the caller is outside simulated time.
 */
void *tmsim_actor_new(void);
void tmsim_actor_enter(void *actor);
void tmsim_actor_leave(void *actor);

/*
 * The calling actor has just moved [host, host + bytes) of guest RAM to the other tier, in one step: returns when the copy
 * would be complete in simulated time. Until then an access to it waits, and the copy takes its share of both tiers' bandwidth.
 */
void tmsim_moved(const void *host, size_t bytes, bool to_dram);

/*
 * Thread tid (Linux's number), an actor, has touched guest RAM that was not there, and waits until `bytes` of it have been filled with
 * zeros in a tier: its clock advances by what that takes. From any thread, before the faulting one goes on.
 */
void tmsim_fault(int tid, size_t bytes, bool pmem);

#endif
