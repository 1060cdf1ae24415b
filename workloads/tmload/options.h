/* Command line of tmload: one table gives parsing, --help and the "configuration" of the JSON output. */
#ifndef TMLOAD_OPTIONS_H
#define TMLOAD_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TMLOAD_VERSION	 "0.1"
#define PROTO_PREFIX_MAX 200

struct options {
	/* Where the server is. */
	char *server, *unix_socket, *protocol;
	uint64_t port;
	uint64_t wait_for_server; /* s */
	uint64_t reply_timeout;	  /* s */
	/* Load. */
	uint64_t threads, clients;
	char *requests_text;
	uint64_t requests; /* per connection; unused with all_keys or test_time */
	bool all_keys;
	uint64_t test_time; /* s, 0 = by requests */
	uint64_t pipeline;
	uint64_t rate; /* requests/s per connection, 0 = no limit */
	char *ratio_text;
	uint64_t ratio[2]; /* SET, GET */
	/* Values. */
	uint64_t data_size;
	char *size_range_text;
	uint64_t size_min, size_max; /* bytes */
	bool random_data, verify, no_verify;
	/* Keys. */
	char *key_prefix, *pattern_text;
	char pattern[2]; /* SET, GET */
	uint64_t key_min, key_max;
	double key_stddev, key_median; /* in keys */
	double zipf_exp;
	/* Randomness. */
	uint64_t seed;
	bool randomize, distinct_seed;
	/* The rest. */
	bool pin_threads, hide_histogram, help, version;
	char *json_file, *mark, *progress;
};

/* Read the command line into *o. Returns 0, or 2 after one line on stderr says what is wrong. */
int options_parse(struct options *o, int argc, char **argv);

/* Print the help text, made from the table. */
void options_help(void);

/*
 * Walk the table: the name, and the value as text, of option i. Returns false past the end.
 * *is_number tells whether the text is a number.
 */
bool options_describe(const struct options *o, size_t i, const char **name, char *text, size_t size,
		      bool *is_number);

#endif
