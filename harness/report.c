#include "harness/report.h"
#include "harness/commands.h"
#include "harness/options.h"
#include "harness/record.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Prepare a statement with a run's id as ?1. NULL after complaining. */
static sqlite3_stmt *query(sqlite3 *db, const char *sql, int64_t id)
{
	sqlite3_stmt *st;

	if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) != SQLITE_OK) {
		complain("cannot read the database %s: %s", sqlite3_db_filename(db, "main"),
			 sqlite3_errmsg(db));
		return NULL;
	}
	sqlite3_bind_int64(st, 1, id);
	return st;
}

/* A text column, "" for NULL. */
static void text_of(sqlite3_stmt *st, int col, char *out, size_t size)
{
	const char *s = (const char *)sqlite3_column_text(st, col);

	snprintf(out, size, "%s", s ? s : "");
}

/* A number column, NAN for NULL. */
static double number_of(sqlite3_stmt *st, int col)
{
	return sqlite3_column_type(st, col) == SQLITE_NULL ? NAN : sqlite3_column_double(st, col);
}

/* The run row. 0 or EXIT_FAIL. */
static int load_run(struct report *r, sqlite3 *db, int64_t id)
{
	static const char sql[] = "SELECT id, scale, seed, repeats, keys, value_bytes, requests, vcpus, "
				  "server_vcpu, ram_bytes, pmem_bytes, "
				  "llc_kib, started, finished, status, reason, scenario, baseline, "
				  "description, profile, profile_sha256, "
				  "image_sha256, qemu_version, redis_version, kernel_version, "
				  "tiermem_version, host, overrides, kind FROM run ";
	char full[1024];
	sqlite3_stmt *st;
	int64_t *numbers[] = {&r->id,	       &r->scale,	&r->seed,     &r->repeats,
			      &r->keys,	       &r->value_bytes, &r->requests, &r->vcpus,
			      &r->server_vcpu, &r->ram,		&r->pmem,     &r->llc_kib};
	struct {
		char *s;
		size_t size;
	} texts[] = {
		{r->started, sizeof(r->started)},
		{r->finished, sizeof(r->finished)},
		{r->status, sizeof(r->status)},
		{r->reason, sizeof(r->reason)},
		{r->scenario, sizeof(r->scenario)},
		{r->baseline, sizeof(r->baseline)},
		{r->description, sizeof(r->description)},
		{r->profile, sizeof(r->profile)},
		{r->profile_sha256, sizeof(r->profile_sha256)},
		{r->image_sha256, sizeof(r->image_sha256)},
		{r->qemu, sizeof(r->qemu)},
		{r->redis, sizeof(r->redis)},
		{r->kernel, sizeof(r->kernel)},
		{r->tiermem, sizeof(r->tiermem)},
		{r->host, sizeof(r->host)},
		{r->overrides, sizeof(r->overrides)},
		{r->kind, sizeof(r->kind)},
	};
	size_t i;

	snprintf(full, sizeof(full), "%s%s", sql,
		 id ? "WHERE id = ?1" : "WHERE ?1 = 0 ORDER BY id DESC LIMIT 1");
	st = query(db, full, id);
	if (!st)
		return EXIT_FAIL;
	if (sqlite3_step(st) != SQLITE_ROW) {
		sqlite3_finalize(st);
		if (id)
			complain("there is no run %lld in %s; `tmbench list` shows them", (long long)id,
				 sqlite3_db_filename(db, "main"));
		else
			complain("there is no run in %s yet; `tmbench run` makes one",
				 sqlite3_db_filename(db, "main"));
		return EXIT_FAIL;
	}
	for (i = 0; i < COUNT(numbers); i++)
		*numbers[i] = sqlite3_column_int64(st, (int)i);
	for (i = 0; i < COUNT(texts); i++)
		text_of(st, (int)(i + COUNT(numbers)), texts[i].s, texts[i].size);
	sqlite3_finalize(st);
	return 0;
}

/* The names that a query of one run gives, MAX_NAMES at most. 0 or EXIT_FAIL. */
static int one_column(sqlite3 *db, const char *sql, int64_t run, char (*names)[NAME_LEN], int *n)
{
	sqlite3_stmt *st = query(db, sql, run);

	if (!st)
		return EXIT_FAIL;
	while (sqlite3_step(st) == SQLITE_ROW && *n < MAX_NAMES)
		text_of(st, 0, names[(*n)++], NAME_LEN);
	sqlite3_finalize(st);
	return 0;
}

/* Names of configs, phases and LLC variants. 0 or EXIT_FAIL. */
static int load_names(struct report *r, sqlite3 *db)
{
	sqlite3_stmt *st = query(
		db, "SELECT name, tiermem, dram_bytes FROM run_config WHERE run_id = ?1 ORDER BY position",
		r->id);

	if (!st)
		return EXIT_FAIL;
	while (sqlite3_step(st) == SQLITE_ROW && r->n_configs < MAX_NAMES) {
		text_of(st, 0, r->configs[r->n_configs], NAME_LEN);
		r->config_tiermem[r->n_configs] = sqlite3_column_int(st, 1);
		r->config_dram[r->n_configs++] = number_of(st, 2);
	}
	sqlite3_finalize(st);
	if (one_column(db, "SELECT name FROM run_phase WHERE run_id = ?1 ORDER BY position", r->id, r->phases,
		       &r->n_phases))
		return EXIT_FAIL;
	return one_column(db,
			  "SELECT variant FROM vmrun WHERE run_id = ?1 AND variant <> 'native' "
			  "GROUP BY variant ORDER BY min(llc_kib)",
			  r->id, r->variants, &r->n_variants);
}

/* What the run's kind says beside that. 0 or EXIT_FAIL. */
static int load_parameters(struct report *r, sqlite3 *db)
{
	sqlite3_stmt *st = query(db, "SELECT name, value FROM run_parameter WHERE run_id = ?1 ORDER BY name", r->id);

	if (!st)
		return EXIT_FAIL;
	for (; sqlite3_step(st) == SQLITE_ROW && r->n_parameters < MAX_PARAMETERS; r->n_parameters++) {
		text_of(st, 0, r->parameters[r->n_parameters].name, sizeof(r->parameters[0].name));
		text_of(st, 1, r->parameters[r->n_parameters].value, sizeof(r->parameters[0].value));
	}
	sqlite3_finalize(st);
	return 0;
}

const char *report_parameter(const struct report *r, const char *name)
{
	int i;

	for (i = 0; i < r->n_parameters; i++)
		if (!strcmp(r->parameters[i].name, name))
			return r->parameters[i].value;
	return "?";
}

/* The VMs and how they ended. 0 or EXIT_FAIL. */
static int load_vms(struct report *r, sqlite3 *db)
{
	sqlite3_stmt *st =
		query(db,
		      "SELECT config, variant, status, reason, dir, repeat, seconds, llc_kib, part FROM vmrun "
		      "WHERE run_id = ?1 ORDER BY id",
		      r->id);

	if (!st)
		return EXIT_FAIL;
	while (sqlite3_step(st) == SQLITE_ROW) {
		struct run_vm *v;

		r->vms = must_realloc(r->vms, sizeof(*r->vms) * (size_t)(r->n_vms + 1));
		v = &r->vms[r->n_vms++];
		text_of(st, 0, v->config, sizeof(v->config));
		text_of(st, 1, v->variant, sizeof(v->variant));
		text_of(st, 2, v->status, sizeof(v->status));
		text_of(st, 3, v->reason, sizeof(v->reason));
		text_of(st, 4, v->dir, sizeof(v->dir));
		v->repeat = sqlite3_column_int(st, 5);
		v->seconds = number_of(st, 6);
		v->llc_kib = number_of(st, 7);
		text_of(st, 8, v->part, sizeof(v->part));
		r->has_native = r->has_native || (!strcmp(v->variant, "native") && !strcmp(v->status, "ok"));
	}
	sqlite3_finalize(st);
	return 0;
}

/* Every figure of the run, all variants. 0 or EXIT_FAIL. */
static int load_figures(struct report *r, sqlite3 *db)
{
	sqlite3_stmt *st =
		query(db,
		      "SELECT f.variant, f.config, f.phase, f.metric, f.unit, f.value, f.least, f.greatest, "
		      "f.ratio_to_baseline, f.paper_bound, f.repeats FROM summary_variants f "
		      "LEFT JOIN run_config c ON c.run_id = f.run_id AND c.name = f.config "
		      "LEFT JOIN run_phase p ON p.run_id = f.run_id AND p.name = f.phase "
		      "WHERE f.run_id = ?1 "
		      "ORDER BY f.variant, c.position IS NULL, c.position, p.position, f.metric",
		      r->id);
	int rc;

	if (!st)
		return EXIT_FAIL;
	while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
		struct figure *f;

		if (r->n_figures == r->cap_figures) {
			r->cap_figures = r->cap_figures * 2 + 1024;
			r->figures = must_realloc(r->figures, sizeof(*r->figures) * r->cap_figures);
		}
		f = &r->figures[r->n_figures++];
		text_of(st, 0, f->variant, sizeof(f->variant));
		text_of(st, 1, f->config, sizeof(f->config));
		text_of(st, 2, f->phase, sizeof(f->phase));
		text_of(st, 3, f->metric, sizeof(f->metric));
		text_of(st, 4, f->unit, sizeof(f->unit));
		f->value = number_of(st, 5);
		f->least = number_of(st, 6);
		f->greatest = number_of(st, 7);
		f->ratio = number_of(st, 8);
		f->bound = number_of(st, 9);
		f->repeats = sqlite3_column_int(st, 10);
	}
	sqlite3_finalize(st);
	if (rc != SQLITE_DONE) {
		complain("cannot read the database %s: %s", sqlite3_db_filename(db, "main"),
			 sqlite3_errmsg(db));
		return EXIT_FAIL;
	}
	return 0;
}

int64_t report_newest(sqlite3 *db, const char *among, bool whole)
{
	char *sql = sqlite3_mprintf(
		"SELECT id FROM run WHERE %s ORDER BY iif(%d AND status = 'ok', "
		"(SELECT count(DISTINCT config) FROM bound WHERE run_id = id), 0) DESC, id DESC LIMIT 1",
		among, whole);
	sqlite3_stmt *st;
	int64_t id = 0;

	if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) == SQLITE_OK) {
		if (sqlite3_step(st) == SQLITE_ROW)
			id = sqlite3_column_int64(st, 0);
		sqlite3_finalize(st);
	}
	sqlite3_free(sql);
	return id;
}

int report_load_kind(struct report *r, sqlite3 *db, int64_t id, const char *kind)
{
	if (id <= 0) {
		char *among = sqlite3_mprintf("kind = %Q AND id NOT IN (SELECT run_id FROM run_parameter WHERE "
					      "name = 'dram_budget')",
					      kind);
		id = report_newest(db, among, id == REPORT_WHOLE);
		sqlite3_free(among);
		if (!id) {
			complain("there is no run of kind %s in %s yet; `tmbench run` makes one", kind,
				 sqlite3_db_filename(db, "main"));
			return EXIT_FAIL;
		}
	}
	if (report_load(r, db, id))
		return EXIT_FAIL;
	if (!strcmp(r->kind, kind))
		return 0;
	complain("run %lld is of kind %s, and this figure shows %s", (long long)id, r->kind, kind);
	report_free(r);
	return EXIT_FAIL;
}

int report_load(struct report *r, sqlite3 *db, int64_t id)
{
	memset(r, 0, sizeof(*r));
	if (load_run(r, db, id) || load_names(r, db) || load_parameters(r, db) || load_vms(r, db) || load_figures(r, db))
		return EXIT_FAIL;
	return 0;
}

void report_free(struct report *r)
{
	free(r->figures);
	free(r->vms);
	memset(r, 0, sizeof(*r));
}

const struct figure *report_find(const struct report *r, const char *variant, const char *config,
				 const char *phase, const char *metric)
{
	size_t i;

	for (i = 0; i < r->n_figures; i++) {
		const struct figure *f = &r->figures[i];

		if (!strcmp(f->metric, metric) && !strcmp(f->phase, phase) && !strcmp(f->config, config) &&
		    !strcmp(f->variant, variant))
			return f;
	}
	return NULL;
}

int report_print(sqlite3 *db, int64_t id, const char *format)
{
	struct report *r = must_realloc(NULL, sizeof(*r));
	int err = report_load(r, db, id);

	if (!err && !strcmp(format, "json"))
		err = report_json(r);
	else if (!err && !strcmp(format, "csv"))
		report_csv(r);
	else if (!err)
		report_human(r);
	report_free(r);
	free(r);
	return err;
}

int command_report(int argc, char **argv)
{
	const char *db_path = NULL, *run = "latest", *format = "human";
	const struct option table[] = {
		{"db", OPT_TEXT, &db_path, "FILE", "database (results/tiermem.db)", 0, 0},
		{"run", OPT_TEXT, &run, "ID|latest", "which run (latest)", 0, 0},
		{"format", OPT_CHOICE, &format, "human|json|csv", "format", 0, 0},
		{0},
	};
	struct list operands = {0};
	char path[PATH_LEN], *end;
	int64_t id = 0;
	sqlite3 *db;
	int err = options_parse(table, "tmbench report [options]", argc, argv, &operands);

	if (err)
		return err;
	if (strcmp(run, "latest") != 0) {
		id = strtoll(run, &end, 10);
		if (end == run || *end || id <= 0) {
			complain("--run %s: must be the number of a run, or latest", run);
			return EXIT_USAGE;
		}
	}
	if (operands.n) {
		complain("report takes no '%s'; choose a run with --run", operands.v[0]);
		return EXIT_USAGE;
	}
	default_db(path);
	db = record_open_readonly(db_path ? db_path : path);
	if (!db)
		return EXIT_FAIL;
	err = report_print(db, id, format);
	sqlite3_close(db);
	return err;
}
