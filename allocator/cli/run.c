// tiermem run: checks everything that can be checked, then becomes the program with the library preloaded.
#include "allocator/cli/cli.h"
#include "allocator/conf.h"
#include "allocator/options.h"
#include "allocator/tier_pmem.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LIBRARY "libtiermem-preload.so"
#ifndef TIERMEM_LIBDIR
#define TIERMEM_LIBDIR "/usr/local/lib"
#endif

bool cli_find_library(char *path, size_t size)
{
	char self[PATH_MAX];
	const char *given = getenv("TIERMEM_PRELOAD");

	if (given) {
		snprintf(path, size, "%s", given);
		return !access(path, R_OK);
	}
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (n > 0) {
		self[n] = 0;
		*strrchr(self, '/') = 0;
		snprintf(path, size, "%s/../lib/" LIBRARY, self);
		if (!access(path, R_OK))
			return true;
		snprintf(path, size, "%s/" LIBRARY, self);
		if (!access(path, R_OK))
			return true;
	}
	snprintf(path, size, TIERMEM_LIBDIR "/" LIBRARY);
	return !access(path, R_OK);
}

// True if name can be executed, by itself or through PATH; path is where it is.
static bool find_program(const char *name, char *path, size_t size)
{
	struct stat st;
	const char *dirs = getenv("PATH");

	snprintf(path, size, "%s", name);
	if (strchr(name, '/'))
		return !access(name, X_OK) && !stat(name, &st) && S_ISREG(st.st_mode);
	for (const char *d = dirs ? dirs : "/usr/bin:/bin"; *d;) {
		size_t n = strcspn(d, ":");
		snprintf(path, size, "%.*s/%s", (int)n, n ? d : ".", name);
		if (!access(path, X_OK) && !stat(path, &st) && S_ISREG(st.st_mode))
			return true;
		d += n + (d[n] == ':');
	}
	return false;
}

// Handles the option at argv[*i]; sets its environment variable. Returns 0 or the exit status.
static int option(int argc, char **argv, int *i)
{
	const char *name = argv[*i] + 2, *value = strchr(name, '=');
	size_t n = value ? (size_t)(value++ - name) : strlen(name);
	char why[256];

	for (int k = 0; k < TM_OPTIONS; k++) {
		const struct tm_option *o = &tm_options[k];
		if (!o->name || strlen(o->name) != n || strncmp(o->name, name, n))
			continue;
		if (!value && ++*i >= argc)
			return cli_error(2, "--%s needs a value: --%s %s", o->name, o->name, o->argument);
		if (!value)
			value = argv[*i];
		if (!tm_option_check(o, value, why, sizeof(why)))
			return cli_error(2, "--%s: %s", o->name, why);
		setenv(o->env, value, 1);
		return 0;
	}
	return cli_error(2, "unknown option '%s' (tiermem --help)", argv[*i]);
}

// Opens the PMEM device as the library will, to report what is wrong before the program starts.
static int check_pmem(void)
{
	const char *granule = getenv(tm_options[TM_OPT_GRANULE].env),
		   *path = getenv(tm_options[TM_OPT_PMEM_PATH].env);
	struct tm_pmem pmem;
	uint64_t bytes = 0;
	char why[512];

	tm_parse_size(granule ? granule : tm_options[TM_OPT_GRANULE].initial, &bytes);
	if (!tm_pmem_open(path ? path : tm_options[TM_OPT_PMEM_PATH].initial, bytes, &pmem, why, sizeof(why)))
		return cli_error(1, "%s", why);
	tm_pmem_close(&pmem);
	return 0;
}

// A relative path must mean the same after the program changed its directory.
static void make_absolute(enum tm_option_id id)
{
	const char *env = tm_options[id].env, *value = getenv(env);
	char directory[PATH_MAX], path[PATH_MAX * 2];

	if (!value || !*value || *value == '/' || !getcwd(directory, sizeof(directory)))
		return;
	snprintf(path, sizeof(path), "%s/%s", directory, value);
	setenv(env, path, 1);
}

// The same for each device of a list.
static void make_devices_absolute(void)
{
	const char *env = tm_options[TM_OPT_PMEM_PATH].env, *at = getenv(env);
	char directory[PATH_MAX], list[TM_PMEM_DEVICES * PATH_MAX];
	size_t used = 0;

	if (!at || !*at || !strncmp(at, "numa:", 5) || !strcmp(at, "auto") || !getcwd(directory, sizeof(directory)))
		return;
	for (size_t n; used < sizeof(list); at += n + 1) {
		bool relative = *at != '/' && strncmp(at, "memfd:", 6);
		n = strcspn(at, ",");
		used += (size_t)snprintf(list + used, sizeof(list) - used, "%s%s%.*s%s", relative ? directory : "", relative ? "/" : "",
					 (int)n, at, at[n] ? "," : "");
		if (!at[n])
			break;
	}
	if (used < sizeof(list))
		setenv(env, list, 1);
}

// What a run of days writes must be writable: find out now.
static int check_file(enum tm_option_id id, const char *what)
{
	const char *value = getenv(tm_options[id].env);
	char path[PATH_MAX];

	if (!value || !*value)
		return 0;
	tm_option_path(value, getpid(), path, sizeof(path)); // exec keeps the id
	FILE *f = fopen(path, "a");
	if (!f)
		return cli_error(1, "cannot write the %s to %s: %s", what, path, strerror(errno));
	fclose(f);
	return 0;
}

// Puts what the configuration file says for the program, and neither an option nor the environment does, into the environment.
static int apply_conf(const char *program)
{
	static struct tm_conf conf;
	const char *path = getenv(tm_options[TM_OPT_CONF].env);
	char real[PATH_MAX], why[1024];
	bool given = path;

	path = given ? path : tm_options[TM_OPT_CONF].initial;
	if (!*path)
		return 0;
	enum tm_conf_status status =
		tm_conf_read(path, program, realpath(program, real), &conf, why, sizeof(why));
	if (status == TM_CONF_ABSENT)
		return given ? cli_error(2, "%s", why) : 0;
	if (status == TM_CONF_BAD)
		return cli_error(2, "%s", why);
	if (conf.listed && !conf.managed)
		return cli_error(1,
				 "%s says that %s is not to be managed; change that, or give --conf=", path,
				 program);
	for (int i = 0; i < TM_OPTIONS; i++) {
		if (conf.value[i])
			setenv(tm_options[i].env, conf.value[i], 0);
	}
	return 0;
}

int cli_run(int argc, char **argv)
{
	char library[PATH_MAX * 2], text[PATH_MAX * 3], program[PATH_MAX];
	const char *preload = getenv("LD_PRELOAD");
	int i = 1, status;

	for (; i < argc && !strncmp(argv[i], "--", 2); i++) {
		if (!argv[i][2]) {
			i++;
			break;
		}
		if ((status = option(argc, argv, &i)))
			return status;
	}
	if (i >= argc || !*argv[i])
		return cli_error(2, "the program to run is missing: " CLI_USAGE_RUN);
	bool found = find_program(argv[i], program, sizeof(program));
	make_absolute(TM_OPT_CONF);
	if ((status = apply_conf(program)))
		return status;
	for (int k = 0; k < TM_OPTIONS; k++) {
		const char *value = getenv(tm_options[k].env);
		if (value && !tm_option_check(&tm_options[k], value, text, sizeof(text)))
			return cli_error(2, "%s: %s", tm_options[k].env, text);
	}
	make_devices_absolute();
	make_absolute(TM_OPT_STATS);
	make_absolute(TM_OPT_HEAT);
	if ((status = check_pmem()) || (status = check_file(TM_OPT_STATS, "statistics")) ||
	    (status = check_file(TM_OPT_HEAT, "heat")))
		return status;
	if (!found)
		return cli_error(1, "cannot run %s: no such program, or it is not executable", argv[i]);
	if (!cli_find_library(library, sizeof(library)))
		return cli_error(
			1, LIBRARY " not found (%s); build it (make all) or set TIERMEM_PRELOAD to its path",
			library);
	snprintf(text, sizeof(text), "%s%s%s", library, preload && *preload ? ":" : "",
		 preload ? preload : "");
	setenv("LD_PRELOAD", text, 1);
	snprintf(text, sizeof(text), "%d", (int)getpid());
	setenv("TIERMEM_PID", text, 1);
	cli_sweep();
	execvp(argv[i], argv + i);
	return cli_error(1, "cannot run %s: %s", argv[i], strerror(errno));
}
