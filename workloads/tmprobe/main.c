#include "workloads/tmprobe/probe.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { EXIT_BAD_USE = 2 };

void complain(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	fprintf(stderr, "tmprobe: ");
	vfprintf(stderr, format, ap);
	fputc('\n', stderr);
	va_end(ap);
}

static void help(void)
{
	printf("usage: tmprobe --path FILE | --dram  [OPTION]...\n"
	       "Measures the latency and bandwidth of memory.\n\n"
	       "  --path FILE       memory of a devdax device or of an fsdax file (its contents are lost)\n"
	       "  --dram            ordinary anonymous memory\n"
	       "  --test LIST       of %s (all)\n"
	       "  --threads LIST    numbers and ranges, rising, such as 1,2,4-8 (1 to the number of CPUs)\n"
	       "  --region SIZE     bytes of each thread, K, M or G, a multiple of 128K (8M)\n"
	       "  --time MS         of each bandwidth measurement (4)\n"
	       "  --warmup MS       before it (1)\n"
	       "  --warm SIZE       of a working set that is read before it is chased (4M)\n"
	       "  --mark            each measurement is a phase of the simulator's statistics\n"
	       "  --format FORMAT   human, csv or json (human)\n"
	       "  --help            this text\n\n"
	       "exit status: 0 ok, 1 failure, 2 usage\n",
	       tests_names());
}

/* "8M" as bytes; 0 when it is none. */
static uint64_t parse_size(const char *s)
{
	char *end;
	unsigned long long v = *s >= '0' && *s <= '9' ? strtoull(s, &end, 10) : 0;
	int shift = 0;

	if (!v || v > 1ull << 40)
		return 0;
	if (*end == 'K' || *end == 'M' || *end == 'G')
		shift = *end == 'K' ? 10 : *end == 'M' ? 20 : 30;
	return end[shift > 0] ? 0 : v << shift;
}

/* "1,2,4-8" with rising numbers from 1 to MAX_THREADS; 0 or -1. */
static int parse_list(const char *s, struct numbers *out)
{
	unsigned long last = 0;

	for (out->n = 0;;) {
		char *end;
		unsigned long from = *s >= '0' && *s <= '9' ? strtoul(s, &end, 10) : 0, to = from;

		if (!from)
			return -1;
		if (*end == '-') {
			s = end + 1;
			to = *s >= '0' && *s <= '9' ? strtoul(s, &end, 10) : 0;
		}
		if (from <= last || to < from || to > MAX_THREADS)
			return -1;
		for (; from <= to; from++) {
			if (out->n == MAX_LIST)
				return -1;
			out->v[out->n++] = last = from;
		}
		if (!*end)
			return 0;
		if (*end != ',')
			return -1;
		s = end + 1;
	}
}

/* Milliseconds as seconds; -1 when it is no number from 0.01 to 100000. */
static double parse_ms(const char *s)
{
	char *end;
	double v = strtod(s, &end);

	return end == s || *end || !(v >= 0.01 && v <= 100000) ? -1 : v / 1000;
}

/* Takes one option; 0, or -1 after saying what is wrong. */
static int take(struct settings *s, int option, const char *value, bool *dram)
{
	const char *unknown;

	switch (option) {
	case 'p':
		s->path = value;
		return 0;
	case 'd':
		*dram = true;
		return 0;
	case 't':
		unknown = *value ? tests_unknown(value) : value;
		s->tests = value;
		if (unknown)
			complain("--test %s: there is no test '%.*s'; there are: %s", value,
				 (int)strcspn(unknown, ","), unknown, tests_names());
		return unknown ? -1 : 0;
	case 'n':
		if (!parse_list(value, &s->threads))
			return 0;
		complain("--threads %s: want rising numbers from 1 to %d, such as 1,2,4-8", value,
			 MAX_THREADS);
		return -1;
	case 'r':
		s->region = parse_size(value);
		if (s->region && s->region % (128 << 10) == 0)
			return 0;
		complain("--region %s: want a size that is a multiple of 128K, such as 8M", value);
		return -1;
	case 'T':
	case 'w':
		*(option == 'T' ? &s->time_s : &s->warm_s) = parse_ms(value);
		if (parse_ms(value) > 0)
			return 0;
		complain("--%s %s: want milliseconds from 0.01 to 100000", option == 'T' ? "time" : "warmup",
			 value);
		return -1;
	case 'W':
		s->warm = parse_size(value);
		if (s->warm >= 4096)
			return 0;
		complain("--warm %s: want a size from 4K, such as 64M", value);
		return -1;
	case 'm':
		s->mark = true;
		return 0;
	case 'f':
		s->format = !strcmp(value, "csv")    ? FORMAT_CSV
			    : !strcmp(value, "json") ? FORMAT_JSON
						     : FORMAT_HUMAN;
		if (s->format != FORMAT_HUMAN || !strcmp(value, "human"))
			return 0;
		complain("--format %s: there are human, csv and json", value);
		return -1;
	default:
		return -1; /* getopt has said why */
	}
}

static const struct option long_options[] = {
	{"path", required_argument, NULL, 'p'},	  {"dram", no_argument, NULL, 'd'},
	{"test", required_argument, NULL, 't'},	  {"threads", required_argument, NULL, 'n'},
	{"region", required_argument, NULL, 'r'}, {"time", required_argument, NULL, 'T'},
	{"warmup", required_argument, NULL, 'w'}, {"warm", required_argument, NULL, 'W'},
	{"mark", no_argument, NULL, 'm'},	  {"format", required_argument, NULL, 'f'},
	{"help", no_argument, NULL, 'h'},	  {0},
};

/* 1 to the number of CPUs. */
static void all_cpus(struct numbers *out)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	for (out->n = 0; out->n < cpus && out->n < MAX_LIST; out->n++)
		out->v[out->n] = (uint64_t)out->n + 1;
}

int main(int argc, char **argv)
{
	struct settings s = {
		.region = 8 << 20, .warm = 4 << 20, .warm_s = 0.001, .time_s = 0.004, .tests = tests_names()};
	bool dram = false;
	struct area area;
	int option;

	while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		if (option == 'h') {
			help();
			return 0;
		}
		if (take(&s, option, optarg, &dram))
			return EXIT_BAD_USE;
	}
	if (optind < argc || dram == (s.path != NULL)) {
		if (optind < argc)
			complain("'%s' is no option; tmprobe --help lists them", argv[optind]);
		else
			complain("want either --path FILE or --dram; tmprobe --help lists all options");
		return EXIT_BAD_USE;
	}
	if (!s.threads.n)
		all_cpus(&s.threads);
	if (area_map(&area, s.path, s.threads.v[s.threads.n - 1] * s.region))
		return 1;
	report_begin(&s);
	if (tests_run(&s, &area))
		return 1;
	report_end(&s);
	if (fflush(stdout) || ferror(stdout)) {
		complain("cannot write the results: %s", strerror(errno));
		return 1;
	}
	return 0;
}
