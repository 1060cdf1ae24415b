/* Measuring a tree: its own `tmbench run` does it, in a process of its own, and its database has the figures. */
#include "harness/gate.h"
#include "harness/arguments.h"
#include "harness/proc.h"

#include <errno.h>
#include <math.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* One recorded figure of one VM; 0 when it was not recorded. */
static double figure(sqlite3_stmt *st, const char *config, int repeat, const char *phase, const char *name,
		     bool *found)
{
	double v = 0;

	sqlite3_reset(st);
	sqlite3_bind_text(st, 1, config, -1, SQLITE_STATIC);
	sqlite3_bind_int(st, 2, repeat);
	sqlite3_bind_text(st, 3, phase, -1, SQLITE_STATIC);
	sqlite3_bind_text(st, 4, name, -1, SQLITE_STATIC);
	*found = sqlite3_step(st) == SQLITE_ROW;
	if (*found)
		v = sqlite3_column_double(st, 0);
	sqlite3_reset(st);
	return v;
}

/* A metric of one VM's phase. False: it is not recorded. */
static bool value_of(sqlite3_stmt *st, const struct gate_metric *m, int background, const char *config,
		     int repeat, const char *phase, const char *before, double *v)
{
	char name[NAME_LEN + 32];
	double other = 0;
	bool found, more;

	if (m->recorded)
		snprintf(name, sizeof(name), "%s", m->recorded);
	else
		snprintf(name, sizeof(name), "vcpu%d_instructions", background);
	*v = figure(st, config, repeat, phase, name, &found);
	if (m->how == GATE_PER_REQUEST) {
		other = figure(st, config, repeat, phase, "requests", &more);
		found = found && more && other > 0;
		*v = found ? *v / other : 0;
	} else if (m->how == GATE_GROWTH && before[0]) {
		other = figure(st, config, repeat, before, name, &more);
		*v -= other;
	}
	return found;
}

/* Append COUNT values of every metric of one phase of one config. 0 or EXIT_FAIL. */
static int take_phase(struct gate_set *set, sqlite3_stmt *st, int background, const char *config,
		      const char *phase, const char *before, int count)
{
	int i, r;

	for (i = 0; i < gate_n_metrics; i++) {
		const struct gate_metric *m = &gate_metrics[i];
		double v[GATE_MAX_SEEDS];
		struct gate_row *row;
		bool found = true;

		for (r = 0; r < count && found; r++)
			found = value_of(st, m, background, config, r + 1, phase, before, &v[r]);
		if (!found && m->better) {
			complain("the gate's run has no %s of %s %s", m->name, config, phase);
			return EXIT_FAIL;
		}
		if (!found)
			continue;
		row = gate_add(set, config, phase, m->name);
		memcpy(&row->v[set->seeds], v, sizeof(v[0]) * (size_t)count);
	}
	return 0;
}

/* To 12 digits: the last bits of exp and log depend on the CPU that this runs on. */
static double rounded(double v)
{
	char s[40];

	snprintf(s, sizeof(s), "%.12g", v);
	return strtod(s, NULL);
}

/*
 * Append the geometric mean over all configs and phases as the row "all all": what chance does to single phases averages out
 * there, so that a small slow-down of everything shows first. Left out for counters that are 0 somewhere.
 */
static void take_all(struct gate_set *set, int count)
{
	static const char *const names[] = {"ops", "mean", "server_instructions_per_op", "llc_misses_pmem",
					    "llc_misses_dram"};
	size_t m;

	for (m = 0; m < COUNT(names); m++) {
		double sum[GATE_MAX_SEEDS] = {0};
		struct gate_row *row;
		int i, k, n = 0;

		for (i = 0; i < set->n; i++) {
			const struct gate_row *r = &set->rows[i];

			if (strcmp(r->metric, names[m]) != 0 || !strcmp(r->config, "all"))
				continue;
			n++;
			for (k = 0; k < count; k++)
				sum[k] += log(r->v[set->seeds + k]);
		}
		for (k = 0; k < count && isfinite(sum[k]); k++)
			;
		if (n < 2 || k < count)
			continue;
		row = gate_add(set, "all", "all", names[m]);
		for (k = 0; k < count; k++)
			row->v[set->seeds + k] = rounded(exp(sum[k] / n));
	}
}

int gate_take(struct gate_set *set, const char *path, int background, int count)
{
	static const char names[] =
		"SELECT c.name, p.name, lag(p.name, 1, '') OVER (PARTITION BY c.name ORDER BY "
		"p.position) FROM run_config c JOIN run_phase p USING (run_id) WHERE run_id = "
		"(SELECT max(id) FROM run) ORDER BY c.position, p.position";
	static const char values[] =
		"SELECT value FROM metric m JOIN vmrun v ON v.id = m.vmrun_id WHERE v.run_id = "
		"(SELECT max(id) FROM run) AND v.variant = 'default' AND v.status = 'ok' AND v.config = ?1 "
		"AND v.repeat = ?2 AND m.phase = ?3 AND m.metric = ?4";
	sqlite3 *db = NULL;
	sqlite3_stmt *phases = NULL, *st = NULL;
	int code = EXIT_FAIL, rc;

	if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK ||
	    sqlite3_prepare_v2(db, names, -1, &phases, NULL) != SQLITE_OK ||
	    sqlite3_prepare_v2(db, values, -1, &st, NULL) != SQLITE_OK) {
		complain("cannot read the database %s: %s", path, db ? sqlite3_errmsg(db) : "out of memory");
		goto out;
	}
	code = 0;
	while (!code && (rc = sqlite3_step(phases)) == SQLITE_ROW)
		code = take_phase(set, st, background, (const char *)sqlite3_column_text(phases, 0),
				  (const char *)sqlite3_column_text(phases, 1),
				  (const char *)sqlite3_column_text(phases, 2), count);
	if (!code && !set->n) {
		complain("the database %s has no run of the gate", path);
		code = EXIT_FAIL;
	}
	if (!code)
		take_all(set, count);
	set->seeds += count;
out:
	sqlite3_finalize(phases);
	sqlite3_finalize(st);
	sqlite3_close(db);
	return code;
}

/* `tmbench run` of a tree with everything the gate was asked for. */
static void run_arguments(struct arguments *a, const struct gate_options *o, const char *tree, const char *db,
			  const char *runs, int64_t from, int count)
{
	int i;

	arguments_add(a, "env");
	arguments_add(a, "TMBENCH_ROOT=%s", tree);
	arguments_add(a, "%s/build/bin/tmbench", tree);
	arguments_add(a, "run");
	arguments_add(a, "%s", o->scenario);
	arguments_add(a, "--no-native");
	arguments_add(a, "--no-llc-sensitivity");
	arguments_add(a, "--seed=%lld", (long long)from);
	arguments_add(a, "--repeat=%d", count);
	arguments_add(a, "--db=%s", db);
	arguments_add(a, "--runs=%s", runs);
	arguments_add(a, "--progress=%s", o->progress);
	if (o->jobs)
		arguments_add(a, "--jobs=%lld", (long long)o->jobs);
	if (o->scale)
		arguments_add(a, "--scale=%lld", (long long)o->scale);
	if (o->timeout)
		arguments_add(a, "--timeout=%lld", (long long)o->timeout);
	if (o->config)
		arguments_add(a, "--config=%s", o->config);
	if (o->phase)
		arguments_add(a, "--phase=%s", o->phase);
	if (o->qemu)
		arguments_add(a, "--qemu=%s", o->qemu);
	for (i = 0; i < o->set.n; i++)
		arguments_add(a, "--set=%s", o->set.v[i]);
}

int gate_measure(struct gate_set *set, const struct gate_options *o, const char *tree, int64_t from,
		 int count)
{
	char db[PATH_LEN], runs[PATH_LEN], report[PATH_LEN];
	struct arguments a = {0};
	struct scenario s;
	struct spawn child = {.out = report, .inherit_err = true, .cpu = -1};
	int code;

	root_path(runs, "build/gate/runs");
	root_path(report, "build/gate/report.txt");
	root_path(db, "build/gate/gate.db");
	if (o->db)
		snprintf(db, sizeof(db), "%s", o->db);
	code = scenario_load(&s, o->scenario);
	if (code)
		return code;
	make_dirs(runs);
	run_arguments(&a, o, tree, db, runs, from, count);
	child.argv = a.v;
	code = proc_run(&child);
	arguments_free(&a);
	if (code == 0)
		return gate_take(set, db, (int)s.background_cpu, count);
	if (code < 0) {
		complain("cannot run %s/build/bin/tmbench: %s", tree, strerror(-code));
		return EXIT_FAIL;
	}
	return code == EXIT_USAGE || code == EXIT_SIGNAL ? code : EXIT_FAIL;
}
