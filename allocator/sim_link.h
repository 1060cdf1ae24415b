// The simulator in the same QEMU process, if there is one (sim/underneath.h): it times guest RAM by the tier that each granule is in,
// the worker thread lives in simulated time, and what moving memory takes is charged.
//
// Nothing here may depend on real time or on which thread the host runs first. The worker is an actor: it runs while nobody else
// does, so a migration happens at one moment of simulated time, and first touches are those of whoever runs. The socket alone is
// real: what is asked there comes when it comes.
#ifndef TIERMEM_SIM_LINK_H
#define TIERMEM_SIM_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

extern bool tm_sim; // guest RAM is managed in simulated time; set by tm_sim_init()

// Looks for the simulator; before the worker is started, on QEMU's main thread.
void tm_sim_init(void);
// Tells it of n granules from g on.
void tm_sim_publish(size_t g, size_t n);

// The worker: its thread's begin, and its sleep, for wait ns or until it is kicked or a client asks. Returns true if somebody
// asked for work.
void tm_sim_enter(void);
bool tm_sim_rest(uint64_t wait);
// Wakes it, from a thread in simulated time.
void tm_sim_kick(void);

// The worker has moved n granules from g on.
void tm_sim_moved(size_t g, size_t n, bool to_dram);
// Thread tid waits for n granules to be filled with zeros.
void tm_sim_fault(int tid, size_t n, bool pmem);

#endif
