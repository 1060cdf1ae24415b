/*
 * Time is cut where tiermem found no samples (the memory model is off between the loads): the axis is the simulated time that has
 * samples, one stretch after another. A block of rows tells of the time since the block before it; the first of a stretch marks its
 * begin only.
 */
#include "harness/figure_heat.h"
#include "harness/gnuplot.h"
#include "harness/heat.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PAUSE_NS  INT64_C(100000000) /* between two blocks: there were no samples */
#define MOST_BINS 800
#define LEAST_BIN 0.001 /* s */
#define LEAST_SPAN                                                                                           \
	0.005 /* s; the heat of less is counted as in so much: one sample at once is no great heat */
#define MIB 1048576.0

/* The rows of one time. */
struct block {
	const struct heat_row *rows;
	int64_t ns;
	double begin, end; /* s on the axis */
};

/* One picture. */
struct map {
	char config[NAME_LEN], part[NAME_LEN];
	int64_t vmrun;
	double dram; /* quota, bytes */
	struct heat heat;
	struct block *blocks;
	size_t n_blocks, parts;
	double part_mib, seconds;
};

/* A statement that tells why if it is none. */
static sqlite3_stmt *query(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *st;

	if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) == SQLITE_OK)
		return st;
	complain("cannot read the database %s: %s", sqlite3_db_filename(db, "main"), sqlite3_errmsg(db));
	return NULL;
}

/* Rows into blocks on the axis. 0 or -1: there is nothing that can be drawn. */
static int make_blocks(struct map *m)
{
	size_t i;

	m->blocks = must_realloc(NULL, sizeof(*m->blocks) * (m->heat.n + 1));
	for (i = 0; i < m->heat.n; i++) {
		const struct heat_row *r = &m->heat.v[i];
		struct block *b = m->n_blocks ? &m->blocks[m->n_blocks - 1] : NULL;

		if (b && b->ns == r->time_ns)
			continue;
		m->blocks[m->n_blocks++] = (struct block){r, r->time_ns, m->seconds, m->seconds};
		if (!b || r->time_ns - b->ns > PAUSE_NS)
			continue;
		m->seconds += (double)(r->time_ns - b->ns) / 1e9;
		b[1].end = m->seconds;
	}
	m->parts = m->n_blocks ? m->heat.n / m->n_blocks : 0;
	if (!(m->seconds > 0) || m->parts < 2 || m->parts * m->n_blocks != m->heat.n)
		return -1;
	m->part_mib = (double)m->heat.v[m->parts - 1].offset / (double)(m->parts - 1) / MIB;
	return m->part_mib > 0 ? 0 : -1;
}

/* Where a simulated time is on the axis. */
static double place(const struct map *m, double ns)
{
	size_t i;

	for (i = 0; i < m->n_blocks; i++) {
		const struct block *b = &m->blocks[i];
		double x = b->end - ((double)b->ns - ns) / 1e9;

		if (ns <= (double)b->ns)
			return x > b->begin ? x : b->begin;
	}
	return m->seconds;
}

/* Heat of a part in a block: samples per MiB and second. */
static double heat_of(const struct map *m, const struct block *b, size_t part)
{
	return (double)b->rows[part].samples / m->part_mib / fmax(b->end - b->begin, LEAST_SPAN);
}

/* Its share in DRAM; -1: nothing of it has been used. */
static double share_of(const struct map *m, const struct block *b, size_t part)
{
	double dram = (double)b->rows[part].dram, all = dram + (double)b->rows[part].pmem;

	return all > 0 ? dram / all : -1;
}

/* A matrix: a line for each part, in it a value for each bin of time. */
static void add_matrix(struct text *t, const struct map *m, int bins,
		       double (*value)(const struct map *m, const struct block *b, size_t part))
{
	size_t part;
	int bin;

	for (part = 0; part < m->parts; part++) {
		const struct block *b = m->blocks;

		for (bin = 0; bin < bins; bin++) {
			double at = (bin + 0.5) * m->seconds / bins;

			while (b->end < at && b + 1 < m->blocks + m->n_blocks)
				b++;
			text_add(t, "%.4g ", value(m, b, part));
		}
		text_add(t, "\n");
	}
}

/* The marks: "NAME BEGIN END" for each phase (without the database's name), in seconds on the axis. 0 or EXIT_FAIL. */
static int add_phases(struct text *set, sqlite3 *db, const struct map *m)
{
	sqlite3_stmt *st = query(
		db,
		"SELECT b.phase, b.value, s.value FROM metric b JOIN metric s ON s.vmrun_id = b.vmrun_id AND "
		"s.phase = b.phase AND s.metric = 'sim_seconds' "
		"WHERE b.vmrun_id = ?1 AND b.metric = 'sim_begin' ORDER BY b.value");
	double first = m->seconds;

	if (!st)
		return EXIT_FAIL;
	sqlite3_bind_int64(st, 1, m->vmrun);
	text_add(set, "phases='");
	while (sqlite3_step(st) == SQLITE_ROW) {
		const char *name = (const char *)sqlite3_column_text(st, 0);
		size_t n = strlen(m->part);
		double begin = sqlite3_column_double(st, 1) * 1e9,
		       end = begin + sqlite3_column_double(st, 2) * 1e9;

		first = fmin(first, place(m, begin));
		text_add(set, "%s %.6f %.6f ",
			 name + (strncmp(name, m->part, n) || name[n] != '-' ? 0 : n + 1), place(m, begin),
			 place(m, end));
	}
	sqlite3_finalize(st);
	text_add(set, "'; warm=%.6f; ", first);
	return 0;
}

/* What the script needs but for the format. 0 or EXIT_FAIL. */
static int describe(struct text *set, sqlite3 *db, const struct report *r, const struct map *m, int bins)
{
	char dram[24], ram[24];
	double least = INFINITY, most = 0;
	size_t i, part;

	for (i = 0; i < m->n_blocks; i++) {
		for (part = 0; part < m->parts && m->blocks[i].end > m->blocks[i].begin; part++) {
			double heat = heat_of(m, &m->blocks[i], part);

			most = fmax(most, heat);
			least = heat > 0 ? fmin(least, heat) : least;
		}
	}
	least = fmin(least, most);
	format_size(dram, m->dram);
	format_size(ram, m->part_mib * (double)m->parts * MIB);
	text_add(set, "heading='Heat of guest RAM: database %s, config %s (%s of guest RAM, %s of DRAM)'; ",
		 m->part, m->config, ram, dram);
	text_add(set, "bins=%d; bin=%.9f; parts=%zu; part=%.9f; least=%g; most=%g; ", bins, m->seconds / bins,
		 m->parts, m->part_mib, most > 0 ? least : 1, most > 0 ? most : 1);
	figure_subtitle(set, r);
	text_add(set, "; ");
	return add_phases(set, db, m);
}

/* Write both formats. 0 or EXIT_FAIL. */
static int draw(sqlite3 *db, const struct report *r, const struct map *m, const char *dir)
{
	static const char *const formats[] = {"svg", "png"};
	char path[PATH_LEN + 2 * NAME_LEN], data[sizeof(path) + 8];
	int bins = (int)fmin(MOST_BINS, ceil(m->seconds / LEAST_BIN)), err;
	struct text t = {0};
	size_t i;

	snprintf(path, sizeof(path), "%s/heat-%s-%s", dir, m->part, m->config);
	snprintf(data, sizeof(data), "%s.dat", path);
	add_matrix(&t, m, bins, heat_of);
	text_add(&t, "\n\n");
	add_matrix(&t, m, bins, share_of);
	err = write_file(data, t.s, t.len, 0644);
	text_free(&t);
	if (err) {
		complain("cannot write %s: %s", data, strerror(-err));
		return EXIT_FAIL;
	}
	for (i = 0; i < COUNT(formats) && !err; i++) {
		err = describe(&t, db, r, m, bins);
		text_add(&t, "data='%s'; format='%s'; out='%s.%s'", data, formats[i], path, formats[i]);
		if (!err)
			err = gnuplot_run("heat", t.s);
		if (!err)
			printf("%s.%s\n", path, formats[i]);
		text_free(&t);
	}
	unlink(data); /* the database has it */
	return err;
}

/* Load and draw one VM's. 0 or EXIT_FAIL. */
static int draw_map(sqlite3 *db, const struct report *r, struct map *m, const char *dir)
{
	sqlite3_stmt *st = query(db, "SELECT time_ns, offset, samples, dram, pmem FROM heat WHERE vmrun_id = "
				     "?1 ORDER BY time_ns, offset");
	int err = EXIT_FAIL;

	if (!st)
		return EXIT_FAIL;
	sqlite3_bind_int64(st, 1, m->vmrun);
	while (sqlite3_step(st) == SQLITE_ROW)
		heat_add(&m->heat,
			 &(struct heat_row){sqlite3_column_int64(st, 0), sqlite3_column_int64(st, 1),
					    sqlite3_column_int64(st, 2), sqlite3_column_int64(st, 3),
					    sqlite3_column_int64(st, 4)});
	sqlite3_finalize(st);
	if (make_blocks(m))
		complain("run %lld, database %s, config %s: its heat is too short to draw; use more "
			 "--requests",
			 (long long)r->id, m->part, m->config);
	else
		err = draw(db, r, m, dir);
	free(m->blocks);
	heat_free(&m->heat);
	return err;
}

/* Draw what is asked for of a loaded run. 0 or EXIT_FAIL. */
static int draw_run(sqlite3 *db, const struct report *r, const char *config, const char *database,
		    const char *dir)
{
	/* the first repeat that has heat */
	sqlite3_stmt *st = query(
		db,
		"SELECT v.id, v.config, v.part, c.dram_bytes, min(v.repeat) FROM vmrun v JOIN run_config c "
		"ON c.run_id = v.run_id AND c.name = v.config WHERE v.run_id = ?1 AND v.status = 'ok' "
		"AND v.variant = 'default' AND EXISTS (SELECT 1 FROM heat WHERE vmrun_id = v.id) "
		"GROUP BY v.config, v.part ORDER BY v.id");
	struct text known = {0};
	int err = 0, n = 0;

	if (!st)
		return EXIT_FAIL;
	sqlite3_bind_int64(st, 1, r->id);
	while (!err && sqlite3_step(st) == SQLITE_ROW) {
		struct map m = {.vmrun = sqlite3_column_int64(st, 0), .dram = sqlite3_column_double(st, 3)};

		snprintf(m.config, sizeof(m.config), "%s", (const char *)sqlite3_column_text(st, 1));
		snprintf(m.part, sizeof(m.part), "%s", (const char *)sqlite3_column_text(st, 2));
		text_add(&known, " %s-%s", m.part, m.config);
		if ((config && strcmp(config, m.config) != 0) || (database && strcmp(database, m.part) != 0))
			continue;
		n++;
		err = draw_map(db, r, &m, dir);
	}
	sqlite3_finalize(st);
	if (!known.len)
		complain("run %lld has no heat: only VMs with tiermem underneath have it, as those of "
			 "`tmbench run figure4`",
			 (long long)r->id);
	else if (!n)
		complain("run %lld has no heat of that config and database; it has:%s", (long long)r->id,
			 known.s);
	text_free(&known);
	return err || !n ? EXIT_FAIL : 0;
}

int figure_heat(sqlite3 *db, int64_t run, const char *config, const char *database, const char *dir)
{
	static struct report r;
	int err;

	if (run <= 0)
		run = report_newest(db,
				    "EXISTS (SELECT 1 FROM vmrun v WHERE v.run_id = run.id AND v.status = 'ok' "
				    "AND EXISTS (SELECT 1 FROM heat WHERE vmrun_id = v.id))",
				    run == REPORT_WHOLE);
	if (!run) {
		complain("no run in %s has heat yet; `tmbench run figure4` makes one",
			 sqlite3_db_filename(db, "main"));
		return EXIT_FAIL;
	}
	err = make_dirs(dir);
	if (err) {
		complain("cannot make %s: %s", dir, strerror(-err));
		return EXIT_FAIL;
	}
	err = report_load(&r, db, run);
	if (!err)
		err = draw_run(db, &r, config, database, dir);
	report_free(&r);
	return err;
}
