/*
 * Databases of an older tmbench: run.kind, run_parameter and vmrun.part came with the second kind of scenario. All three are additions,
 * so the version stays, and a tmbench from before them still writes to such a database. vmrun is made anew because its key has
 * one more column.
 */
#include "harness/record.h"

#include <string.h>

/* The columns of a vmrun before there were parts. */
#define OLD_COLUMNS "id, run_id, config, repeat, variant, llc_kib, seed, status, reason, started, seconds, dir"

int record_is_old(sqlite3 *db)
{
	sqlite3_stmt *st;
	int rc, vmruns = 0, parts = 0;

	rc = sqlite3_prepare_v2(db, "SELECT name FROM pragma_table_info('vmrun')", -1, &st, NULL);
	if (rc != SQLITE_OK)
		return 0;
	while (sqlite3_step(st) == SQLITE_ROW) {
		vmruns = 1;
		parts = parts || !strcmp((const char *)sqlite3_column_text(st, 0), "part");
	}
	sqlite3_finalize(st);
	return vmruns && !parts;
}

int record_upgrade(sqlite3 *db)
{
	static const char begin[] = "PRAGMA foreign_keys = OFF; BEGIN IMMEDIATE;"
				    "DROP VIEW IF EXISTS summary; DROP VIEW IF EXISTS summary_variants; "
				    "DROP VIEW IF EXISTS repeats;"
				    "ALTER TABLE run ADD COLUMN kind TEXT NOT NULL DEFAULT 'redis-inside';"
				    "ALTER TABLE vmrun RENAME TO vmrun_before;"
				    "CREATE TEMP TABLE metric_before AS SELECT * FROM metric; DROP TABLE metric;";
	static const char end[] =
		"INSERT INTO vmrun (" OLD_COLUMNS ") SELECT " OLD_COLUMNS " FROM vmrun_before;"
		"INSERT INTO metric SELECT * FROM metric_before; DROP TABLE metric_before; DROP TABLE vmrun_before; COMMIT";

	if (sqlite3_exec(db, begin, NULL, NULL, NULL) == SQLITE_OK &&
	    sqlite3_exec(db, schema_sql, NULL, NULL, NULL) == SQLITE_OK &&
	    sqlite3_exec(db, end, NULL, NULL, NULL) == SQLITE_OK)
		return 0;
	complain("cannot bring the database %s up to date: %s", sqlite3_db_filename(db, "main"), sqlite3_errmsg(db));
	sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
	return -1;
}
