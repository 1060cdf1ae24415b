// tiermem's own parts: the library, what it is built with, the configuration file.
#include "allocator/cli/cli.h"
#include "allocator/cli/doctor.h"
#include "allocator/conf.h"
#include "allocator/version.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef LIBPMEM2_VERSION
#define LIBPMEM2_VERSION "unknown"
#endif

// The version that is written in a file; false: none.
static bool version_in(const char *path, char *version, size_t size)
{
	static char buffer[1 << 20];
	const size_t mark = strlen(TIERMEM_MARK);
	FILE *f = fopen(path, "re");
	size_t n = 0, got;
	bool found = false;

	while (f && !found && (got = fread(buffer + n, 1, sizeof(buffer) - 1 - n, f)) > 0) {
		n += got;
		buffer[n] = 0;
		const char *p = memmem(buffer, n, TIERMEM_MARK, mark);
		size_t keep = n < 256 ? n : 256; // it may lie across the end
		if (p && (size_t)(p - buffer) + 128 < n) {
			snprintf(version, size, "%.64s", p + mark);
			found = true;
		}
		memmove(buffer, buffer + n - keep, keep);
		n = keep;
	}
	if (f)
		fclose(f);
	return found;
}

static void library(struct doctor *d)
{
	char path[PATH_MAX * 2], version[65];

	if (!cli_find_library(path, sizeof(path)))
		doctor_add(d, "preload library", MISSING,
			   "build it (make all) or set TIERMEM_PRELOAD to its path", "not found: %s", path);
	else if (!version_in(path, version, sizeof(version)))
		doctor_add(d, "preload library", UNKNOWN, "is it tiermem's? build it anew (make all)",
			   "%s has no version", path);
	else if (strcmp(version, TIERMEM_VERSION))
		doctor_add(d, "preload library", MISSING, "build both anew (make all)",
			   "%s is version %s, this command is %s", path, version, TIERMEM_VERSION);
	else
		doctor_add(d, "preload library", OK, NULL, "%s, version %s", path, version);
}

static void configuration(struct doctor *d)
{
	static struct tm_conf conf;
	const char *given = getenv(tm_options[TM_OPT_CONF].env);
	const char *path = given ? given : doctor_path(d, tm_options[TM_OPT_CONF].initial);
	char why[1024];
	enum tm_conf_status status = TM_CONF_ABSENT;

	if (*path)
		status = tm_conf_read(path, "", NULL, &conf, why, sizeof(why));
	if (status == TM_CONF_BAD || (status == TM_CONF_ABSENT && given && *given))
		doctor_add(d, "configuration", MISSING, "mend the file; until then it manages nothing", "%s",
			   why);
	else if (status == TM_CONF_ABSENT)
		doctor_add(d, "configuration", OK, NULL, "none: defaults, options and the environment count");
	else
		doctor_add(d, "configuration", OK, NULL, "%s is fine", path);
}

void doctor_tiermem(struct doctor *d)
{
	doctor_add(d, "libpmem2", OK, NULL, "built with version %s", LIBPMEM2_VERSION);
	library(d);
	configuration(d);
}
