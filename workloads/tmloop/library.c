/* Code that others wrote for servers and tools: as many branches, calls and bytes of it as such code has. Data fit the L2. */
#include "workloads/tmloop/loop.h"

#include <jansson.h>
#include <regex.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* SQLite loads extensions by these; nothing here does, and a static program cannot. */
void *dlopen(const char *path, int flags);
void *dlsym(void *handle, const char *name);
char *dlerror(void);
int dlclose(void *handle);

void *dlopen(const char *path, int flags)
{
	return NULL;
}

void *dlsym(void *handle, const char *name)
{
	return NULL;
}

char *dlerror(void)
{
	return NULL;
}

int dlclose(void *handle)
{
	return -1;
}

enum { ROWS = 256, LINES = 64 };

uint64_t loop_json(uint64_t n)
{
	char text[4096];
	size_t at = 0;
	uint64_t state = 6, sum = 0;

	for (int i = 0; i < 24; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at,
				       "%s{\"id\":%d,\"name\":\"item "
				       "%lx\",\"tags\":[\"a\",\"b%d\",null,true],\"price\":%lu.5}",
				       i ? "," : "[", i, (unsigned long)loop_random(&state), i,
				       (unsigned long)loop_random(&state) % 1000);
	snprintf(text + at, sizeof(text) - at, "]");
	while (n--) {
		json_t *doc = json_loads(text, 0, NULL);
		char *out = json_dumps(doc, JSON_COMPACT | JSON_SORT_KEYS);

		if (!out)
			return UINT64_MAX;
		sum += strlen(out);
		free(out);
		json_decref(doc);
	}
	return sum;
}

/* A table in memory. NULL: failed. */
static sqlite3 *make_table(void)
{
	sqlite3 *db;
	char *sql;
	uint64_t state = 7;

	if (sqlite3_open(":memory:", &db) ||
	    sqlite3_exec(db,
			 "CREATE TABLE part(number INTEGER PRIMARY KEY, name TEXT, weight REAL, box INTEGER)",
			 NULL, NULL, NULL))
		return NULL;
	for (int i = 0; i < ROWS; i++) {
		sql = sqlite3_mprintf("INSERT INTO part VALUES(%d, 'part %lx', %lu.25, %d)", i,
				      (unsigned long)loop_random(&state),
				      (unsigned long)loop_random(&state) % 500, i % 16);
		if (sqlite3_exec(db, sql, NULL, NULL, NULL))
			return NULL;
		sqlite3_free(sql);
	}
	return db;
}

uint64_t loop_sql(uint64_t n)
{
	static sqlite3 *db;
	uint64_t state = 8, sum = 0;

	if (!db)
		db = make_table();
	while (n--) {
		sqlite3_stmt *s;
		char sql[256];

		snprintf(sql, sizeof(sql),
			 "SELECT box, max(weight), upper(name) FROM part WHERE number %% 7 = %lu AND name "
			 "LIKE '%%%lx%%' "
			 "GROUP BY box ORDER BY 2 DESC, name LIMIT 5",
			 (unsigned long)loop_random(&state) % 7, (unsigned long)loop_random(&state) % 16);
		if (!db || sqlite3_prepare_v2(db, sql, -1, &s, NULL))
			return UINT64_MAX;
		while (sqlite3_step(s) == SQLITE_ROW)
			sum += strlen((const char *)sqlite3_column_text(s, 2));
		sqlite3_finalize(s);
	}
	return sum;
}

uint64_t loop_regex(uint64_t n)
{
	static char line[LINES][96];
	static regex_t re;
	static int compiled;
	uint64_t state = 9, sum = 0;

	for (int i = 0; i < LINES && !compiled; i++)
		snprintf(line[i], sizeof(line[i]),
			 "10.%lu.%lu.%d - [%02d:%02lu] \"%s /page/%lx HTTP/1.1\" %d",
			 (unsigned long)loop_random(&state) % 256, (unsigned long)loop_random(&state) % 256,
			 i, i % 24, (unsigned long)loop_random(&state) % 60, i % 3 ? "GET" : "POST",
			 (unsigned long)loop_random(&state) % 65536, i % 5 ? 200 : 404);
	if (!compiled &&
	    regcomp(&re, "^([0-9.]+) - \\[([0-9:]+)\\] \"(GET|POST) ([^ ]+) [^\"]*\" (2|4)[0-9]+$",
		    REG_EXTENDED))
		return UINT64_MAX;
	compiled = 1;
	while (n--) {
		regmatch_t m[6];

		if (!regexec(&re, line[loop_random(&state) % LINES], 6, m, 0))
			sum += (uint64_t)(m[4].rm_eo - m[4].rm_so);
	}
	return sum;
}
