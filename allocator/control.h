// The control socket: statistics of a running process for its owner.
#ifndef TIERMEM_CONTROL_H
#define TIERMEM_CONTROL_H

#include <stddef.h>

// Opens the socket; without one (no place to put it) the process runs all the same.
void tm_control_init(void);
// The listening descriptor, -1: none.
int tm_control_fd(void);
// Answers one client.
void tm_control_serve(void);
// Removes the socket.
void tm_control_close(void);

// Path of the socket of a process whose owner is uid, in the n-th place to look; false: no more places.
#include <stdbool.h>
#include <sys/types.h>
bool tm_control_path(int n, uid_t uid, pid_t pid, char *directory, char *path, size_t size);

#endif
