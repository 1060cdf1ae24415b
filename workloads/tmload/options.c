/* The options table and what is made from it. */
#include "workloads/tmload/options.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum kind { GROUP, NUMBER, REAL, TEXT, FLAG };

struct option_def {
	const char *name;
	char letter; /* short form, or 0 */
	enum kind kind;
	size_t offset;
	const char *arg;	   /* placeholder in the help */
	const char *default_value; /* NULL: none */
	double min, max;	   /* range of NUMBER and REAL, inclusive */
	const char *help;
};

#define AT(field) offsetof(struct options, field)
#define LARGE	  9e18
#define VALUE_MAX ((double)(512 << 20)) /* what Redis takes */

/* clang-format off */
static const struct option_def table[] = {
	{"Server", 0, GROUP, 0, 0, 0, 0, 0, 0},
	{"server", 's', TEXT, AT(server), "HOST", "127.0.0.1", 0, 0, "address of the server"},
	{"port", 'p', NUMBER, AT(port), "PORT", "6379", 1, 65535, "port of the server"},
	{"unix-socket", 'S', TEXT, AT(unix_socket), "PATH", 0, 0, 0, "connect to this unix socket instead"},
	{"protocol", 'P', TEXT, AT(protocol), "NAME", "redis", 0, 0, "redis or resp2 (the same)"},
	{"wait-for-server", 0, NUMBER, AT(wait_for_server), "SECONDS", "0", 0, 1e6,
	 "wait up to so long until the server answers PING"},
	{"reply-timeout", 0, NUMBER, AT(reply_timeout), "SECONDS", "30", 1, 1e6,
	 "end the run when a reply takes longer"},

	{"Load", 0, GROUP, 0, 0, 0, 0, 0, 0},
	{"threads", 't', NUMBER, AT(threads), "N", "4", 1, 1024, "threads"},
	{"clients", 'c', NUMBER, AT(clients), "N", "50", 1, 65535, "connections per thread"},
	{"requests", 'n', TEXT, AT(requests_text), "N", "10000", 0, 0,
	 "requests per connection; allkeys: all connections together send as many SETs (GETs if "
	 "the ratio has no SETs) as there are keys, with patterns S and P one to each key"},
	{"test-time", 0, NUMBER, AT(test_time), "SECONDS", 0, 1, 1e6,
	 "run so long instead of a number of requests"},
	{"ratio", 0, TEXT, AT(ratio_text), "SET:GET", "1:10", 0, 0,
	 "each connection repeats so many SETs and so many GETs"},
	{"pipeline", 0, NUMBER, AT(pipeline), "N", "1", 1, 65536, "requests under way per connection"},
	{"rate-limiting", 0, NUMBER, AT(rate), "RPS", 0, 1, 1e9,
	 "limit of requests per second and connection"},
	{"pin-threads", 0, FLAG, AT(pin_threads), 0, 0, 0, 0,
	 "bind thread i to the i-th CPU that the process may use"},
	{"mark", 0, TEXT, AT(mark), "NAME", 0, 0, 0,
	 "in a simulated VM: a phase NAME of the simulator lasts from the first request to the last reply"},

	{"Values", 0, GROUP, 0, 0, 0, 0, 0, 0},
	{"data-size", 'd', NUMBER, AT(data_size), "BYTES", "32", 1, VALUE_MAX, "size of a value"},
	{"data-size-range", 0, TEXT, AT(size_range_text), "MIN-MAX", 0, 0, 0,
	 "sizes drawn uniformly from a range instead"},
	{"random-data", 'R', FLAG, AT(random_data), 0, 0, 0, 0,
	 "accepted for memtier's sake: values are always pseudo-random"},
	{"verify", 0, FLAG, AT(verify), 0, 0, 0, 0, "check the content of GET replies (the default)"},
	{"no-verify", 0, FLAG, AT(no_verify), 0, 0, 0, 0,
	 "do not check it (for data that tmload did not write)"},

	{"Keys", 0, GROUP, 0, 0, 0, 0, 0, 0},
	{"key-prefix", 0, TEXT, AT(key_prefix), "TEXT", "memtier-", 0, 0,
	 "what comes before the number in a key"},
	{"key-minimum", 0, NUMBER, AT(key_min), "N", "0", 0, LARGE, "first key number"},
	{"key-maximum", 0, NUMBER, AT(key_max), "N", "10000000", 0, LARGE, "last key number"},
	{"key-pattern", 0, TEXT, AT(pattern_text), "SET:GET", "R:R", 0, 0,
	 "how keys are chosen: R uniform; S sequential, the connections taking turns; P parallel, "
	 "each connection sequentially in its own part; G gaussian; Z zipf, the first key most "
	 "often"},
	{"key-stddev", 0, REAL, AT(key_stddev), "KEYS", 0, 1e-6, LARGE,
	 "standard deviation for G (default: a sixth of the range)"},
	{"key-median", 0, REAL, AT(key_median), "KEY", 0, 0, LARGE,
	 "centre for G (default: the middle of the range)"},
	{"key-zipf-exp", 0, REAL, AT(zipf_exp), "EXP", 0, 0, 5,
	 "exponent for Z, between 0 and 5 (default: 1)"},
	{"seed", 0, NUMBER, AT(seed), "N", "1", 0, LARGE,
	 "seed of keys and sizes: the same seed gives the same requests"},
	{"randomize", 0, FLAG, AT(randomize), 0, 0, 0, 0, "take the seed from the system"},
	{"distinct-client-seed", 0, FLAG, AT(distinct_seed), 0, 0, 0, 0,
	 "a different seed per connection; without it, all connections choose the same keys, as "
	 "in memtier"},

	{"Output", 0, GROUP, 0, 0, 0, 0, 0, 0},
	{"json-out-file", 0, TEXT, AT(json_file), "FILE", 0, 0, 0, "write the results as JSON, too"},
	{"hide-histogram", 0, FLAG, AT(hide_histogram), 0, 0, 0, 0, "leave out the latency distribution"},
	{"progress", 0, TEXT, AT(progress), "WHEN", "auto", 0, 0,
	 "progress line on stderr: auto (on a terminal), always, never"},
	{"help", 'h', FLAG, AT(help), 0, 0, 0, 0, "this text"},
	{"version", 'v', FLAG, AT(version), 0, 0, 0, 0, "print the version"},
};
/* clang-format on */

#define TABLE_SIZE (sizeof(table) / sizeof(table[0]))

/* The field of *o that an option is stored in. */
static void *field(const struct options *o, const struct option_def *d)
{
	return (char *)(uintptr_t)o + d->offset;
}

/* Parse a decimal number without sign or blanks. */
static bool read_number(const char *s, const char **rest, uint64_t *out)
{
	char *end;

	if (*s < '0' || *s > '9')
		return false;
	errno = 0;
	*out = strtoull(s, &end, 10);
	if (rest)
		*rest = end;
	return errno == 0 && (rest || *end == '\0');
}

/* Parse two numbers with a separator between them. */
static bool read_pair(const char *s, char sep, uint64_t out[2])
{
	return read_number(s, &s, &out[0]) && *s++ == sep && read_number(s, NULL, &out[1]);
}

/* Store one option's argument. Returns 0 or 2. */
static int store(struct options *o, const struct option_def *d, const char *arg)
{
	double real;
	char *end;

	switch (d->kind) {
	case FLAG:
		*(bool *)field(o, d) = true;
		return 0;
	case TEXT:
		*(const char **)field(o, d) = arg;
		return 0;
	case NUMBER: {
		uint64_t n;
		if (read_number(arg, NULL, &n) && (double)n >= d->min && (double)n <= d->max) {
			*(uint64_t *)field(o, d) = n;
			return 0;
		}
		break;
	}
	case REAL:
		errno = 0;
		real = strtod(arg, &end);
		if (errno == 0 && end != arg && *end == '\0' && isfinite(real) && real >= d->min &&
		    real <= d->max) {
			*(double *)field(o, d) = real;
			return 0;
		}
		break;
	case GROUP:
		break;
	}
	fprintf(stderr, "tmload: --%s: '%s' is not a number from %.10g to %.10g\n", d->name, arg, d->min,
		d->max);
	return 2;
}

/* Say what is wrong with an option. Returns 2. */
static int bad(const char *name, const char *value, const char *want)
{
	fprintf(stderr, "tmload: --%s: '%s': %s\n", name, value, want);
	return 2;
}

/* Check and interpret what concerns keys. Returns 0 or 2. */
static int check_keys(struct options *o)
{
	const char *p = o->pattern_text;
	bool has_g, has_z;

	if (strlen(o->key_prefix) > PROTO_PREFIX_MAX)
		return bad("key-prefix", o->key_prefix, "is too long (200 bytes at most)");
	if (o->key_min > o->key_max) {
		fprintf(stderr, "tmload: --key-minimum %" PRIu64 " is above --key-maximum %" PRIu64 "\n",
			o->key_min, o->key_max);
		return 2;
	}
	if (strlen(p) != 3 || p[1] != ':' || !strchr("RSPGZ", p[0]) || !strchr("RSPGZ", p[2]))
		return bad("key-pattern", p,
			   "must be two of the letters R S P G Z with a colon between, as S:R");
	o->pattern[0] = p[0];
	o->pattern[1] = p[2];
	has_g = p[0] == 'G' || p[2] == 'G';
	has_z = p[0] == 'Z' || p[2] == 'Z';
	if ((p[0] == 'P' || p[2] == 'P') && o->key_max - o->key_min + 1 < o->threads * o->clients)
		return bad("key-pattern", p, "P needs at least one key per connection");
	if (!has_g && (!isnan(o->key_stddev) || !isnan(o->key_median))) {
		fprintf(stderr, "tmload: --key-stddev and --key-median need a G in --key-pattern\n");
		return 2;
	}
	if (!has_z && !isnan(o->zipf_exp)) {
		fprintf(stderr, "tmload: --key-zipf-exp needs a Z in --key-pattern\n");
		return 2;
	}
	if (has_z && (o->zipf_exp <= 0 || o->zipf_exp >= 5)) {
		fprintf(stderr, "tmload: --key-zipf-exp must be between 0 and 5, both excluded\n");
		return 2;
	}
	if (isnan(o->key_stddev))
		o->key_stddev = ((double)(o->key_max - o->key_min) + 1) / 6;
	if (isnan(o->key_median))
		o->key_median = (double)o->key_min + (double)(o->key_max - o->key_min) / 2;
	if (isnan(o->zipf_exp))
		o->zipf_exp = 1;
	if (o->key_median < (double)o->key_min || o->key_median > (double)o->key_max) {
		fprintf(stderr, "tmload: --key-median %g is outside of the key range\n", o->key_median);
		return 2;
	}
	return 0;
}

/* Check and interpret the rest. requests_given: whether -n is on the command line. Returns 0 or 2. */
static int check(struct options *o, bool requests_given)
{
	uint64_t range[2];

	if (strcmp(o->protocol, "redis") && strcmp(o->protocol, "resp2"))
		return bad("protocol", o->protocol, "only redis (also called resp2) is there");
	if (strcmp(o->progress, "auto") && strcmp(o->progress, "always") && strcmp(o->progress, "never"))
		return bad("progress", o->progress, "must be auto, always or never");
	if (!read_pair(o->ratio_text, ':', o->ratio) || o->ratio[0] > 1000000 || o->ratio[1] > 1000000 ||
	    o->ratio[0] + o->ratio[1] == 0)
		return bad("ratio", o->ratio_text, "must be SETS:GETS, as 1:10, not both 0");
	o->all_keys = strcmp(o->requests_text, "allkeys") == 0;
	if (!o->all_keys && (!read_number(o->requests_text, NULL, &o->requests) || o->requests == 0))
		return bad("requests", o->requests_text, "must be a number above 0 or allkeys");
	if (requests_given && o->test_time) {
		fprintf(stderr, "tmload: --requests and --test-time exclude each other\n");
		return 2;
	}
	o->verify = !o->no_verify;
	o->size_min = o->size_max = o->data_size;
	if (o->size_range_text) {
		if (!read_pair(o->size_range_text, '-', range) || range[0] < 1 || range[0] > range[1] ||
		    (double)range[1] > VALUE_MAX)
			return bad("data-size-range", o->size_range_text,
				   "must be MIN-MAX in bytes, as 100-2000");
		o->size_min = range[0];
		o->size_max = range[1];
	}
	if (o->randomize && getrandom(&o->seed, 4, 0) != 4) {
		fprintf(stderr, "tmload: no random seed from the system: %s; use --seed\n", strerror(errno));
		return 2;
	}
	return check_keys(o);
}

/* Build what getopt_long wants; codes of long options are table indices + 256. */
static void make_getopt(struct option *longs, char *shorts)
{
	*shorts++ = ':';
	for (size_t i = 0; i < TABLE_SIZE; i++) {
		const struct option_def *d = &table[i];
		if (d->kind == GROUP)
			continue;
		*longs++ = (struct option){d->name, d->kind == FLAG ? no_argument : required_argument, NULL,
					   (int)i + 256};
		if (d->letter) {
			*shorts++ = d->letter;
			if (d->kind != FLAG)
				*shorts++ = ':';
		}
	}
	*longs = (struct option){0};
	*shorts = '\0';
}

/* Find the definition for a code of getopt_long. */
static const struct option_def *find(int code)
{
	if (code >= 256)
		return &table[code - 256];
	for (size_t i = 0; i < TABLE_SIZE; i++) {
		if (table[i].letter == code)
			return &table[i];
	}
	return NULL;
}

int options_parse(struct options *o, int argc, char **argv)
{
	struct option longs[TABLE_SIZE + 1];
	char shorts[2 * TABLE_SIZE + 2];
	bool requests_given = false;
	int code;

	*o = (struct options){.key_stddev = NAN, .key_median = NAN, .zipf_exp = NAN};
	for (size_t i = 0; i < TABLE_SIZE; i++) {
		if (table[i].default_value && store(o, &table[i], table[i].default_value))
			return 2;
	}
	make_getopt(longs, shorts);
	opterr = 0;
	while ((code = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
		const struct option_def *d;
		if (code == '?' || code == ':') {
			fprintf(stderr, "tmload: %s %s; see tmload --help\n",
				code == '?' ? "unknown or ambiguous option" : "argument missing after",
				argv[optind - 1]);
			return 2;
		}
		d = find(code);
		if (store(o, d, optarg))
			return 2;
		requests_given |= d->offset == AT(requests_text);
	}
	if (optind < argc) {
		fprintf(stderr, "tmload: unexpected argument '%s'; see tmload --help\n", argv[optind]);
		return 2;
	}
	return o->help || o->version ? 0 : check(o, requests_given);
}

/* Print text from a column on, wrapped at 100. */
static void print_wrapped(const char *text, int column)
{
	int room = 100 - column;

	while ((int)strlen(text) > room) {
		int n = room;
		while (n > 1 && text[n] != ' ')
			n--;
		printf("%.*s\n%*s", n, text, column, "");
		text += n + 1;
	}
	printf("%s", text);
}

void options_help(void)
{
	printf("Usage: tmload [OPTIONS]\nLoad a Redis server as memtier_benchmark does, and check every "
	       "reply.\n");
	for (size_t i = 0; i < TABLE_SIZE; i++) {
		const struct option_def *d = &table[i];
		char text[512];
		if (d->kind == GROUP) {
			printf("\n%s:\n", d->name);
			continue;
		}
		printf("  %c%c%c --%s%s%-*s", d->letter ? '-' : ' ', d->letter ? d->letter : ' ',
		       d->letter ? ',' : ' ', d->name, d->arg ? "=" : " ", 25 - (int)strlen(d->name),
		       d->arg ? d->arg : "");
		snprintf(text, sizeof(text), d->default_value ? "%s (default: %s)" : "%s", d->help,
			 d->default_value);
		print_wrapped(text, 34);
		printf("\n");
	}
	printf("\nExit status: 0 all well, 1 errors or interrupted, 2 wrong use.\n");
}

bool options_describe(const struct options *o, size_t i, const char **name, char *text, size_t size,
		      bool *is_number)
{
	const struct option_def *d;
	const char *s;

	if (i >= TABLE_SIZE)
		return false;
	d = &table[i];
	*name = d->name;
	*is_number = d->kind == NUMBER || d->kind == REAL;
	switch (d->kind) {
	case NUMBER:
		snprintf(text, size, "%" PRIu64, *(uint64_t *)field(o, d));
		break;
	case REAL:
		snprintf(text, size, "%.17g", *(double *)field(o, d));
		break;
	case FLAG:
		snprintf(text, size, "%s", *(bool *)field(o, d) ? "true" : "false");
		break;
	case TEXT:
		s = *(char **)field(o, d);
		snprintf(text, size, "%s", s ? s : "");
		break;
	case GROUP:
		*name = NULL;
		break;
	}
	return true;
}
