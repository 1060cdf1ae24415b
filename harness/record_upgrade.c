/*
 * Databases of an older tmbench: run.kind, run_parameter and vmrun.part came with the second kind of scenario, heat later. All are
 * additions, so the version stays, and a tmbench from before them still writes to such a database. vmrun is made anew where it has no
 * part, because its key has one more column.
 */
#include "harness/record.h"

#include <string.h>

/* The columns of a vmrun before there were parts. */
#define OLD_COLUMNS "id, run_id, config, repeat, variant, llc_kib, seed, status, reason, started, seconds, dir"

/* Whether a table has a column. */
static bool has(sqlite3 *db, const char *table, const char *column)
{
	sqlite3_stmt *st;
	bool found;

	if (sqlite3_prepare_v2(db, "SELECT 1 FROM pragma_table_info(?1) WHERE name = ?2", -1, &st, NULL) !=
	    SQLITE_OK)
		return true;
	sqlite3_bind_text(st, 1, table, -1, SQLITE_STATIC);
	sqlite3_bind_text(st, 2, column, -1, SQLITE_STATIC);
	found = sqlite3_step(st) == SQLITE_ROW;
	sqlite3_finalize(st);
	return found;
}

int record_is_old(sqlite3 *db)
{
	return has(db, "vmrun", "id") && !(has(db, "vmrun", "part") && has(db, "heat", "time_ns"));
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

	bool parts = has(db, "vmrun", "part");

	if (sqlite3_exec(db, parts ? "BEGIN IMMEDIATE" : begin, NULL, NULL, NULL) == SQLITE_OK &&
	    sqlite3_exec(db, schema_sql, NULL, NULL, NULL) == SQLITE_OK &&
	    sqlite3_exec(db, parts ? "COMMIT" : end, NULL, NULL, NULL) == SQLITE_OK)
		return 0;
	complain("cannot bring the database %s up to date: %s", sqlite3_db_filename(db, "main"), sqlite3_errmsg(db));
	sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
	return -1;
}
