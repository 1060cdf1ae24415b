/* What a validation leaves behind: CSV files, one picture per group of curves, and a page of Markdown. */
#include "harness/proc.h"
#include "harness/validate.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Groups of curves that make one picture. */
static const struct {
	const char *plot, *heading, *xlabel, *ylabel;
	bool logx, names;
} plots[] = {
	{"latency", "Idle latency", "", "ns", false, true},
	{"dram", "Bandwidth, DRAM", "threads", "GB/s", false, false},
	{"optane", "Bandwidth, six DIMMs interleaved", "threads", "GB/s", false, false},
	{"one", "Bandwidth, one DIMM (the same profile with pmem_dimms = 1)", "threads", "GB/s", false,
	 false},
	{"amplification", "Bytes that the media writes per byte, 128-byte halves in turn", "region",
	 "amplification", true, false},
	{"numa", "Reads and writes mixed (another set-up: no bound)", "writes, percent", "GB/s", false,
	 false},
};

static int write_text(const char *folder, const char *name, struct text *t)
{
	char path[2 * PATH_LEN];
	int err;

	snprintf(path, sizeof(path), "%s%s%s", folder, *folder ? "/" : "", name);
	err = write_file(path, t->s ? t->s : "", t->len, 0644);
	text_free(t);
	if (err)
		complain("cannot write %s: %s", path, strerror(-err));
	return err ? -1 : 0;
}

/* What was simulated, with the error against what was measured; the measured data themselves are not ours to give. */
static int write_curves(const struct validation *v)
{
	struct text t = {0};

	text_add(&t, "curve,x,simulated,error_percent\n");
	for (int i = 0; i < n_curves; i++) {
		const struct curve *c = &curves[i];

		for (int k = 0; k < c->n; k++) {
			if (c->by == BY_NAME)
				text_add(&t, "%s,%s,%.4g,%.1f\n", c->id, c->label[k], c->simulated[k],
					 (c->simulated[k] / c->measured[k] - 1) * 100);
			else
				text_add(&t, "%s,%.6g,%.4g,%.1f\n", c->id, c->x[k], c->simulated[k],
					 (c->simulated[k] / c->measured[k] - 1) * 100);
		}
	}
	return write_text(v->out, "curves.csv", &t);
}

/* Tests without published data to hold against. */
static bool is_prediction(const struct finding *f)
{
	return strcmp(f->test, "latency") && strcmp(f->test, "bandwidth") && strcmp(f->test, "amplification");
}

static int write_findings(const struct validation *v, const struct findings *f, const char *name,
			  bool predictions)
{
	struct text t = {0};

	text_add(&t, "vm,memory,test,op,threads,bytes,writes_percent,value,unit,write_amplification\n");
	for (size_t i = 0; i < f->n; i++) {
		const struct finding *g = &f->v[i];

		if (predictions && !is_prediction(g))
			continue;
		text_add(&t, "%s,%s,%s,%s,%d,%.0f,%.4g,%.4g,%s,", g->vm, g->memory, g->test, g->op,
			 g->threads, g->bytes, g->writes, g->value, g->unit);
		if (g->amplification > 0)
			text_add(&t, "%.4f", g->amplification);
		text_add(&t, "\n");
	}
	return write_text(v->out, name, &t);
}

static int by_x(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (x[0] > y[0]) - (x[0] < y[0]);
}

/* One block of a picture's data, in the order of x. */
static void add_block(struct text *t, const struct curve *c)
{
	double row[VALIDATE_POINTS][3];

	for (int k = 0; k < c->n; k++) {
		row[k][0] = c->x[k];
		row[k][1] = c->measured[k];
		row[k][2] = c->simulated[k];
	}
	qsort(row, (size_t)c->n, sizeof(row[0]), by_x);
	for (int k = 0; k < c->n; k++)
		text_add(t, "%.8g %.6g %.6g\n", row[k][0], row[k][1], row[k][2]);
	text_add(t, "\n\n");
}

static int draw(const struct validation *v, size_t p)
{
	char script[PATH_LEN], data[PATH_LEN + 32], set[4 * PATH_LEN], answer[512];
	char *const argv[] = {"gnuplot", "-e", set, script, NULL};
	struct text t = {0}, names = {0};
	int n = 0, status;

	for (int i = 0; i < n_curves; i++) {
		if (strcmp(curves[i].plot, plots[p].plot) != 0)
			continue;
		add_block(&t, &curves[i]);
		text_add(&names, "%s%s", n++ ? "|" : "", curves[i].title);
	}
	snprintf(data, sizeof(data), "%s/%s.dat", v->out, plots[p].plot);
	root_path(script, "plots/validate.gp");
	snprintf(set, sizeof(set),
		 "out='%s/%s.svg'; data='%s'; n=%d; names='%s'; heading='%s'; xlabel='%s'; ylabel='%s'; "
		 "logx=%d; names_x=%d",
		 v->out, plots[p].plot, data, n, names.s, plots[p].heading, plots[p].xlabel, plots[p].ylabel,
		 plots[p].logx, plots[p].names);
	text_free(&names);
	if (write_file(data, t.s, t.len, 0644)) {
		complain("cannot write %s: %s", data, strerror(errno));
		return -1;
	}
	text_free(&t);
	status = proc_capture(argv, answer, sizeof(answer));
	unlink(data);
	if (status)
		complain("gnuplot cannot draw %s: %.200s", plots[p].plot,
			 status < 0 ? strerror(-status) : answer);
	return status ? -1 : 0;
}

static void add_curve_rows(struct text *t)
{
	text_add(t,
		 "| curve | points | mean error | worst error | at | bound |\n|---|--:|--:|--:|--:|---|\n");
	for (int i = 0; i < n_curves; i++) {
		const struct curve *c = &curves[i];
		char at[32];

		snprintf(at, sizeof(at), "%.6g", c->x[c->worst_at]);
		text_add(t, "| %s | %d | %.1f %% | %.1f %% | %s | %s |\n", c->id, c->n, c->mean * 100,
			 c->worst * 100, c->by == BY_NAME ? c->label[c->worst_at] : at,
			 !c->bounded	  ? "none"
			 : curve_holds(c) ? "holds"
					  : "**missed**");
	}
}

static void add_own_rows(struct text *t, const struct findings *f)
{
	struct own_figure own[32];
	int n = own_figures(f, own);

	text_add(t, "| figure | profile | simulated | error |\n|---|--:|--:|--:|\n");
	for (int i = 0; i < n; i++)
		text_add(t, "| %s | %.4g | %.4g | %+.1f %% |\n", own[i].what, own[i].want, own[i].got,
			 (own[i].got / own[i].want - 1) * 100);
}

static int write_page(const struct validation *v, const struct findings *f, const char *page,
		      const char *qemu_version, double seconds)
{
	struct text t = {0};

	text_add(&t,
		 "# Validation of the memory model\n\n"
		 "Written by `make validate-sim` (%.0f s of real time); edits are lost. `tmprobe` ran in a "
		 "simulated guest with %d "
		 "vCPUs under QEMU %s, profile `%s`, seed %d. Three VMs: `six` (the profile as it is), `one` "
		 "(`pmem_dimms=1`), "
		 "`remote` (a remote link of 61 ns, 22.3 and 7.7 GB/s).\n\n"
		 "Measured: J. Yang et al., FAST 2020, as its authors released the data (figures 2, 4, 9 and "
		 "17). Bounds: mean error at "
		 "most %.0f %%, worst at most %.0f %%; amplification from 1 KiB up. `numa-*` is another "
		 "set-up, which disagrees with figure 4 "
		 "(its one thread reads 4.7 GB/s where figure 4 has 2.9), so it has no bound.\n\n",
		 seconds, (int)v->vcpus, qemu_version, f->profile, (int)v->seed, BOUND_MEAN * 100,
		 BOUND_WORST * 100);
	add_curve_rows(&t);
	text_add(&t, "\n## The profile's own figures\n\n");
	add_own_rows(&t, f);
	text_add(&t,
		 "\n## Pictures\n\nFilled points are measured; lines (latency: open points) simulated.\n\n");
	for (size_t p = 0; p < COUNT(plots); p++)
		text_add(&t, "![%s](validation/%s.svg)\n\n", plots[p].heading, plots[p].plot);
	text_add(&t, "## Predictions\n\n`validation/predictions.csv`: what the model says where the data "
		     "above say nothing: bandwidth by "
		     "access size (64 B to 64 KiB at random places), latency of one thread's dependent reads "
		     "beside the streams of others, reads and "
		     "writes mixed, latency by working set. `validation/curves.csv` has the simulated points "
		     "of the curves above and their "
		     "errors. docs/simulation.md says what is not modelled; reads of random small blocks are "
		     "taken as dependent on each other, so "
		     "those below about 1 KiB are lower bounds.\n");
	return write_text("", page, &t);
}

int validate_report(const struct validation *v, const struct findings *f, const char *page,
		    const char *qemu_version, double seconds)
{
	int err = make_dirs(v->out);

	if (err) {
		complain("cannot make %s: %s", v->out, strerror(-err));
		return -1;
	}
	if (write_findings(v, f, "predictions.csv", true))
		return -1;
	if (!v->have_data)
		return write_findings(v, f, "findings.csv", false);
	if (write_curves(v))
		return -1;
	for (size_t p = 0; p < COUNT(plots); p++)
		if (draw(v, p))
			return -1;
	return page ? write_page(v, f, page, qemu_version, seconds) : 0;
}
