/*
 * Every change is one transaction, so a tmbench that dies leaves a consistent database: at worst rows that still say
 * "running", which the next tmbench marks as failed. A row's owner is recognised by pid, boot and start time of the pid.
 */
#include "harness/record.h"
#include "harness/kind.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Complain about the database. Always -1. */
static int db_error(sqlite3 *db, const char *doing)
{
	complain("cannot %s the database %s: %s", doing, db ? sqlite3_db_filename(db, "main") : "",
		 db ? sqlite3_errmsg(db) : "out of memory");
	return -1;
}

/* Run SQL without parameters. */
static int run_sql(sqlite3 *db, const char *sql)
{
	return sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : db_error(db, "write");
}

/*
 * Run one statement. TYPES has a letter for each parameter: i (int64_t), d (double), s (const char *, NULL allowed),
 * n (NULL, no argument).
 */
static int run(sqlite3 *db, const char *sql, const char *types, ...)
{
	sqlite3_stmt *st;
	va_list ap;
	int i, rc;

	if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) != SQLITE_OK)
		return db_error(db, "write");
	va_start(ap, types);
	for (i = 1; types[i - 1]; i++) {
		if (types[i - 1] == 'i')
			sqlite3_bind_int64(st, i, va_arg(ap, int64_t));
		else if (types[i - 1] == 'd')
			sqlite3_bind_double(st, i, va_arg(ap, double));
		else if (types[i - 1] == 's')
			sqlite3_bind_text(st, i, va_arg(ap, const char *), -1, SQLITE_TRANSIENT);
	}
	va_end(ap);
	rc = sqlite3_step(st);
	if (rc != SQLITE_DONE && rc != SQLITE_ROW)
		db_error(db, "write");
	sqlite3_finalize(st);
	return rc == SQLITE_DONE || rc == SQLITE_ROW ? 0 : -1;
}

/* Boot id and start time of a process, which together with its pid name it for ever. "" if it is gone. */
static void process_identity(pid_t pid, char out[96])
{
	char path[64], *stat_line, *boot, *p;
	int field;

	out[0] = '\0';
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	stat_line = read_file(path, NULL);
	boot = read_file("/proc/sys/kernel/random/boot_id", NULL);
	p = stat_line ? strrchr(stat_line, ')') : NULL;
	for (field = 2; p && field < 22; field++)
		p = strchr(p + 1, ' ');
	if (p)
		snprintf(out, 96, "%.36s %.*s", boot ? boot : "", (int)strcspn(p + 1, " "), p + 1);
	free(stat_line);
	free(boot);
}

/* Mark runs as failed whose tmbench is gone. */
static int mark_stale(sqlite3 *db)
{
	int64_t stale[64];
	char identity[96];
	sqlite3_stmt *st;
	int n = 0, i, rc;

	rc = sqlite3_prepare_v2(db, "SELECT id, pid, pid_start FROM run WHERE status = 'running'", -1, &st,
				NULL);
	if (rc != SQLITE_OK)
		return db_error(db, "read");
	while ((rc = sqlite3_step(st)) == SQLITE_ROW && n < (int)COUNT(stale)) {
		const char *was = (const char *)sqlite3_column_text(st, 2);

		process_identity((pid_t)sqlite3_column_int(st, 1), identity);
		if (!identity[0] || !was || strcmp(identity, was) != 0)
			stale[n++] = sqlite3_column_int64(st, 0);
	}
	sqlite3_finalize(st);
	if (rc != SQLITE_DONE && rc != SQLITE_ROW)
		return db_error(db, "read");
	for (i = 0; i < n; i++)
		if (record_run_end(db, stale[i], "failed", "killed: its tmbench ended without a word"))
			return -1;
	return 0;
}

/* The schema version in the file, or -1 after complaining. */
static int schema_version(sqlite3 *db)
{
	sqlite3_stmt *st;
	int v = -1;

	if (sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &st, NULL) == SQLITE_OK &&
	    sqlite3_step(st) == SQLITE_ROW)
		v = sqlite3_column_int(st, 0);
	else
		db_error(db, "read");
	sqlite3_finalize(st);
	if (v > 1) {
		complain("the database %s has schema %d, made by a newer tmbench; this one knows 1",
			 sqlite3_db_filename(db, "main"), v);
		v = -1;
	}
	return v;
}

sqlite3 *record_open(const char *path)
{
	char dir[PATH_LEN];
	sqlite3 *db = NULL;
	int version;

	snprintf(dir, sizeof(dir), "%s", path);
	if (strrchr(dir, '/') && strrchr(dir, '/') != dir) {
		*strrchr(dir, '/') = '\0';
		make_dirs(dir);
	}
	if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL) != SQLITE_OK) {
		complain("cannot open the database %s: %s", path, db ? sqlite3_errmsg(db) : "out of memory");
		sqlite3_close(db);
		return NULL;
	}
	sqlite3_busy_timeout(db, 10000);
	version = schema_version(db);
	if (version < 0)
		goto fail;
	if (version == 0) {
		if (run_sql(db, "BEGIN IMMEDIATE"))
			goto fail;
		if (run_sql(db, schema_sql) || run_sql(db, "COMMIT"))
			goto fail;
	}
	if (version == 1 && record_is_old(db) && record_upgrade(db))
		goto fail;
	if (run_sql(db, "PRAGMA foreign_keys = ON") || run_sql(db, "BEGIN IMMEDIATE"))
		goto fail;
	if (mark_stale(db) || run_sql(db, "COMMIT"))
		goto fail;
	return db;
fail:
	sqlite3_close(db);
	return NULL;
}

sqlite3 *record_open_readonly(const char *path)
{
	sqlite3 *db = NULL;
	int version;

	if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK) {
		complain("cannot open the database %s: %s; `tmbench run` makes one", path,
			 db ? sqlite3_errmsg(db) : "out of memory");
		sqlite3_close(db);
		return NULL;
	}
	sqlite3_busy_timeout(db, 10000);
	version = schema_version(db);
	if (version == 0)
		complain("the database %s is empty; `tmbench run` fills one", path);
	if (version > 0 && record_is_old(db)) {
		sqlite3 *writable = record_open(path);

		version = writable ? version : 0;
		sqlite3_close(writable);
	}
	if (version > 0)
		return db;
	sqlite3_close(db);
	return NULL;
}

/* Insert the run's configs, phases and bounds. */
static int insert_matrix(sqlite3 *db, int64_t run_id, const struct plan *p)
{
	const struct scenario *s = p->s;
	int i, j, err = 0;

	for (i = 0; i < s->n_configs && !err; i++) {
		const struct config *c = &s->configs[i];

		if (!c->selected)
			continue;
		err = run(db, "INSERT INTO run_config VALUES (?, ?, ?, ?, ?, ?)",
			  c->tiermem ? "iisiii" : "iisinn", run_id, (int64_t)i, c->name, (int64_t)c->tiermem,
			  plan_dram(p, c), c->granule);
		for (j = 0; j < s->n_phases && !err && p->scale == s->bounds_at; j++)
			if (config_runs(c, &s->phases[j]) && config_bound(c, &s->phases[j]) > 0)
				err = run(db, "INSERT INTO bound VALUES (?, ?, ?, 'ops', ?)", "issd", run_id,
					  c->name, s->phases[j].name, config_bound(c, &s->phases[j]));
	}
	for (i = 0; i < s->n_phases && !err; i++)
		if (s->phases[i].selected)
			err = run(db, "INSERT INTO run_phase VALUES (?, ?, ?, ?, ?)", "iisss", run_id,
				  (int64_t)i, s->phases[i].name,
				  s->phases[i].test[0] ? s->phases[i].test : s->phases[i].ratio,
				  s->phases[i].test[0] ? s->phases[i].distribution
						       : s->phases[i].key_pattern);
	return err;
}

/* Where insert_parameter() puts what a kind tells. */
struct parameters {
	sqlite3 *db;
	int64_t run;
	int err;
};

static void insert_parameter(void *to, const char *name, const char *value)
{
	struct parameters *p = to;

	if (!p->err)
		p->err = run(p->db, "INSERT OR REPLACE INTO run_parameter VALUES (?, ?, ?)", "iss", p->run, name,
			     value);
}

/* What the run's kind has to say of it. */
static int insert_parameters(sqlite3 *db, int64_t run_id, const struct plan *p)
{
	struct parameters to = {db, run_id, 0};

	if (kind_of(p->s)->parameters)
		kind_of(p->s)->parameters(p, insert_parameter, &to);
	return to.err;
}

int64_t record_run_begin(sqlite3 *db, const struct plan *p, const struct versions *v)
{
	const struct scenario *s = p->s;
	char started[24], identity[96];
	int64_t id;

	utc_now(started);
	process_identity(getpid(), identity);
	if (run_sql(db, "BEGIN IMMEDIATE"))
		return -1;
	if (run(db,
		"INSERT INTO run (started, status, scenario, kind, baseline, description, scale, seed, repeats, "
		"keys, value_bytes, "
		"requests, vcpus, server_vcpu, ram_bytes, pmem_bytes, profile, profile_sha256, llc_kib, "
		"image_sha256, "
		"qemu_version, tiermem_version, host, overrides, pid, pid_start) VALUES "
		"(?, 'running', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
		"sssss"
		"iiiiiiiiii"
		"ssi"
		"sssss"
		"is",
		started, s->name, s->kind, s->baseline, s->description, p->scale, p->seed, (int64_t)p->repeats,
		p->keys, s->value, p->requests, s->vcpus, s->server_cpu, p->ram, p->pmem,
		strrchr(p->profile, '/') + 1, v->profile_sha256, p->llc_kib, v->image_sha256, v->qemu,
		v->tiermem, v->host, s->overrides.s, (int64_t)getpid(), identity))
		goto fail;
	id = sqlite3_last_insert_rowid(db);
	if (insert_matrix(db, id, p) || insert_parameters(db, id, p) || run_sql(db, "COMMIT"))
		goto fail;
	return id;
fail:
	sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
	return -1;
}

int64_t record_vm_begin(sqlite3 *db, int64_t run_id, const char *config, int repeat, const char *variant,
			const char *part, int64_t llc_kib, int64_t seed, const char *dir)
{
	char started[24];

	utc_now(started);
	if (run(db,
		"INSERT INTO vmrun (run_id, config, repeat, variant, part, status, started, dir, seed, "
		"llc_kib) VALUES (?, ?, ?, ?, ?, 'running', ?, ?, ?, ?)",
		llc_kib ? "isissssii" : "isissssin", run_id, config, (int64_t)repeat, variant, part, started,
		dir, seed, llc_kib))
		return -1;
	return sqlite3_last_insert_rowid(db);
}

/* The end of rows that were inserted by ST, the last one with RC. 0 or -1 after saying why. */
static int end_rows(sqlite3 *db, sqlite3_stmt *st, int rc)
{
	if (rc != SQLITE_DONE)
		db_error(db, "write");
	sqlite3_finalize(st);
	return rc == SQLITE_DONE ? 0 : -1;
}

/* Insert all metrics of a vmrun; a figure reported twice keeps its last value. */
static int insert_metrics(sqlite3 *db, int64_t id, const struct metrics *m)
{
	sqlite3_stmt *st;
	size_t i;
	int rc = SQLITE_DONE;

	if (sqlite3_prepare_v2(db, "INSERT OR REPLACE INTO metric VALUES (?, ?, ?, ?, ?)", -1, &st, NULL) !=
	    SQLITE_OK)
		return db_error(db, "write");
	for (i = 0; i < m->n && rc == SQLITE_DONE; i++) {
		sqlite3_bind_int64(st, 1, id);
		sqlite3_bind_text(st, 2, m->v[i].phase, -1, SQLITE_STATIC);
		sqlite3_bind_text(st, 3, m->v[i].name, -1, SQLITE_STATIC);
		sqlite3_bind_text(st, 4, m->v[i].unit, -1, SQLITE_STATIC);
		sqlite3_bind_double(st, 5, m->v[i].value);
		rc = sqlite3_step(st);
		sqlite3_reset(st);
	}
	return end_rows(db, st, rc);
}

/* Insert the heat of guest RAM. */
static int insert_heat(sqlite3 *db, int64_t id, const struct heat *h)
{
	sqlite3_stmt *st;
	size_t i;
	int rc = SQLITE_DONE;

	if (sqlite3_prepare_v2(db, "INSERT INTO heat VALUES (?, ?, ?, ?, ?, ?)", -1, &st, NULL) != SQLITE_OK)
		return db_error(db, "write");
	for (i = 0; i < h->n && rc == SQLITE_DONE; i++) {
		const struct heat_row *r = &h->v[i];

		sqlite3_bind_int64(st, 1, id);
		sqlite3_bind_int64(st, 2, r->time_ns);
		sqlite3_bind_int64(st, 3, r->offset);
		sqlite3_bind_int64(st, 4, r->samples);
		sqlite3_bind_int64(st, 5, r->dram);
		sqlite3_bind_int64(st, 6, r->pmem);
		rc = sqlite3_step(st);
		sqlite3_reset(st);
	}
	return end_rows(db, st, rc);
}

int record_vm_end(sqlite3 *db, int64_t id, const char *status, const char *reason, double seconds,
		  const struct metrics *m)
{
	if (run_sql(db, "BEGIN IMMEDIATE"))
		return -1;
	if (run(db, "UPDATE vmrun SET status = ?, reason = ?, seconds = ? WHERE id = ?", "ssdi", status,
		reason && reason[0] ? reason : NULL, seconds, id) ||
	    (strcmp(status, "ok") == 0 && (insert_metrics(db, id, m) || insert_heat(db, id, &m->heat))) ||
	    run_sql(db, "COMMIT")) {
		sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
		return -1;
	}
	return 0;
}

int record_guest_versions(sqlite3 *db, int64_t run_id, const struct plan *p, const struct metrics *m)
{
	struct parameters to = {db, run_id, 0};

	if (kind_of(p->s) != &kind_redis) {
		insert_parameter(&to, "server", m->server);
		return to.err || run(db, "UPDATE run SET kernel_version = ? WHERE id = ?", "si", m->kernel, run_id) ? -1 : 0;
	}
	return run(db, "UPDATE run SET redis_version = ?, kernel_version = ? WHERE id = ?", "ssi",
		   m->server[0] ? m->server : NULL, m->kernel[0] ? m->kernel : NULL, run_id);
}

int record_run_end(sqlite3 *db, int64_t run_id, const char *status, const char *reason)
{
	char finished[24];
	bool own = sqlite3_get_autocommit(db);

	utc_now(finished);
	if (own && run_sql(db, "BEGIN IMMEDIATE"))
		return -1;
	if (run(db, "UPDATE vmrun SET status = ?, reason = ? WHERE run_id = ? AND status = 'running'", "ssi",
		status, reason, run_id) ||
	    run(db, "UPDATE run SET status = ?, reason = ?, finished = ? WHERE id = ?", "sssi", status,
		reason, finished, run_id) ||
	    (own && run_sql(db, "COMMIT"))) {
		if (own)
			sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
		return -1;
	}
	return 0;
}
