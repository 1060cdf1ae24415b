// fork(2) in a managed process.
#ifndef TIERMEM_FORK_H
#define TIERMEM_FORK_H

void tm_fork_init(void);

#endif
