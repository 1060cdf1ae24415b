/*
 * tmprobe: latency and bandwidth of memory, as the study of J. Yang et al. (FAST 2020, "LATTester") measures them. It runs
 * unmodified on a machine and in a simulated guest.
 *
 *   area.c    the memory under test: a devdax or fsdax mapping, or anonymous memory
 *   ops.c     the loops: reads, non-temporal stores, stores with clwb, pointer chases
 *   team.c    N pinned threads that do one kind of work each, and their bandwidth
 *   tests.c   the tests: which loops, threads and sizes
 *   report.c  results as a table, CSV or JSON
 */
#ifndef TMPROBE_PROBE_H
#define TMPROBE_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LINE = 64, MAX_THREADS = 256, MAX_LIST = 64 };

enum format { FORMAT_HUMAN, FORMAT_CSV, FORMAT_JSON };

/* A list of numbers from the command line. */
struct numbers {
	uint64_t v[MAX_LIST];
	int n;
};

struct settings {
	const char *path; /* NULL: anonymous memory */
	uint64_t region;  /* bytes per thread */
	struct numbers threads;
	uint64_t warm;	       /* bytes of a working set that are read before it is chased */
	double warm_s, time_s; /* of each bandwidth measurement */
	enum format format;
	bool mark; /* each measurement is a phase of the simulator */
	const char *tests;
};

struct area {
	unsigned char *base;
	uint64_t size;
};

/* Maps at least `want` bytes (a device: what it has, if that is less), and touches every page. 0, or -1 after saying why. */
int area_map(struct area *a, const char *path, uint64_t want);

/* --- loops --- */

enum op { OP_READ, OP_NT, OP_CLWB, OP_COUNT };

extern const char *const op_names[OP_COUNT];

/* Whether the CPU has what the op needs (clwb, or else clflushopt). */
bool op_usable(enum op op);

/* Reads or writes n bytes (a multiple of 64) at p, line by line. */
void op_run(enum op op, unsigned char *p, uint64_t n);

/*
 * Latencies: count accesses, each issued when the last is done; returns ns per access, the loop's own time subtracted.
 * lines: size of the area in lines, a power of two; *at: where the chase stands.
 */
double latency_random(const unsigned char *base, uint64_t lines, uint64_t count, uint64_t *at);
double latency_sequential(const unsigned char *base, uint64_t lines, uint64_t count);
double latency_nt(unsigned char *base, uint64_t lines, uint64_t count);
double latency_clwb(unsigned char *base, uint64_t lines, uint64_t count);

/* `count` dependent random reads; *at is where the chase stands. */
void chase(const unsigned char *base, uint64_t lines, uint64_t count, uint64_t *at);

/* Monotonic seconds. */
double seconds(void);

/* --- threads --- */

struct job {
	enum op op;
	bool chase;	 /* dependent random reads instead of op */
	uint64_t access; /* bytes at a time; 0: the region from begin to end, again and again */
	unsigned int reads,
		writes; /* mix: that many 256-byte reads, then non-temporal writes; 0, 0: op alone */
};

struct job_result {
	double gbps;	 /* of the threads that do jobs[0..n-1], not of chases */
	double chase_ns; /* mean latency of the chases, 0: there are none */
};

/* Runs one job per thread at the same time, each in its own region of the area. 0, or -1 after saying why. */
int team_run(const struct settings *s, const struct area *a, const struct job *jobs, unsigned int n,
	     struct job_result *out);

/* --- tests and results --- */

/* One figure. Fields that say nothing about a test are 0. */
struct figure {
	const char *test, *op;
	unsigned int threads;
	uint64_t bytes; /* access size, region or working set */
	double writes;	/* share of writes, percent */
	double value;
	const char *unit;
};

/* Runs the tests named in s->tests ("a,b"). 0, or -1 after saying why. */
int tests_run(const struct settings *s, const struct area *a);

/* "a,b,c": every test's name, in the order in which they run. */
const char *tests_names(void);

/* The first of the names that is no test, NULL when all are. */
const char *tests_unknown(const char *names);

/* Phase marks around a measurement, if asked for. */
void mark_measure(const struct settings *s, const struct figure *f, bool begin);

void report_begin(const struct settings *s);
void report_figure(const struct settings *s, const struct figure *f);
void report_end(const struct settings *s);

/* One line on stderr, "tmprobe: ...". */
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
