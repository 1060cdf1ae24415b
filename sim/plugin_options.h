/*
 * The plugin's arguments: -plugin libtmsim.so,profile=FILE,key=value,... (tmsim run writes them).
 */
#ifndef TMSIM_PLUGIN_OPTIONS_H
#define TMSIM_PLUGIN_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sim/profile.h"

struct plugin_options {
	const char *stats, *samples; /* files; NULL: none */
	bool strict, progress;
	uint32_t sample_period; /* LLC misses for one sample; 0: no samples */
	unsigned int parallel;	/* vCPUs that run at the same time on the host, at least 1 */
};

/*
 * Reads QEMU's argc and argv (whose strings it changes) into *options, and the profile with what set= changes of it into
 * *profile. pmem= goes to memory.h. 0, or -1 with one line in err.
 */
int plugin_options_parse(struct plugin_options *options, struct profile *profile, int argc, char **argv, char *err,
			 size_t err_size);

#endif
