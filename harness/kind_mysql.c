/*
 * MariaDB and sysbench in a guest that knows nothing of tiers, tiermem in the QEMU process. Root image on an NVDIMM, the database on a
 * virtio disk of its own (a copy for each VM, removed when it ends), timed as the profile's disk.
 */
#include "harness/kind.h"
#include "harness/database.h"
#include "harness/mysql_script.h"
#include "harness/report.h"
#include "harness/share.h"
#include "harness/sysbench.h"

#include <stdlib.h>
#include <string.h>

static const struct overlay_part overlay[] = {
	{"build/stripped/bin/tmmark", "tm/bin/tmmark"},
	{"build/stripped/lib/libtmmark.so", "tm/lib/libtmmark.so"},
	{"workloads/mariadb-underneath.cnf", "tm/mariadb.cnf"},
	{"workloads/sysbench/marked.lua", "tm/marked.lua"},
	{NULL, NULL},
};

static const char *const tests[] = {"oltp_read_only", "oltp_read_write", "oltp_point_select",
				    "oltp_write_only"};
static const char *const distributions[] = {"uniform", "special", "pareto", "gaussian", "zipfian"};

/* Whether NAME is one of N names. */
static bool known(const char *name, const char *const *names, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (!strcmp(names[i], name))
			return true;
	return false;
}

/* Each phase of the file with each database. */
static int expand(struct scenario *s)
{
	struct phase *of_file;
	int n = s->n_phases, d, i;

	if (!s->n_databases)
		return scenario_lacks(s, "a [database NAME]");
	if (n * s->n_databases > MAX_PHASES) {
		complain("%s: %d phases with %d databases are more than %d", s->file, n, s->n_databases,
			 MAX_PHASES);
		return EXIT_USAGE;
	}
	of_file = must_realloc(NULL, sizeof(*of_file) * (size_t)(n + 1));
	memcpy(of_file, s->phases, sizeof(*of_file) * (size_t)n);
	s->n_phases = 0;
	for (d = 0; d < s->n_databases; d++) {
		for (i = 0; i < n; i++) {
			struct phase *ph = &s->phases[s->n_phases++];

			*ph = of_file[i];
			strcpy(ph->database, s->databases[d].name);
			if (snprintf(ph->name, sizeof(ph->name), "%.31s-%.31s", s->databases[d].name,
				     of_file[i].name) >= (int)sizeof(ph->name)) {
				complain("%s: [phase %s] with [database %s]: the names are too long", s->file,
					 of_file[i].name, s->databases[d].name);
				free(of_file);
				return EXIT_USAGE;
			}
		}
	}
	free(of_file);
	return 0;
}

/* A list of databases or bounds of a config: each word must begin with a database's name; SEPARATOR ends it. */
static int check_words(const struct scenario *s, const struct config *c, const char *key, const char *list,
		       bool bounds)
{
	const char *p = list, *end;
	char *stop;
	int d;

	for (; *p; p = end + strspn(end, " ")) {
		size_t n = strcspn(p, bounds ? ": " : " ");

		end = p + strcspn(p, " ");
		for (d = 0; d < s->n_databases; d++)
			if (strlen(s->databases[d].name) == n && !strncmp(s->databases[d].name, p, n))
				break;
		if (d < s->n_databases && (!bounds || (p[n] == ':' && strtod(p + n + 1, &stop) > 0 && stop == end)))
			continue;
		complain("%s: [config %s] %s = %s: write %s, with the names of [database] sections", s->file,
			 c->name, key, list, bounds ? "DATABASE:RATIO words" : "databases");
		return EXIT_USAGE;
	}
	return 0;
}

static int check_cpus(const struct scenario *s, const char *key, const char *list)
{
	const char *p = list;

	if (!list[0] || strspn(list, "0123456789-,") != strlen(list)) {
		complain("%s: %s = %s: write a list of vCPUs such as 5-7", s->file, key, list);
		return EXIT_USAGE;
	}
	for (; *p; p += strcspn(p, "-,"), p += strspn(p, "-,"))
		if (strtol(p, NULL, 10) >= s->vcpus) {
			complain("%s: %s = %s: [vm] vcpus = %d has no such vCPU", s->file, key, list,
				 (int)s->vcpus);
			return EXIT_USAGE;
		}
	return 0;
}

static int check(const struct scenario *s)
{
	int i;

	if (!s->tables || !s->bytes_per_row || !s->connections || !s->transactions || !s->transactions_floor)
		return scenario_lacks(
			s, "one of [sysbench] tables bytes_per_row threads transactions transactions_floor");
	if (!(s->pool > 0) || !s->server_config[0])
		return scenario_lacks(s, "one of [mariadb] pool configuration");
	if (check_cpus(s, "[mariadb] cpus", s->server_cpus) ||
	    check_cpus(s, "[sysbench] cpus", s->client_cpus))
		return EXIT_USAGE;
	for (i = 0; i < s->n_databases; i++)
		if (!s->databases[i].data)
			return scenario_lacks(s, "data of a [database NAME]");
	for (i = 0; i < s->n_configs; i++) {
		const struct config *c = &s->configs[i];

		if (check_words(s, c, "databases", c->databases, false) ||
		    check_words(s, c, "bounds", c->bounds, true))
			return EXIT_USAGE;
	}
	for (i = 0; i < s->n_phases; i++) {
		const struct phase *p = &s->phases[i];

		if (known(p->test, tests, COUNT(tests)) &&
		    known(p->distribution, distributions, COUNT(distributions)))
			continue;
		complain("%s: [phase %s] needs test = oltp_read_only, oltp_read_write, oltp_point_select or "
			 "oltp_write_only, and distribution = uniform, special, pareto, gaussian or zipfian",
			 s->file, p->name + strlen(p->database) + 1);
		return EXIT_USAGE;
	}
	return share_check(s);
}

static int plan(struct plan *p, int64_t requests)
{
	const struct scenario *s = p->s;
	int d;

	for (d = 0; d < s->n_databases; d++) {
		p->rows[d] = s->databases[d].data / p->scale / s->bytes_per_row / s->tables;
		if (p->rows[d] < 1000) {
			complain("scale %lld leaves %lld rows for each of %lld tables; use a smaller one",
				 (long long)p->scale, (long long)p->rows[d], (long long)s->tables);
			return EXIT_USAGE;
		}
	}
	p->requests = requests ? requests : plan_scaled_count(p, s->transactions, s->transactions_floor);
	p->llc_requests = p->requests;
	p->seconds = requests ? 0 : s->seconds;
	return 0;
}

static void script(struct text *out, const struct plan *p, const struct vm *vm)
{
	mysql_script(out, p, vm);
}

/*
 * `tiermem run` puts its library around guest RAM; the simulator's comes first in the process. Without address randomisation from the
 * start the simulator need not start QEMU again, which would lose the disk's descriptors.
 */
static void before(struct arguments *a, const struct plan *p, const struct vm *vm)
{
	char path[PATH_LEN], copy[TEXT_LEN], *save = NULL, *w;
	int64_t ram = plan_ram(p, vm->config, vm->database);

	arguments_add(a, "setarch");
	arguments_add(a, "--addr-no-randomize");
	if (vm->config->tiermem) {
		root_path(path, "build/bin/tiermem");
		arguments_add(a, "%s", path);
		arguments_add(a, "run");
		arguments_add(a, "--dram");
		arguments_add(a, "%lld", (long long)plan_dram(p, vm->config));
		arguments_add(a, "--pmem");
		arguments_add(a, "memfd:%lld", (long long)ram); /* room for all of it; what is not used costs nothing */
		arguments_add(a, "--granule");
		arguments_add(a, "%lld", (long long)vm->config->granule);
		arguments_add(a, "--stats");
		arguments_add(a, "%s/tiermem.json", vm->dir);
		arguments_add(a, "--heat");
		arguments_add(a, "%s/" HEAT_FILE, vm->dir);
		snprintf(copy, sizeof(copy), "%s", vm->config->options);
		for (w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save))
			arguments_add(a, "%s", w);
		arguments_add(a, "--");
		root_path(path, "build/lib/libtiermem-preload.so");
	}
	arguments_add(a, "env");
	arguments_add(a, "LD_PRELOAD=%s%s%s", p->plugin, vm->config->tiermem ? ":" : "",
		      vm->config->tiermem ? path : "");
}

static void arguments(struct arguments *a, struct text *plugin, const struct plan *p, const struct vm *vm)
{
	arguments_add(a, "-add-fd");
	arguments_add(a, "fd=" KIND_COPY_FD_READ ",set=1");
	arguments_add(a, "-add-fd");
	arguments_add(a, "fd=" KIND_COPY_FD ",set=1");
	arguments_add(a, "-drive");
	arguments_add(a, "if=none,id=database,format=raw,aio=threads,cache=writeback,file=/dev/fdset/1");
	arguments_add(a, "-device");
	arguments_add(a, "virtio-blk-pci,drive=database");
	if (share_meets(vm, p->s)) {
		char e[2 * PATH_LEN];

		arguments_add(a, "-chardev");
		arguments_add(a, "pipe,id=go,path=%s/go", qemu_escaped(e, vm->dir));
		arguments_add(a, "-device");
		arguments_add(a, "isa-serial,chardev=go,index=2");
	}
}

static int document(struct metrics *m, const char *kind, const char *name, const char *doc, char *reason)
{
	if (!strcmp(kind, "sysbench"))
		return results_sysbench(m, name, doc, reason);
	if (!strcmp(kind, "status"))
		return results_mariadb(m, name, doc, reason);
	if (!strcmp(kind, "tables"))
		return results_tables(m, name, doc, reason);
	if (!strcmp(kind, "text") && !strcmp(name, "versions")) {
		const char *server = strchr(doc, '\n');

		snprintf(m->kernel, sizeof(m->kernel), "%.*s", (int)strcspn(doc, "\n"), doc);
		if (server)
			snprintf(m->server, sizeof(m->server), "%.*s", (int)strcspn(server + 1, "\n"),
				 server + 1);
	}
	return 0;
}

/* Whether phases that last a fixed time had the transactions that the scenario wants at least. */
static int lasted(const struct metrics *m, const struct plan *p, const struct vm *vm, char *reason)
{
	double n = 0;
	int i;

	for (i = 0; i < p->s->n_phases && p->seconds; i++) {
		const struct phase *ph = &p->s->phases[i];
		double least = (double)plan_requests(p, ph, vm->variant != NULL);

		if (!vm_runs(vm, ph) || !metrics_get(m, ph->name, "requests", &n) || n >= least)
			continue;
		snprintf(reason, REASON_LEN, "phase %s: %.0f transactions in %lld s, and the scenario wants %.0f; "
			 "use more [sysbench] seconds", ph->name, n, (long long)p->seconds, least);
		return -1;
	}
	return 0;
}

/* What tiermem held where at the end, and what it moved; without it, everything is DRAM. */
static int collect(struct metrics *m, const struct plan *p, const struct vm *vm, char *reason)
{
	char path[PATH_LEN + 16], *doc;
	double dram = 0, pmem = 0;
	int err;

	metrics_add(m, vm_part(vm), "pool_size", "bytes", (double)mysql_pool(p, vm));
	if (lasted(m, p, vm, reason))
		return -1;
	if (share_results(m, p, vm, reason))
		return -1;
	if (!vm->config->tiermem)
		return 0;
	snprintf(path, sizeof(path), "%s/tiermem.json", vm->dir);
	doc = read_file(path, NULL);
	if (!doc) {
		snprintf(reason, REASON_LEN, "tiermem left no statistics: guest RAM was not managed; see qemu.log");
		return -1;
	}
	err = results_tiermem(m, vm_part(vm), doc, reason);
	free(doc);
	if (err)
		return err;
	snprintf(path, sizeof(path), "%s/" HEAT_FILE, vm->dir);
	if (heat_read(&m->heat, path, reason))
		return -1;
	metrics_get(m, vm_part(vm), "dram_bytes", &dram);
	metrics_get(m, vm_part(vm), "pmem_bytes", &pmem);
	if (dram + pmem > 0)
		metrics_add(m, vm_part(vm), "ram_pmem_share", "share", pmem / (dram + pmem));
	return 0;
}

static void parameters(const struct plan *p, void (*add)(void *to, const char *name, const char *value),
		       void *to)
{
	database_parameters(p, add, to);
	share_parameters(p, add, to);
}

static int complete(const struct metrics *m, const struct config *c, const char *phase, char *reason)
{
	if (!metrics_get(m, phase, "ops", NULL))
		snprintf(reason, REASON_LEN, "phase %s: no result of sysbench", phase);
	else if (!metrics_get(m, phase, "vcpus_busy", NULL))
		snprintf(reason, REASON_LEN, "phase %s: no statistics of the simulator", phase);
	else if (!metrics_get(m, phase, "pool_hits", NULL))
		snprintf(reason, REASON_LEN, "phase %s: no status of the server", phase);
	else
		return 0;
	return -1;
}

const struct kind kind_mysql = {
	.name = "mysql-underneath",
	.made_by = "make guest-mysql",
	.boot_work = 1500,
	.overlay = overlay,
	.expand = expand,
	.check = check,
	.plan = plan,
	.ready = database_ready,
	.prepare = database_prepare,
	.script = script,
	.before = before,
	.arguments = arguments,
	.copies = database_copy,
	.document = document,
	.collect = collect,
	.complete = complete,
	.parameters = parameters,
	.report = report_mysql,
};
