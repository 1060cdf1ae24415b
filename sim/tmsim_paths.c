/* Where the library and the profiles are: in the build tree, or installed with this program. */
#include "sim/tmsim.h"

#include <dirent.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* From the folder of the program. */
static const char *const library_places[] = {"../lib/libtmsim.so", "../lib/tiermem/libtmsim.so", NULL};
static const char *const profile_places[] = {"../share/tiermem/profiles", "../../sim/profiles", NULL};

/* The first of PLACES that can be read, or what VARIABLE says, into OUT of PATH_MAX bytes. 0 or EXIT_FAIL. */
static int find(char *out, const char *variable, const char *const *places, const char *what)
{
	const char *set = getenv(variable);
	char program[PATH_LEN], path[PATH_LEN + 64];
	struct text tried = {0};
	ssize_t n = readlink("/proc/self/exe", program, sizeof(program) - 1);
	char *slash;

	program[n > 0 ? n : 0] = '\0';
	slash = strrchr(program, '/');
	if (slash)
		*slash = '\0';
	if (set && set[0] && !access(set, R_OK) && realpath(set, out))
		return 0;
	for (; !(set && set[0]) && *places; places++) {
		snprintf(path, sizeof(path), "%s/%s", program, *places);
		if (!access(path, R_OK) && realpath(path, out))
			return 0;
		text_add(&tried, "%s%s", tried.len ? ", " : "", path);
	}
	if (set && set[0])
		complain("%s: %s=%s cannot be read", what, variable, set);
	else
		complain("%s not found (looked for %s); %s names another place", what, tried.s, variable);
	text_free(&tried);
	return EXIT_FAIL;
}

int library_path(char *out)
{
	char real[PATH_MAX];

	if (find(real, "TMSIM_LIB", library_places, "libtmsim.so"))
		return EXIT_FAIL;
	if (strlen(real) >= PATH_LEN || strpbrk(real, " :")) {
		complain("%s: LD_PRELOAD takes no path with a space or colon, nor one of %d characters; "
			 "TMSIM_LIB "
			 "names a copy elsewhere",
			 real, PATH_LEN);
		return EXIT_FAIL;
	}
	snprintf(out, PATH_LEN, "%s", real);
	return 0;
}

static int is_profile(const struct dirent *d)
{
	size_t len = strlen(d->d_name);

	return len > 5 && !strcmp(d->d_name + len - 5, ".conf");
}

/* The names of the shipped profiles, "a, b". */
static void list_names(struct text *t, const char *dir)
{
	struct dirent **entries;
	int n = scandir(dir, &entries, is_profile, alphasort);

	for (int i = 0; i < n; i++) {
		text_add(t, "%s%.*s", i ? ", " : "", (int)strlen(entries[i]->d_name) - 5, entries[i]->d_name);
		free(entries[i]);
	}
	if (n >= 0)
		free(entries);
	if (n <= 0)
		text_add(t, "none in %s", dir);
}

int profile_path(char *out, const char *profile)
{
	size_t len = strlen(profile);
	bool file = strchr(profile, '/') || (len > 5 && !strcmp(profile + len - 5, ".conf"));
	char dir[PATH_MAX] = "";
	struct text known = {0};
	int n;

	if (!file && find(dir, "TMSIM_PROFILES", profile_places, "the folder of profiles"))
		return EXIT_FAIL;
	n = file ? snprintf(out, PATH_LEN, "%s", profile)
		 : snprintf(out, PATH_LEN, "%s/%s.conf", dir, profile);
	if (len && n < PATH_LEN && !access(out, R_OK))
		return 0;
	if (file && find(dir, "TMSIM_PROFILES", profile_places, "the folder of profiles"))
		return EXIT_FAIL;
	list_names(&known, dir);
	if (file)
		complain("profile file %s cannot be read; shipped are %s", profile, known.s);
	else
		complain("unknown profile '%s'; known are %s", profile, known.s);
	text_free(&known);
	return EXIT_USAGE;
}

/* What a profile is: its first comment line up to the end of the sentence. */
static void describe(const char *path, const char *name)
{
	char *text = read_file(path, NULL);
	const char *at = text ? text + strspn(text, " \t\r\n") : "";
	size_t n;

	if (*at == ';' || *at == '#')
		at += strspn(at, ";# \t");
	else
		at = "";
	n = strcspn(at, "\r\n");
	if (n && at[n - 1] == '.')
		n--;
	printf("%-14s %.*s\n", name, (int)n, at);
	free(text);
}

int command_profiles(int argc, char **argv)
{
	static const struct option table[] = {{.name = NULL}};
	char dir[PATH_MAX], path[PATH_MAX + 300];
	struct list operands = {0};
	struct dirent **entries;
	int n, err = options_parse(table, "tmsim profiles", argc, argv, &operands);

	if (err)
		return err;
	if (operands.n) {
		complain("profiles takes no argument; `tmsim profile NAME` prints one");
		return EXIT_USAGE;
	}
	if (find(dir, "TMSIM_PROFILES", profile_places, "the folder of profiles"))
		return EXIT_FAIL;
	n = scandir(dir, &entries, is_profile, alphasort);
	for (int i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, entries[i]->d_name);
		entries[i]->d_name[strlen(entries[i]->d_name) - 5] = '\0';
		describe(path, entries[i]->d_name);
		free(entries[i]);
	}
	if (n >= 0)
		free(entries);
	if (n > 0)
		return EXIT_OK;
	complain("no profiles in %s", dir);
	return EXIT_FAIL;
}

int command_profile(int argc, char **argv)
{
	static const struct option table[] = {{.name = NULL}};
	struct list operands = {0};
	char path[PATH_LEN], *text;
	size_t len;
	int err = options_parse(table, "tmsim profile NAME", argc, argv, &operands);

	if (err)
		return err;
	if (operands.n != 1) {
		complain("usage: tmsim profile NAME; `tmsim profiles` lists them");
		return EXIT_USAGE;
	}
	err = profile_path(path, operands.v[0]);
	if (err)
		return err;
	text = read_file(path, &len);
	if (!text) {
		complain("%s cannot be read: %m", path);
		return EXIT_FAIL;
	}
	fwrite(text, 1, len, stdout);
	free(text);
	return EXIT_OK;
}
