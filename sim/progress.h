/* A line on stderr, renewed twice a second, that tells how far the simulation is. */
#ifndef TMSIM_PROGRESS_H
#define TMSIM_PROGRESS_H

/* Starts the thread that prints it. */
void progress_start(void);

/* Ends the line; nothing is printed after it. */
void progress_end(void);

#endif
