// The configuration file: which programs are managed, and their options. One reader for the library and the command: it
// calls neither malloc nor stdio.
//
//	# comment                  [default]: options of every program that is managed
//	[default]                  [program NAME]: NAME is the file's name, or its whole path
//	pmem = /dev/dax0.0         Keys are the options' names, and in a program's section: managed = yes|no
//	[program redis-server]
//	dram = 4G
#ifndef TIERMEM_CONF_H
#define TIERMEM_CONF_H

#include "allocator/options.h"

#define TM_CONF_BYTES	 65536
#define TM_CONF_SECTIONS 256

struct tm_conf {
	const char *value[TM_OPTIONS]; // NULL: the file does not say
	bool listed;		       // the program has a section
	bool managed;		       // and it does not say "managed = no"
	char text[TM_CONF_BYTES];      // the file, cut to pieces: the values point here
};

enum tm_conf_status { TM_CONF_FINE, TM_CONF_ABSENT, TM_CONF_BAD };

// Reads the file for a program: name as it was called, with or without a path, real its whole path or NULL. All of the file is
// checked, whatever the program. Unless it is fine, why says what is wrong, in one line: FILE:LINE: ...
enum tm_conf_status tm_conf_read(const char *path, const char *name, const char *real, struct tm_conf *out,
				 char *why, size_t size);

#endif
