#include "harness/database.h"
#include "harness/proc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char folder[] = "build/databases", recipe[] = "vmconfigs/database/build.sh";

void database_image(const struct plan *p, int n, char *out)
{
	char name[PATH_LEN];

	snprintf(name, sizeof(name), "%s/db-%lldx%lld.img", folder, (long long)p->s->tables,
		 (long long)p->rows[n]);
	root_path(out, name);
}

/* Whether any phase of a database is selected. */
static bool used(const struct plan *p, int n)
{
	int i;

	for (i = 0; i < p->s->n_phases; i++)
		if (p->s->phases[i].selected && !strcmp(p->s->phases[i].database, p->s->databases[n].name))
			return true;
	return false;
}

int database_prepare(const struct plan *p)
{
	char script[PATH_LEN], config[PATH_LEN], image[PATH_LEN], root[PATH_LEN], tables[24], rows[24];
	char *argv[] = {"sh", script, root, config, tables, rows, image, NULL};
	struct spawn s = {.argv = argv, .inherit_err = true, .cpu = -1};
	int n, code;

	root_path(script, recipe);
	root_path(config, p->s->server_config);
	snprintf(root, sizeof(root), "%s", p->root);
	snprintf(tables, sizeof(tables), "%lld", (long long)p->s->tables);
	for (n = 0; n < p->s->n_databases; n++) {
		if (!used(p, n))
			continue;
		database_image(p, n, image);
		snprintf(rows, sizeof(rows), "%lld", (long long)p->rows[n]);
		code = proc_run(&s);
		if (code == EXIT_SIGNAL)
			return code;
		if (code) {
			complain("cannot make the database '%s' (%s %d): see above", p->s->databases[n].name,
				 code < 0 ? "error" : "status", code < 0 ? -code : code);
			return EXIT_FAIL;
		}
	}
	return 0;
}

int database_ready(const struct plan *p)
{
	char image[PATH_LEN], info[PATH_LEN + 16];
	struct stat st;
	int n;

	for (n = 0; n < p->s->n_databases; n++) {
		database_image(p, n, image);
		snprintf(info, sizeof(info), "%s.info", image);
		if (!used(p, n) || (stat(image, &st) == 0 && stat(info, &st) == 0))
			continue;
		complain("%s is missing; run `tmbench prepare %s --scale %lld`", image, p->s->name,
			 (long long)p->scale);
		return EXIT_FAIL;
	}
	return 0;
}

void database_copy(const struct plan *p, const struct vm *vm, char *from, char *to)
{
	database_image(p, (int)(vm->database - p->s->databases), from);
	snprintf(to, PATH_LEN, "database.img");
}

void database_parameters(const struct plan *p, void (*add)(void *to, const char *name, const char *value), void *to)
{
	char name[64], value[64], path[PATH_LEN], *info, *line, *save;
	int n;

	snprintf(value, sizeof(value), "%lld", (long long)p->s->tables);
	add(to, "tables", value);
	snprintf(value, sizeof(value), "%g", p->s->pool);
	add(to, "pool_share", value);
	snprintf(value, sizeof(value), "%lld", (long long)p->s->connections);
	add(to, "threads", value);
	snprintf(value, sizeof(value), "%lld", (long long)p->seconds);
	add(to, "seconds", value);
	for (n = 0; n < p->s->n_databases; n++) {
		if (!used(p, n))
			continue;
		database_image(p, n, path);
		strncat(path, ".info", sizeof(path) - strlen(path) - 1);
		info = read_file(path, NULL);
		save = NULL;
		for (line = info ? strtok_r(info, "\n", &save) : NULL; line; line = strtok_r(NULL, "\n", &save)) {
			char *space = strchr(line, ' ');

			if (!space || !strncmp(line, "tables ", 7) || !strncmp(line, "server ", 7))
				continue;
			*space = '\0';
			snprintf(name, sizeof(name), "%.24s_%.24s", p->s->databases[n].name, line);
			add(to, name, space + 1);
		}
		free(info);
	}
}
