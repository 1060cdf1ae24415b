/* Small helpers that every part of tmbench and tmsim uses: messages, paths, files, text. */
#ifndef HARNESS_UTIL_H
#define HARNESS_UTIL_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define EXIT_OK	    0
#define EXIT_FAIL   1
#define EXIT_USAGE  2
#define EXIT_SIGNAL 130

#define PATH_LEN   1024
#define REASON_LEN 512
#define NAME_LEN   32
#define COUNT(a)   (sizeof(a) / sizeof((a)[0]))

/* A text that grows. */
struct text {
	char *s;
	size_t len, cap;
};

/* Print "PROGRAM: ..." as one line on stderr. */
void complain(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* malloc and friends that end the program when memory is exhausted. */
void *must_realloc(void *p, size_t bytes);
char *must_strdup(const char *s);

/* Append formatted text. */
void text_add(struct text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void text_free(struct text *t);

/* The source tree that this binary was built in (two folders above it), or $TMBENCH_ROOT. */
const char *root_dir(void);

/* PATH as it is when absolute, else inside the source tree; into OUT of PATH_LEN bytes. */
void root_path(char *out, const char *path);

/* Create a directory and its parents. 0 or -errno. */
int make_dirs(const char *path);

/* Read a whole file, NUL-terminated, to be freed by the caller; NULL with errno set. */
char *read_file(const char *path, size_t *len);

/* Write a whole file; 0 or -errno, also when the disk is full only at close. */
int write_file(const char *path, const void *data, size_t len, unsigned mode);

/* Parse bytes with an optional K, M, G or T (powers of 1024). 0 or -EINVAL. */
int parse_size(const char *s, int64_t *bytes);

/* Print bytes for a person: "512 MiB"; into OUT of 24 bytes. */
void format_size(char *out, double bytes);

/* Print a count with thousands separated by commas; into OUT of 32 bytes. */
void format_count(char *out, double value);

/* Monotonic real time in seconds. */
double now_seconds(void);

/* UTC as 2026-01-31T12:00:00Z; into OUT of 24 bytes. */
void utc_now(char *out);

#endif
