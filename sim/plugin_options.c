#include "sim/plugin_options.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/memory.h"
#include "sim/sched.h"

/* With samples= and without sample-period=. */
enum { SAMPLE_PERIOD = 1000 };

static int take_switch(const char *name, const char *value, bool *on, char *err, size_t size)
{
	*on = !strcmp(value, "on");
	if (*on || !strcmp(value, "off"))
		return 0;
	snprintf(err, size, "%s=%s: want %s=on or %s=off", name, value, name, name);
	return -1;
}

/* A decimal number from 1 to most. */
static int take_number(const char *name, const char *value, const char *of, unsigned long long most, uint32_t *out, char *err,
		       size_t size)
{
	char *end;
	unsigned long long n = strtoull(value, &end, 10);

	*out = (uint32_t)n;
	if (value[0] >= '0' && value[0] <= '9' && !*end && n >= 1 && n <= most)
		return 0;
	snprintf(err, size, "%s=%s: want a number of %s, 1 to %llu", name, value, of, most);
	return -1;
}

/* Reads one argument "key=value", whose '=' is a 0 now. */
static int take(struct plugin_options *o, struct profile *profile, const char *key, char *value, char *err, size_t size)
{
	char *set;

	if (!strcmp(key, "profile"))
		return 0;
	if (!strcmp(key, "stats")) {
		o->stats = value;
		return 0;
	}
	if (!strcmp(key, "samples")) {
		o->samples = value;
		return 0;
	}
	if (!strcmp(key, "strict"))
		return take_switch(key, value, &o->strict, err, size);
	if (!strcmp(key, "progress"))
		return take_switch(key, value, &o->progress, err, size);
	if (!strcmp(key, "parallel"))
		return take_number(key, value, "vCPUs", SCHED_MAX_VCPUS, &o->parallel, err, size);
	if (!strcmp(key, "sample-period"))
		return take_number(key, value, "LLC misses", 1ull << 31, &o->sample_period, err, size);
	if (!strcmp(key, "pmem")) {
		if (!memory_add_pmem(value))
			return 0;
		snprintf(err, size, "pmem=%s: too many PMEM backends (8 at most)", value);
		return -1;
	}
	if (!strcmp(key, "set")) {
		set = strchr(value, ':');
		if (set) {
			*set++ = 0;
			return profile_set(profile, value, set, err, size);
		}
		snprintf(err, size, "set=%s: want set=KEY:VALUE", value);
		return -1;
	}
	snprintf(err, size,
		 "unknown option '%s'; known are profile=, stats=, pmem=, set=, strict=, parallel=, progress=, "
		 "samples=, sample-period=",
		 key);
	return -1;
}

static const char *find(int argc, char **argv, const char *key)
{
	size_t n = strlen(key);

	for (int i = 0; i < argc; i++)
		if (!strncmp(argv[i], key, n) && argv[i][n] == '=')
			return argv[i] + n + 1;
	return NULL;
}

/* The host's CPUs that this process may use, as far as vCPUs can. */
static unsigned int host_cpus(void)
{
	cpu_set_t set;
	int n = sched_getaffinity(0, sizeof(set), &set) ? 1 : CPU_COUNT(&set);

	return n > SCHED_MAX_VCPUS ? SCHED_MAX_VCPUS : (unsigned int)n;
}

int plugin_options_parse(struct plugin_options *o, struct profile *profile, int argc, char **argv, char *err, size_t size)
{
	const char *path = find(argc, argv, "profile");

	*o = (struct plugin_options){0};
	if (!path) {
		snprintf(err, size, "no profile=FILE given");
		return -1;
	}
	if (profile_load(profile, path, err, size))
		return -1;
	for (int i = 0; i < argc; i++) {
		char *value = strchr(argv[i], '=');

		if (!value) {
			snprintf(err, size, "option '%s' has no value", argv[i]);
			return -1;
		}
		*value++ = 0;
		if (take(o, profile, argv[i], value, err, size))
			return -1;
	}
	if (o->strict && o->parallel > 1) {
		snprintf(err, size, "parallel=%u: with strict=on one vCPU runs at a time; leave one of the two away",
			 o->parallel);
		return -1;
	}
	if (!o->parallel)
		o->parallel = o->strict ? 1 : host_cpus();
	if (o->samples && !o->sample_period)
		o->sample_period = SAMPLE_PERIOD;
	return 0;
}
