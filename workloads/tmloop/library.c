/* Code that others wrote for servers and tools: as many branches, calls and bytes of it as such code has. Data fit the L2. */
#include "workloads/tmloop/loop.h"

#include <jansson.h>
#include <regex.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DOCUMENTS = 64, ROWS = 64, LINES = 256 };

/* A random document of some 10 to 40 values. */
static void make_document(char *out, size_t size, uint64_t *state)
{
	size_t at = 0, parts = 2 + loop_random(state) % 6;

	for (size_t i = 0; i < parts; i++) {
		uint64_t r = loop_random(state);

		at += (size_t)snprintf(out + at, size - at, "%s{\"id\":%lu,\"%s\":\"item %lx\"",
				       i ? "," : "[", (unsigned long)r % 5000, r & 1 ? "name" : "title",
				       (unsigned long)r);
		if (r & 2)
			at += (size_t)snprintf(out + at, size - at, ",\"tags\":[\"a\",\"b%lu\",null,true]",
					       (unsigned long)r >> 20);
		if (r & 4)
			at += (size_t)snprintf(out + at, size - at, ",\"price\":%lu.%lu",
					       (unsigned long)r % 1000, (unsigned long)r % 97);
		at += (size_t)snprintf(out + at, size - at, "}");
	}
	snprintf(out + at, size - at, "]");
}

uint64_t loop_json(uint64_t n)
{
	static char text[DOCUMENTS][1024];
	static uint64_t state = 6;
	uint64_t sum = 0;

	for (int i = 0; i < DOCUMENTS && !text[DOCUMENTS - 1][0]; i++)
		make_document(text[i], sizeof(text[i]), &state);
	while (n--) {
		json_t *doc = json_loads(text[loop_random(&state) % DOCUMENTS], 0, NULL);
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

/* Statements of several kinds, as a program that serves requests makes them; %lu are random numbers below ROWS. */
static const char *const statements[] = {
	"SELECT box, max(weight), upper(name) FROM part WHERE number > %lu AND name LIKE '%%%lx%%' GROUP BY "
	"box LIMIT 5",
	"UPDATE part SET weight = weight + 1, name = name || 'x' WHERE number = %lu OR number = %lu + 1",
	"SELECT a.name, b.weight FROM part a JOIN part b ON a.box = b.number WHERE a.number = %lu AND b.box "
	"< %lu",
	"REPLACE INTO part VALUES(%lu, printf('part %%04x', %lu), 7.5, abs(random()) %% 16)",
	"SELECT CASE WHEN weight > %lu THEN substr(name, 2, 4) ELSE 'light' END FROM part WHERE number IN "
	"(%lu, 3, 5, 60)",
	"SELECT count(*) FROM (SELECT DISTINCT box FROM part WHERE number BETWEEN %lu AND %lu + 8 ORDER BY "
	"box)",
};

uint64_t loop_sql(uint64_t n)
{
	static sqlite3 *db;
	static uint64_t state = 8;
	uint64_t sum = 0;

	if (!db)
		db = make_table();
	while (n--) {
		const char *shape =
			statements[loop_random(&state) % (sizeof(statements) / sizeof(*statements))];
		unsigned long a = loop_random(&state) % ROWS, b = loop_random(&state) % 16;
		sqlite3_stmt *s;
		char sql[256];

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		snprintf(sql, sizeof(sql), shape, a, b);
#pragma GCC diagnostic pop
		if (!db || sqlite3_prepare_v2(db, sql, -1, &s, NULL))
			return UINT64_MAX;
		while (sqlite3_step(s) == SQLITE_ROW)
			sum += (uint64_t)sqlite3_column_bytes(s, 0);
		sqlite3_finalize(s);
	}
	return sum;
}

uint64_t loop_regex(uint64_t n)
{
	static char line[LINES][96];
	static regex_t re;
	static int compiled;
	static uint64_t state = 9;
	uint64_t sum = 0;

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

uint64_t loop_mixed(uint64_t n)
{
	uint64_t sum = 0;

	while (n--)
		sum += loop_text(1) + loop_json(1) + loop_lookup(1) + loop_sql(1) + loop_regex(1);
	return sum;
}
