/* Phases named by the guest's marks (tmmark.h), and the statistics file: one JSON document a line. */
#ifndef TMSIM_PHASE_H
#define TMSIM_PHASE_H

#include <stdbool.h>
#include <stdint.h>

/* Opens the statistics file and writes the start event; host_time: the exit event says how long the host took, which is never the
   same twice. 0, or -1 with errno. */
int phase_open(const char *path, bool host_time);

/* A mark that vCPU `index` executed: the operation and argument of tmmark.h. */
void phase_mark(unsigned int index, unsigned int op, unsigned int arg);

/* The phase that is open, "" for none. */
const char *phase_name(void);

/* Writes the exit event and closes the file. */
void phase_close(void);

#endif
