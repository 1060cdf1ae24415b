/*
 * tmbench gate: measures the tree and compares it with the committed reference, or, where that was made with other versions
 * (or there is none), with the commit before, built and measured here. It never passes without having compared.
 */
#include "harness/gate.h"
#include "harness/commands.h"
#include "harness/options.h"
#include "harness/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

/* One tree, or one file, whose figures can be asked for by seed. */
struct side {
	struct gate_set set;
	char tree[PATH_LEN]; /* "": a file, which has what it has */
};

struct gate {
	struct gate_options o;
	struct side now, other;
	struct text versions; /* what differs from the reference, lines */
	char reference[PATH_LEN], scenario[PATH_LEN], kept[PATH_LEN], rev[64];
	bool parent;
};

/* Make a side have values for the first COUNT seeds. 0, EXIT_FAIL (a file has not so many) or another exit code. */
static int grow(struct side *s, const struct gate_options *o, int count)
{
	int code;

	if (s->set.seeds >= count)
		return 0;
	if (!s->tree[0])
		return EXIT_FAIL;
	s->set.seed = o->seed;
	code = gate_measure(&s->set, o, s->tree, o->seed + s->set.seeds, count - s->set.seeds);
	return code;
}

/* Keep what was measured of this tree, for --measured. 0 or EXIT_FAIL. */
static int keep(const struct gate *g)
{
	return g->now.tree[0] && gate_write(&g->now.set, g->kept) ? EXIT_FAIL : 0;
}

/* One gate at a time in a tree: they share folders. 0 or EXIT_FAIL. */
static int lock(void)
{
	char path[PATH_LEN];
	int fd;

	root_path(path, "build/gate");
	make_dirs(path);
	root_path(path, "build/gate/lock");
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	complain(fd >= 0 ? "another gate runs in this tree (it holds %s)" : "cannot make %s", path);
	return EXIT_FAIL;
}

/* The present tree: what it is made with, and its first values. 0 or an exit code. */
static int begin(struct gate *g)
{
	int code;

	if (g->o.measured) {
		code = gate_read(&g->now.set, g->o.measured);
		if (code > 0)
			complain("there is no %s", g->o.measured);
		return code ? EXIT_FAIL : 0;
	}
	code = lock();
	if (code)
		return code;
	snprintf(g->now.tree, sizeof(g->now.tree), "%s", root_dir());
	g->now.set.seed = g->o.seed;
	return gate_versions(&g->now.set, &g->o);
}

/* Write a new reference. The exit code. */
static int accept_new(struct gate *g, struct gate_set *old)
{
	struct gate_set *now = &g->now.set;
	const char *c;
	int code = 0;

	for (c = g->o.accept; *c == ' '; c++)
		;
	if (!*c || strchr(g->o.accept, '\n')) {
		complain("--accept needs a reason in one line: it stays in the reference's history");
		return EXIT_USAGE;
	}
	if (!g->o.measured) /* twice the seeds, so that later gates can look a second time */
		code = grow(&g->now, &g->o, 2 * (int)g->o.seeds);
	if (code)
		return code;
	if (strstr(now->commit, "-dirty"))
		complain("warning: the tree has changes that are not committed: the reference is for %s",
			 now->commit);
	text_free(&now->accepted);
	if (old->accepted.s)
		text_add(&now->accepted, "%s", old->accepted.s);
	text_add(&now->accepted, "%.10s %s %s\n", now->made, now->commit, c);
	if (keep(g) || gate_write(now, g->reference))
		return EXIT_FAIL;
	printf("%s renewed: %d rows, seeds %lld to %lld, %s\n",
	       g->o.reference ? g->o.reference : "results/gate.reference", now->n, (long long)now->seed,
	       (long long)now->seed + now->seeds - 1, now->commit);
	return EXIT_OK;
}

/* Decide what to compare with. 0 or an exit code. */
static int choose(struct gate *g, int has_reference)
{
	int differ = 0, code;

	if (has_reference) {
		differ = gate_differences(&g->versions, &g->other.set, &g->now.set);
		if (g->other.set.seed != g->now.set.seed && !differ)
			differ = 1,
			text_add(&g->versions, "seeds: from %lld here, from %lld in the reference\n",
				 (long long)g->now.set.seed, (long long)g->other.set.seed);
	} else {
		text_add(&g->versions, "reference: there is no %s\n", g->reference);
	}
	if (has_reference && !differ)
		return 0;
	if (!g->now.tree[0]) {
		complain("the reference does not hold here (%.*s), and --measured leaves no tree to compare "
			 "with",
			 (int)strcspn(g->versions.s, "\n"), g->versions.s);
		return EXIT_FAIL;
	}
	g->parent = true;
	gate_set_free(&g->other.set);
	code = gate_parent(g->other.tree, g->rev);
	if (code == EXIT_FAIL)
		complain("and the reference does not hold here: %.*s", (int)strcspn(g->versions.s, "\n"),
			 g->versions.s);
	return code;
}

/* Measure, compare, look again at suspects, print. The exit code. */
static int compare(struct gate *g)
{
	struct gate_report r = {.o = &g->o, .ref = &g->other.set, .now = &g->now.set, .rev = g->rev};
	struct gate_finding *f = NULL;
	int seeds = (int)g->o.seeds, code;

	if (!g->now.tree[0] && g->now.set.seeds < seeds)
		seeds = g->now.set.seeds;
	if (!g->parent && g->other.set.seeds < seeds)
		seeds = g->other.set.seeds;
	code = grow(&g->now, &g->o, seeds);
	if (!code)
		code = keep(g);
	if (!code)
		code = grow(&g->other, &g->o, seeds);
	if (code)
		return code;
	r.n = gate_compare_sets(&f, &g->other.set, &g->now.set, seeds, false, g->o.tolerance);
	if (r.n < 0)
		return EXIT_FAIL;
	if (gate_suspects(f, r.n) && (g->other.tree[0] || g->other.set.seeds >= 2 * seeds) &&
	    (g->now.tree[0] || g->now.set.seeds >= 2 * seeds)) {
		free(f);
		seeds *= 2;
		code = grow(&g->now, &g->o, seeds);
		if (!code)
			code = keep(g);
		if (!code)
			code = grow(&g->other, &g->o, seeds);
		if (code)
			return code;
		r.second = true;
		r.n = gate_compare_sets(&f, &g->other.set, &g->now.set, seeds, true, g->o.tolerance);
		if (r.n < 0)
			return EXIT_FAIL;
	}
	r.f = f;
	r.seeds = seeds;
	r.against = g->parent ? "parent" : "reference";
	r.versions = g->versions.s ? g->versions.s : "";
	r.code = gate_count(f, r.n, GATE_WORSE) ? EXIT_REGRESSION : EXIT_OK;
	if (!strcmp(g->o.format, "json"))
		code = gate_report_json(&r);
	else
		gate_report_human(&r);
	free(f);
	return code ? code : r.code;
}

/* Options that need more than the table checks. 0 or EXIT_USAGE. */
static int check_options(struct gate *g, const char *tolerance, const char *scenario)
{
	struct scenario s;
	char *end, *full;
	int code;

	g->o.tolerance = strtod(tolerance, &end);
	if (end == tolerance || *end || !(g->o.tolerance >= 0) || g->o.tolerance > 100) {
		complain("--tolerance %s: must be a percentage from 0 to 100", tolerance);
		return EXIT_USAGE;
	}
	code = scenario_load(&s, scenario);
	if (code)
		return code;
	full = realpath(s.file, NULL);
	snprintf(g->scenario, sizeof(g->scenario), "%s", full ? full : s.file);
	free(full);
	g->o.scenario = g->scenario;
	root_path(g->kept, "build/gate/measured");
	if (g->o.reference)
		snprintf(g->reference, sizeof(g->reference), "%s", g->o.reference);
	else
		root_path(g->reference, "results/gate.reference");
	return 0;
}

int command_gate(int argc, char **argv)
{
	static struct gate g;
	struct gate_options *o = &g.o;
	const char *tolerance = "0.3", *scenario = "gate";
	const struct option table[] = {
		{"reference", OPT_TEXT, &o->reference, "FILE", "compare with it (results/gate.reference)", 0,
		 0},
		{"seeds", OPT_INT, &o->seeds, "N",
		 "VMs of each config; as many again where a regression is suspected (5)", 2, GATE_MAX_SEEDS / 2},
		{"seed", OPT_INT, &o->seed, "N", "the first seed (1)", 0, INT32_MAX - GATE_MAX_SEEDS},
		{"jobs", OPT_INT, &o->jobs, "N", "VMs at a time (host CPUs, at most 2)", 1, 64},
		{"tolerance", OPT_TEXT, &tolerance, "PERCENT", "how much worse is still no regression (0.3)",
		 0, 0},
		{"accept", OPT_TEXT, &o->accept, "REASON", "make what is measured the reference, and say why",
		 0, 0},
		{"measured", OPT_TEXT, &o->measured, "FILE",
		 "run nothing: take the figures that a gate left in build/gate/measured", 0, 0},
		{"scenario", OPT_TEXT, &scenario, "NAME", "what is run (gate)", 0, 0},
		{"scale", OPT_INT, &o->scale, "N", "divide its sizes by N (default: the scenario's)", 1,
		 1000000},
		{"config", OPT_TEXT, &o->config, "NAME,...", "only these configs", 0, 0},
		{"phase", OPT_TEXT, &o->phase, "NAME,...", "only these phases", 0, 0},
		{"set", OPT_LIST, &o->set, "SECTION.KEY=VALUE", "change a key of the scenario", 0, 0},
		{"qemu", OPT_TEXT, &o->qemu, "PROGRAM",
		 "QEMU to run (default: $TMBENCH_QEMU, else the scenario's)", 0, 0},
		{"timeout", OPT_INT, &o->timeout, "S", "real seconds for one VM (the scenario's: 900)", 1,
		 1000000},
		{"db", OPT_TEXT, &o->db, "FILE", "database of the gate's runs (build/gate/gate.db)", 0, 0},
		{"progress", OPT_CHOICE, &o->progress, "auto|always|never", "progress line on stderr", 0, 0},
		{"format", OPT_CHOICE, &o->format, "human|json", "format of the verdict", 0, 0},
		{0},
	};
	struct list operands = {0};
	int code, has;

	*o = (struct gate_options){.seeds = 5, .seed = 1, .progress = "auto", .format = "human"};
	code = options_parse(table, "tmbench gate [options]", argc, argv, &operands);
	if (!code && operands.n) {
		complain("gate takes no operands; --scenario names what is run");
		code = EXIT_USAGE;
	}
	if (!code)
		code = check_options(&g, tolerance, scenario);
	if (code)
		return code;
	has = gate_read(&g.other.set, g.reference);
	if (has < 0)
		return EXIT_FAIL;
	code = begin(&g);
	if (!code && o->accept)
		code = accept_new(&g, &g.other.set);
	else if (!code) {
		code = choose(&g, has == 0);
		if (!code)
			code = compare(&g);
	}
	gate_set_free(&g.now.set);
	gate_set_free(&g.other.set);
	text_free(&g.versions);
	return code;
}
