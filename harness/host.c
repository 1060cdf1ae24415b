/* tmbench host: calibrates a profile to this machine, then compares loads on it with the same loads simulated. */
#include "harness/host.h"
#include "harness/commands.h"
#include "harness/options.h"
#include "harness/probe.h"
#include "harness/proc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Measured parts of each load per round. */
enum { PARTS = 3 };

/* Selects the loads of a list (words between commas, NULL: all). 0 or EXIT_USAGE. */
static int select_loads(struct host *h, const char *list)
{
	for (int i = 0; i < HOST_LOADS; i++)
		h->loads[i].selected = !list;
	for (const char *p = list; p; p = strchr(p, ',') ? strchr(p, ',') + 1 : NULL) {
		size_t len = strcspn(p, ",");
		bool known = false;

		for (int i = 0; i < HOST_LOADS; i++) {
			if (strlen(h->loads[i].name) != len || strncmp(h->loads[i].name, p, len) != 0)
				continue;
			h->loads[i].selected = known = true;
		}
		if (!known) {
			complain("--load %s: '%.*s' is none of: redis sysbench redis-1cpu sysbench-1cpu",
				 list, (int)len, p);
			return EXIT_USAGE;
		}
	}
	return 0;
}

/* Whether what the VMs and the loads need is there. 0 or EXIT_FAIL after saying what is not. */
static int check_files(const struct host *h, bool loads)
{
	static const char *const built[] = {"build/bin/tmload", "build/bin/tmprobe", "build/bin/tmloop",
					    "build/bin/tmmark", "build/lib/libtmsim.so"};
	char path[PATH_LEN];

	for (size_t i = 0; i < COUNT(built); i++) {
		root_path(path, built[i]);
		if (access(path, R_OK)) {
			complain("%s is missing; run `make all`", path);
			return EXIT_FAIL;
		}
	}
	for (int i = 0; i < HOST_LOADS; i++) {
		root_path(path, h->loads[i].root);
		if ((i && !(loads && h->loads[i].selected)) || !access(path, R_OK))
			continue; /* the first image is what the calibration runs in */
		complain("%s is missing; run `%s`", path, h->loads[i].made);
		return EXIT_FAIL;
	}
	if (proc_cpus() >= 2)
		return 0;
	complain("this needs two CPUs: one for the server, one for its client");
	return EXIT_FAIL;
}

/* Calibration and loads take turns, so that what else the machine does meets both alike. 0 or an exit code. */
static int measure_all(struct host *h, bool calibrate, bool loads)
{
	int err = 0;

	for (int r = 0; r < h->rounds && !err; r++) {
		if (calibrate)
			err = host_measure(h);
		for (int i = 0; i < HOST_LOADS && loads && !err; i++)
			if (h->loads[i].selected)
				err = host_native(h, &h->loads[i], PARTS);
		if (!err && h->progress)
			fprintf(stderr, "tmbench: natively, round %d of %lld\n", r + 1, (long long)h->rounds);
	}
	return err;
}

/* The profile from what was measured, with instructions counted in a VM unless the calibration has them. 0 or an exit code. */
static int make_profile(struct host *h)
{
	char path[PATH_LEN + 32];
	int err;

	if (host_instruction_ns(&h->cal, "system") <= 0) {
		if (host_profile_write(h, false))
			return EXIT_FAIL;
		err = host_count(h);
		if (err)
			return err;
	}
	snprintf(path, sizeof(path), "%s/calibration.csv", h->out);
	return host_calibration_write(&h->cal, path) || host_profile_write(h, true) ? EXIT_FAIL : 0;
}

/* All of it. 0 or an exit code. */
static int run(struct host *h, bool calibrate, bool loads)
{
	char path[PATH_LEN + 32];
	int err = make_dirs(h->out);

	if (err) {
		complain("cannot make %s: %s", h->out, strerror(-err));
		return EXIT_FAIL;
	}
	h->realtime = proc_run(&(struct spawn){.argv = (char *[]){"chrt", "--rr", "10", "true", NULL},
					       .cpu = -1}) == 0;
	if (!h->realtime)
		fprintf(stderr, "tmbench: without real-time priority (chrt), other programs take turns: "
				"expect more spread\n");
	err = calibrate || loads ? measure_all(h, calibrate, loads) : 0;
	if (!err)
		err = make_profile(h);
	for (int i = 0; i < HOST_LOADS && loads && !err; i++)
		if (h->loads[i].selected)
			err = host_simulate(h, &h->loads[i]);
	snprintf(path, sizeof(path), "%s/runs.csv", h->out);
	return err ? err : loads && host_runs_write(h, path) ? EXIT_FAIL : 0;
}

int command_host(int argc, char **argv)
{
	static struct host h = {.rounds = 5, .timeout = 600, .loads = host_loads};
	const char *load = NULL, *profile = "build/this-host.conf", *out = "results/host",
		   *calibration = NULL, *runs = NULL, *progress = "auto";
	bool enforce = false, profile_only = false;
	const struct option table[] = {
		{"load", OPT_TEXT, &load, "NAME,...", "only these of redis,sysbench,redis-1cpu,sysbench-1cpu",
		 0, 0},
		{"rounds", OPT_INT, &h.rounds, "N",
		 "native rounds of calibration and loads; medians count (5)", 1, 20},
		{"profile", OPT_TEXT, &profile, "FILE", "profile to write (build/this-host.conf)", 0, 0},
		{"profile-only", OPT_FLAG, &profile_only, NULL, "calibrate, and run no load", 0, 0},
		{"calibration", OPT_TEXT, &calibration, "FILE",
		 "calibration.csv of an earlier run: measure nothing for it", 0, 0},
		{"runs", OPT_TEXT, &runs, "FILE", "runs.csv of an earlier run: compare again, run nothing", 0,
		 0},
		{"timeout", OPT_INT, &h.timeout, "S", "real time that one VM or client may take (600)", 1,
		 100000},
		{"qemu", OPT_TEXT, &h.qemu, "PROGRAM", "QEMU to run ($TMBENCH_QEMU, else qemu-system-x86_64)",
		 0, 0},
		{"out", OPT_TEXT, &out, "DIR", "where CSV files and logs go (results/host)", 0, 0},
		{"enforce", OPT_FLAG, &enforce, NULL, "exit status 3 when a load is outside the bound", 0, 0},
		{"progress", OPT_CHOICE, &progress, "auto|always|never", "lines on stderr", 0, 0},
		{0},
	};
	char version[128];
	int code = options_parse(table, "tmbench host [OPTION]...", argc, argv, NULL);

	if (code)
		return code;
	if (runs && (calibration || profile_only)) {
		complain("--runs compares what was run: it takes no %s",
			 calibration ? "--calibration" : "--profile-only");
		return EXIT_USAGE;
	}
	code = select_loads(&h, load);
	if (code)
		return code;
	root_path(h.profile, profile);
	root_path(h.plugin, "build/lib/libtmsim.so");
	root_path(h.out, out);
	h.progress = options_progress(progress);
	h.qemu = h.qemu ? h.qemu : getenv("TMBENCH_QEMU") ? getenv("TMBENCH_QEMU") : "qemu-system-x86_64";
	if (runs && host_runs_read(&h, runs))
		return EXIT_FAIL;
	if (calibration && host_calibration_read(&h.cal, calibration))
		return EXIT_FAIL;
	if (!runs) {
		/* A calibration that is complete needs no VM. */
		bool vm = !profile_only || host_instruction_ns(&h.cal, "system") <= 0;

		if (vm && (check_files(&h, !profile_only) ||
			   qemu_version(h.qemu, "with --qemu", version, sizeof(version)) ||
			   qemu_takes_plugins(h.qemu)))
			return EXIT_FAIL;
		code = run(&h, !calibration, !profile_only);
		if (code == EXIT_SIGNAL)
			complain("interrupted");
		if (code || profile_only)
			return code;
		printf("\n");
	}
	code = host_report(&h);
	return code < 0 ? EXIT_FAIL : code && enforce ? EXIT_MISSED : EXIT_OK;
}
