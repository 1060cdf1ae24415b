// The worker thread: policy, tracking, control socket.
#ifndef TIERMEM_WORKER_H
#define TIERMEM_WORKER_H

#include <stdbool.h>

// Starts the fault thread and the worker. Signals stay with the program's own threads.
bool tm_worker_start(void);

// Starts a thread of tiermem's own, with the signals of the calling one. False: errno says why.
bool tm_worker_thread(void *(*body)(void *), const char *name);

// In a forked child: there is none.
void tm_worker_forked(void);

#endif
