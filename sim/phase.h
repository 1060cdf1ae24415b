/* Phases named by the guest's marks (tmmark.h), and the statistics file: one JSON document a line. */
#ifndef TMSIM_PHASE_H
#define TMSIM_PHASE_H

#include <stdint.h>

/* Opens the statistics file and writes the start event. 0, or -1 with errno. */
int phase_open(const char *path);

/* A mark that vCPU `index` executed: the operation and argument of tmmark.h. */
void phase_mark(unsigned int index, unsigned int op, unsigned int arg);

/* Writes the exit event and closes the file. */
void phase_close(void);

#endif
