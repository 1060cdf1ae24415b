/* tmbench list: scenarios and recorded runs. */
#include "harness/commands.h"
#include "harness/options.h"
#include "harness/record.h"
#include "harness/scenario.h"
#include "harness/table.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The scenarios with their descriptions. */
static void list_scenarios(void)
{
	char *names = scenario_names(), *save = NULL, *w;
	struct table t = {.columns = 2};

	table_cell(&t, BOLD, "scenario");
	table_cell(&t, BOLD, "description");
	for (w = strtok_r(names, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
		struct scenario s;

		if (scenario_load(&s, w))
			continue;
		table_cell(&t, PLAIN, "%s", w);
		table_cell(&t, PLAIN, "%s", s.description);
	}
	table_print(&t);
	free(names);
}

/* The runs in a database. */
static int list_runs(const char *path)
{
	static const char *heads[] = {"run",  "started", "scenario", "scale",
				      "seed", "repeats", "status",   "VMs ok"};
	struct table t = {.columns = COUNT(heads)};
	sqlite3 *db = record_open_readonly(path);
	sqlite3_stmt *st;
	size_t i;

	if (!db)
		return EXIT_FAIL;
	if (sqlite3_prepare_v2(
		    db,
		    "SELECT id, started, scenario, scale, seed, repeats, status, "
		    "(SELECT count(*) FROM vmrun v WHERE v.run_id = run.id AND v.status = 'ok' AND "
		    "v.variant <> 'native') FROM (SELECT * FROM run ORDER BY id DESC LIMIT 50) run ORDER BY "
		    "id",
		    -1, &st, NULL) != SQLITE_OK) {
		complain("cannot read the database %s: %s", path, sqlite3_errmsg(db));
		sqlite3_close(db);
		return EXIT_FAIL;
	}
	for (i = 0; i < COUNT(heads); i++)
		table_cell(&t, BOLD, "%s", heads[i]);
	while (sqlite3_step(st) == SQLITE_ROW)
		for (i = 0; i < COUNT(heads); i++)
			table_cell(&t, PLAIN, "%s", (const char *)sqlite3_column_text(st, (int)i));
	sqlite3_finalize(st);
	sqlite3_close(db);
	table_print(&t);
	return EXIT_OK;
}

int command_list(int argc, char **argv)
{
	const char *db = NULL;
	const struct option table[] = {
		{"db", OPT_TEXT, &db, "FILE", "database (results/tiermem.db)", 0, 0},
		{0},
	};
	struct list operands = {0};
	char path[PATH_LEN];
	int err = options_parse(table, "tmbench list [--db FILE]", argc, argv, &operands);

	if (err)
		return err;
	list_scenarios();
	default_db(path);
	printf("\n");
	if (!db && access(path, F_OK)) {
		printf("no runs yet\n");
		return EXIT_OK;
	}
	return list_runs(db ? db : path);
}
