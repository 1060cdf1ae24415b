// The interposed calls find the functions that they stand before. From the constructor.
#ifndef TIERMEM_PRELOAD_IO_H
#define TIERMEM_PRELOAD_IO_H

void tm_io_look_up(void);    // preload_io.c: read, write and their relatives
void tm_fd_look_up(void);    // preload_fd.c: open and fcntl
void tm_futex_look_up(void); // preload_futex.c: condition variables
void tm_guest_look_up(void); // preload_guest.c: sendmsg

#endif
