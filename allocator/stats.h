// Statistics as JSON.
#ifndef TIERMEM_STATS_H
#define TIERMEM_STATS_H

#include <stdbool.h>
#include <stddef.h>

// Writes the document to text; returns its length. capture: measures what is not captured, too (capture.h says how).
size_t tm_stats_json(char *text, size_t size, bool capture);
// Writes it to the file that the options name, if they do.
void tm_stats_write_file(void);

#endif
