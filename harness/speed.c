/* tmbench speed: the same work of the guest on plain QEMU and under the simulator, in turn. */
#include "harness/speed.h"
#include "harness/commands.h"
#include "harness/options.h"
#include "harness/overlay.h"
#include "harness/probe.h"
#include "harness/proc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *const speed_mode_names[SPEED_MODES] = {"plain", "off", "on", "strict"};

/* Replies are counted by the client, which fails on any that is wrong: every mode does all of the work. */
static const struct speed_load loads[] = {
	{.name = "redis",
	 .root = "build/guest/root.img",
	 .made = "make guest",
	 .operation = "requests, half SET and half GET, of 1 KiB to 5,000 keys",
	 .threads = 2,
	 .connections = 8,
	 .requests = 20000,
	 .ram_mib = 512,
	 .setup = "taskset -c $server_cpus redis-server --save '' --bind 127.0.0.1 >/tm/server.log 2>&1 &\n"
		  "load() {\n"
		  "\ttaskset -c $client_cpus tmload -t $threads -c $((connections / threads)) "
		  "--distinct-client-seed \\\n"
		  "\t\t--key-maximum 5000 -d 1024 --hide-histogram \\\n"
		  "\t\t--wait-for-server 30 \"$@\" >/tm/load.log 2>&1 || { cat /tm/load.log; fail load; }\n"
		  "}\n"
		  "load --ratio 1:0 --key-pattern P:P -n allkeys\n",
	 .work = "load --ratio 1:1 -n $((requests / connections))\n"},
	{.name = "sysbench",
	 .root = "build/guest-mysql/root.img",
	 .made = "make guest-mysql",
	 .operation =
		 "transactions of sysbench oltp_read_only on MariaDB, 4 tables of 25,000 rows, 4 connections",
	 .requests = 200,
	 .ram_mib = 512,
	 .setup = "install -d -o mysql -g mysql /run/mysqld\n"
		  "taskset -c 0-$((vcpus > 1 ? vcpus - 2 : 0)) mariadbd --user=mysql >/tm/server.log 2>&1 &\n"
		  "server=$!\n"
		  "until [ -S /run/mysqld/mysqld.sock ]; do\n"
		  "\tkill -0 $server || { cat /tm/server.log; fail mariadbd; }\n"
		  "\tsleep 0.1\n"
		  "done\n"
		  "load() {\n"
		  "\ttaskset -c $((vcpus - 1)) sysbench oltp_read_only --mysql-host=127.0.0.1 "
		  "--mysql-user=sbtest "
		  "--tables=4 \\\n"
		  "\t\t--table-size=25000 --threads=4 --rand-seed=1 --time=0 --events=$1 run >/tm/load.log "
		  "2>&1 ||\n"
		  "\t\t{ cat /tm/load.log; fail sysbench; }\n"
		  "}\n"
		  "load 40\n",
	 .work = "load $requests\n"},
};

/* Reads "1,2,4" into numbers of vCPUs. How many, -1 after saying what is wrong. */
static int read_vcpus(const char *text, int out[SPEED_MAX_CELLS])
{
	int n = 0;

	for (const char *p = text;; p++) {
		char *end;
		unsigned long v = *p >= '0' && *p <= '9' ? strtoul(p, &end, 10) : 0;

		if (v < 1 || v > 64 || (*end && *end != ',') || n == 8) {
			complain("--vcpus %s: want up to 8 numbers of vCPUs from 1 to 64, as 1,2,4,8", text);
			return -1;
		}
		out[n++] = (int)v;
		p = end;
		if (!*p)
			return n;
	}
}

/* Whether LIST (words between commas, NULL: all) names WORD. */
static bool listed(const char *list, const char *word)
{
	size_t len = strlen(word);

	for (const char *p = list; p; p = strchr(p, ',') ? strchr(p, ',') + 1 : NULL)
		if (!strncmp(p, word, len) && (p[len] == ',' || !p[len]))
			return true;
	return !list;
}

/* Whether every word of LIST is one of N names. Says which is not. */
static bool all_known(const char *option, const char *list, const char *const *names, size_t n)
{
	for (const char *p = list; p; p = strchr(p, ',') ? strchr(p, ',') + 1 : NULL) {
		int len = (int)strcspn(p, ",");
		size_t i = 0;

		while (i < n && (strlen(names[i]) != (size_t)len || strncmp(names[i], p, (size_t)len) != 0))
			i++;
		if (i < n)
			continue;
		fprintf(stderr, "tmbench: --%s %s: '%.*s' is none of:", option, list, len, p);
		for (i = 0; i < n; i++)
			fprintf(stderr, " %s", names[i]);
		fprintf(stderr, "\n");
		return false;
	}
	return true;
}

int64_t speed_threads(const struct speed *s, const struct speed_load *l)
{
	return s->threads && l->threads ? s->threads : l->threads;
}

int64_t speed_connections(const struct speed *s, const struct speed_load *l)
{
	return s->connections && l->connections ? s->connections : l->connections;
}

/* Lays out the configurations: of one load and number of vCPUs, all modes follow each other. 0 or EXIT_USAGE. */
static int make_cells(struct speed *s, const char *load_list, const char *vcpu_list, const char *mode_list)
{
	const char *names[COUNT(loads)];
	int vcpus[SPEED_MAX_CELLS], n = read_vcpus(vcpu_list, vcpus);

	for (size_t i = 0; i < COUNT(loads); i++)
		names[i] = loads[i].name;
	if (n < 0 || !all_known("load", load_list, names, COUNT(loads)) ||
	    !all_known("mode", mode_list, speed_mode_names, SPEED_MODES))
		return EXIT_USAGE;
	for (size_t l = 0; l < COUNT(loads); l++)
		for (int v = 0; v < n; v++)
			for (int m = 0; m < SPEED_MODES; m++)
				if (listed(load_list, loads[l].name) &&
				    listed(mode_list, speed_mode_names[m]))
					s->cells[s->n_cells++] = (struct speed_cell){
						.load = &loads[l], .vcpus = vcpus[v], .mode = m};
	return 0;
}

/* Whether what the VMs need is there. 0 or EXIT_FAIL after saying what is not. */
static int check_files(const struct speed *s)
{
	char path[PATH_LEN];

	if (overlay_check(overlay_tiermem))
		return EXIT_FAIL;
	for (int i = 0; i < s->n_cells; i++) {
		root_path(path, s->cells[i].load->root);
		if (access(path, R_OK)) {
			complain("%s is missing; run `%s`", path, s->cells[i].load->made);
			return EXIT_FAIL;
		}
	}
	if (access(s->profile, R_OK)) {
		complain("cannot read profile %s: %s", s->profile, strerror(errno));
		return EXIT_FAIL;
	}
	return 0;
}

/* Every configuration once, then all again: what else the host does meets all of them alike. 0 or an exit code. */
static int run_all(struct speed *s, bool progress)
{
	int done = 0, all = s->n_cells * (int)s->repeat;

	for (int r = 0; r < s->repeat; r++) {
		for (int i = 0; i < s->n_cells; i++) {
			struct speed_cell *c = &s->cells[i];
			int err = speed_vm(s, c);

			if (!err && speed_write(s))
				err = EXIT_FAIL;
			if (err)
				return err;
			done++;
			if (progress)
				fprintf(stderr, "tmbench: %d of %d: %s, %d vCPUs, %s: %.2f s\n", done, all,
					c->load->name, c->vcpus, speed_mode_names[c->mode],
					c->runs[c->n - 1].seconds);
		}
	}
	return 0;
}

int command_speed(int argc, char **argv)
{
	static struct speed s = {.repeat = 3, .timeout = 600, .clock = "hpet"};
	const char *load = NULL, *vcpus = "1,2,4,8", *mode = NULL, *profile = "sim/profiles/optane-100.conf",
		   *out = "results/speed", *format = "human", *progress = "auto";
	bool enforce = false;
	const struct option table[] = {
		{"load", OPT_TEXT, &load, "NAME,...", "only these loads", 0, 0},
		{"vcpus", OPT_TEXT, &vcpus, "N,...", "numbers of vCPUs (1,2,4,8)", 0, 0},
		{"mode", OPT_TEXT, &mode, "NAME,...", "only these of plain,off,on,strict", 0, 0},
		{"requests", OPT_INT, &s.requests, "N", "operations of the measured part (the load's own)", 8,
		 100000000},
		{"threads", OPT_INT, &s.threads, "N", "Redis: threads of the client (2)", 1, 64},
		{"connections", OPT_INT, &s.connections, "N",
		 "Redis: connections of all of them, a multiple of the threads (8)", 1, 10000},
		{"clock", OPT_CHOICE, &s.clock, "hpet|tsc", "the guest's clock, in every mode (hpet)", 0, 0},
		{"repeat", OPT_INT, &s.repeat, "N", "runs of each configuration; medians are reported (3)", 1,
		 SPEED_MAX_REPEATS},
		{"profile", OPT_TEXT, &profile, "FILE", "profile (sim/profiles/optane-100.conf)", 0, 0},
		{"timeout", OPT_INT, &s.timeout, "S", "real time that one VM may take (600)", 1, 100000},
		{"qemu", OPT_TEXT, &s.qemu, "PROGRAM", "QEMU to run ($TMBENCH_QEMU, else qemu-system-x86_64)",
		 0, 0},
		{"out", OPT_TEXT, &out, "DIR", "where runs.csv and the VMs' logs go (results/speed)", 0, 0},
		{"enforce", OPT_FLAG, &enforce, NULL, "exit status 3 when a target is missed", 0, 0},
		{"progress", OPT_CHOICE, &progress, "auto|always|never", "a line on stderr for each VM", 0,
		 0},
		{"format", OPT_CHOICE, &format, "human|json|csv", "format of the report", 0, 0},
		{0},
	};
	char version[128], dir[PATH_LEN];
	int missed, code = options_parse(table, "tmbench speed [OPTION]...", argc, argv, NULL);

	if (code)
		return code;
	for (size_t i = 0; i < COUNT(loads); i++) {
		int64_t t = speed_threads(&s, &loads[i]), c = speed_connections(&s, &loads[i]);

		if (!t || c % t == 0)
			continue;
		complain("--connections: %lld is no multiple of %lld threads (--threads)", (long long)c,
			 (long long)t);
		return EXIT_USAGE;
	}
	code = make_cells(&s, load, vcpus, mode);
	if (code)
		return code;
	if (!s.qemu)
		s.qemu = getenv("TMBENCH_QEMU") ? getenv("TMBENCH_QEMU") : "qemu-system-x86_64";
	root_path(s.profile, profile);
	root_path(s.plugin, "build/lib/libtmsim.so");
	root_path(dir, out);
	s.out = dir;
	if (check_files(&s) || qemu_version(s.qemu, "with --qemu", version, sizeof(version)) ||
	    qemu_takes_plugins(s.qemu))
		return EXIT_FAIL;
	code = run_all(&s, options_progress(progress));
	if (code)
		return code;
	missed = speed_report(&s, format, version);
	return enforce && missed ? EXIT_MISSED : EXIT_OK;
}
