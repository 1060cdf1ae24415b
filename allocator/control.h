// The control socket: what the owner of a running process can ask it.
#ifndef TIERMEM_CONTROL_H
#define TIERMEM_CONTROL_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define TM_CONTROL_CLIENTS 8
#define TM_CONTROL_POLLS   (1 + TM_CONTROL_CLIENTS)

// Opens the socket; without one (no place to put it) the process runs all the same.
void tm_control_init(void);
// Fills in what to poll for, TM_CONTROL_POLLS entries. Returns in how many ns to call tm_control_serve() at the latest.
uint64_t tm_control_polls(struct pollfd *fds, uint64_t now_ns);
// Deals with what poll() reported, without ever waiting. True: somebody asked for work (tm_move_tick()).
bool tm_control_serve(const struct pollfd *fds, uint64_t now_ns);
// In a forked child: the socket and its clients are its parent's.
void tm_control_forked(void);
// Removes the socket.
void tm_control_close(void);

// Path of the socket of a process whose owner is uid, in the n-th place to look; false: no more places.
bool tm_control_path(int n, uid_t uid, pid_t pid, char *directory, char *path, size_t size);

#endif
