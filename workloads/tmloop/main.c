#include "workloads/tmloop/loop.h"

#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "sim/mark.h"

/* What one round does: about a million instructions. */
static const struct kernel {
	const char *name, *of; /* of: whose code */
	uint64_t (*run)(uint64_t n);
	uint64_t operations;
} kernels[] = {
	{"sort", "program", loop_sort, 8},	  {"text", "program", loop_text, 1000},
	{"lookup", "program", loop_lookup, 5000}, {"json", "program", loop_json, 50},
	{"sql", "program", loop_sql, 20},	  {"regex", "program", loop_regex, 100},
	{"mixed", "program", loop_mixed, 12},	  {"syscall", "system", loop_syscall, 4000},
	{"file", "system", loop_file, 600},	  {"socket", "system", loop_socket, 60},
	{"switch", "system", loop_switch, 60},	  {"wake", "two CPUs", loop_wake, 60},
};

static void help(void)
{
	printf("usage: tmloop [OPTION]...\n"
	       "Measures what instructions cost: CPU time of small kernels on one CPU, as CSV.\n\n"
	       "  --rounds N  times about a million instructions of each kernel (10)\n"
	       "  --cpu N     CPU to run on (0)\n"
	       "  --mark      each kernel is a phase of the simulator's statistics\n"
	       "  --help      this text\n\n"
	       "exit status: 0 ok, 1 failure, 2 usage\n");
}

/* A number from min to max; -1 when it is none. */
static long parse(const char *s, long min, long max)
{
	char *end;
	long v = *s >= '0' && *s <= '9' ? strtol(s, &end, 10) : -1;

	return v >= min && v <= max && !*end ? v : -1;
}

/* CPU time of the process, ns: other programs' turns are not in it. */
static double cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* One kernel: once to warm up, then measured. 0 or -1. */
static int measure(const struct kernel *k, uint64_t rounds, bool mark)
{
	uint64_t n = k->operations * rounds;
	bool failed = k->run(k->operations) == UINT64_MAX;
	double ns;

	if (mark && mark_begin(k->name))
		failed = true;
	ns = cpu_ns();
	failed = failed || k->run(n) == UINT64_MAX;
	ns = cpu_ns() - ns;
	if (mark && mark_end())
		failed = true;
	if (failed)
		fprintf(stderr, "tmloop: %s failed: %s\n", k->name, strerror(errno));
	else
		printf("%s,%s,%llu,%.2f\n", k->name, k->of, (unsigned long long)n, ns / (double)n);
	return failed ? -1 : 0;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"rounds", required_argument, NULL, 'r'},
						{"cpu", required_argument, NULL, 'c'},
						{"mark", no_argument, NULL, 'm'},
						{"help", no_argument, NULL, 'h'},
						{0}};
	long rounds = 10, cpu = 0;
	bool mark = false;
	cpu_set_t set;
	int o;

	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (o == 'h') {
			help();
			return 0;
		}
		if (o == 'r')
			rounds = parse(optarg, 1, 100000);
		else if (o == 'c')
			cpu = parse(optarg, 0, CPU_SETSIZE - 1);
		else if (o == 'm')
			mark = true;
		if (o == '?' || rounds < 0 || cpu < 0) {
			if (o != '?')
				fprintf(stderr, "tmloop: --%s %s: want a number\n",
					o == 'r' ? "rounds" : "cpu", optarg);
			return 2;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "tmloop: '%s' is no option; tmloop --help lists them\n", argv[optind]);
		return 2;
	}
	CPU_ZERO(&set);
	CPU_SET((size_t)cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set)) {
		fprintf(stderr, "tmloop: cannot run on CPU %ld: %s\n", cpu, strerror(errno));
		return 1;
	}
	printf("kernel,of,operations,ns\n");
	for (size_t i = 0; i < sizeof(kernels) / sizeof(*kernels); i++)
		if (measure(&kernels[i], (uint64_t)rounds, mark))
			return 1;
	return fflush(stdout) || ferror(stdout) ? 1 : 0;
}
