// Statistics as JSON.
#ifndef TIERMEM_STATS_H
#define TIERMEM_STATS_H

#include <stddef.h>

// Writes the document to text; returns its length.
size_t tm_stats_json(char *text, size_t size);
// Writes it to the file that the options name, if they do.
void tm_stats_write_file(void);

#endif
