// fork(2) in a managed process.
#ifndef TIERMEM_FORK_H
#define TIERMEM_FORK_H

// Registers the handlers: before jemalloc registers its own, so that they run while its locks are held.
void tm_fork_init(void);
// The thread that is forking now, 0: none.
int tm_fork_thread(void);

#endif
