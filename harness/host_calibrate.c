/*
 * Figures of a calibration: chase-BYTES (ns), latency-OP (ns), bandwidth-OP (GB/s, one thread): tmprobe on the host;
 * loop-KERNEL (ns of CPU time per operation): tmloop on the host; instructions-KERNEL and stall-KERNEL (per operation, ns):
 * tmloop in a VM; simulated-BYTES (ns): tmprobe's chase there; l1_kib, l2_kib (0: not known), l2_ways, llc_ways: as the
 * CPU says.
 */
#include "harness/host.h"
#include "harness/proc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *name, *of;
} kernels[] = {{"sort", "program"}, {"text", "program"},  {"lookup", "program"}, {"json", "program"},
	       {"sql", "program"},  {"regex", "program"}, {"mixed", "program"},	 {"syscall", "system"},
	       {"file", "system"},  {"socket", "system"}, {"switch", "system"},	 {"wake", "two CPUs"}};

const char *host_kernel(int i, const char **of)
{
	if (i >= (int)COUNT(kernels))
		return NULL;
	*of = kernels[i].of;
	return kernels[i].name;
}

int host_add(struct host_calibration *c, const char *name, double value)
{
	struct host_figure *f = NULL;

	for (int i = 0; i < c->n && !f; i++)
		f = !strcmp(c->f[i].name, name) ? &c->f[i] : NULL;
	if (!f && c->n < HOST_MAX_FIGURES) {
		f = &c->f[c->n++];
		*f = (struct host_figure){0};
		snprintf(f->name, sizeof(f->name), "%s", name);
	}
	if (!f || f->n == HOST_MAX_VALUES)
		return -1;
	f->v[f->n++] = value;
	return 0;
}

const struct host_figure *host_get(const struct host_calibration *c, const char *name)
{
	for (int i = 0; i < c->n; i++)
		if (!strcmp(c->f[i].name, name))
			return &c->f[i];
	return NULL;
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double host_spread(const double *v, int n, double *median)
{
	double sorted[HOST_MAX_VALUES], m;

	if (median)
		*median = 0;
	if (n < 1 || n > HOST_MAX_VALUES)
		return 0;
	memcpy(sorted, v, (size_t)n * sizeof(*v));
	qsort(sorted, (size_t)n, sizeof(*sorted), ascending);
	m = (sorted[(n - 1) / 2] + sorted[n / 2]) / 2;
	if (median)
		*median = m;
	return m > 0 ? (sorted[n - 1] - sorted[0]) / m : 0;
}

double host_median(const struct host_calibration *c, const char *name)
{
	const struct host_figure *f = host_get(c, name);
	double m = 0;

	if (f)
		host_spread(f->v, f->n, &m);
	return m;
}

/* Takes the lines of tmprobe's or tmloop's CSV; `chase` and `loop` begin the names. How many figures. */
static int read_csv(struct host_calibration *c, char *text, const char *chase, const char *loop)
{
	char *save = NULL, test[24], op[24], name[64];
	double bytes, value;
	int found = 0;

	for (char *line = strtok_r(text, "\r\n", &save); line; line = strtok_r(NULL, "\r\n", &save)) {
		if (sscanf(line, "%23[^,],%23[^,],%*d,%lf,%*f,%lf,", test, op, &bytes, &value) == 4) {
			if (!strcmp(test, "chase"))
				snprintf(name, sizeof(name), "%s-%.0f", chase, bytes);
			else
				snprintf(name, sizeof(name), "%s-%s", test, op);
		} else if (loop && sscanf(line, "%23[^,],%23[^,],%*d,%lf", test, op, &value) == 3) {
			snprintf(name, sizeof(name), "%s-%s", loop, test);
		} else {
			continue;
		}
		found += !host_add(c, name, value);
	}
	return found;
}

/* Runs one program of the build and takes its CSV. 0 or an exit code. */
static int take(struct host *h, bool priority, const char *program, const char *words)
{
	char path[PATH_LEN], build[64], log[PATH_LEN + 32], *text;
	struct arguments a = {0};
	struct spawn s = {.out = log, .err = log, .cpu = 1};
	int err, found;
	pid_t pid;

	snprintf(build, sizeof(build), "build/bin/%s", program);
	root_path(path, build);
	snprintf(log, sizeof(log), "%s/%s.csv", h->out, program);
	if (priority)
		host_add_priority(h, &a);
	arguments_add(&a, "%s", path);
	host_add_words(&a, words);
	s.argv = a.v;
	pid = proc_start(&s);
	err = pid < 0 ? -1 : host_wait(pid, (double)h->timeout);
	arguments_free(&a);
	if (err == EXIT_SIGNAL)
		return err;
	text = err ? NULL : read_file(log, NULL);
	found = text ? read_csv(&h->cal, text, "chase", "loop") : 0;
	free(text);
	if (found)
		return 0;
	complain("%s failed on the host; see %s", program, log);
	return EXIT_FAIL;
}

/* What the CPU says of a cache ("ways_of_associativity", "size" in KiB), 0 when it does not or it is out of range. */
static double cache_fact(int index, const char *what, double min, double max)
{
	char path[96], *text;
	double n;

	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu0/cache/index%d/%s", index, what);
	text = read_file(path, NULL);
	n = text ? atof(text) : 0;
	free(text);
	return n >= min && n <= max ? n : 0;
}

/* Private caches are as large as the CPU says; what there is of the last level others have a say in. 0 or -1. */
static int add_facts(struct host_calibration *c)
{
	double l2_ways = cache_fact(2, "ways_of_associativity", 1, 16),
	       llc_ways = cache_fact(3, "ways_of_associativity", 1, 16);

	return host_add(c, "l1_kib", cache_fact(0, "size", 4, 1024)) ||
			       host_add(c, "l2_kib", cache_fact(2, "size", 16, 65536)) ||
			       host_add(c, "l2_ways", l2_ways > 0 ? l2_ways : 8) ||
			       host_add(c, "llc_ways", llc_ways > 0 ? llc_ways : 16)
		       ? -1
		       : 0;
}

int host_measure(struct host *h)
{
	int err = take(h, true, "tmprobe",
		       "--dram --threads 1 --region 64M --warm 64M --test chase,latency --format csv");

	/* Its threads look after their priorities themselves. */
	err = err ? err
		  : take(h, false, "tmprobe",
			 "--dram --threads 1 --region 64M --test bandwidth --time 150 --warmup 10 --format "
			 "csv");
	if (!err && !host_get(&h->cal, "l2_ways"))
		err = add_facts(&h->cal);
	return err ? err : take(h, true, "tmloop", "--cpu 1 --rounds 20");
}

int host_count(struct host *h)
{
	struct host_vm vm = {
		.name = "calibration",
		.root = "build/guest/root.img",
		.ram_mib = 512,
		.script = "tmmark model on || fail tmmark\n"
			  "tmloop --mark --cpu 0 --rounds 10 >/dev/ttyS1 || fail tmloop\n"
			  "tmprobe --dram --threads 1 --region 16M --warm 16M --test chase --format csv "
			  ">/dev/ttyS1 || fail tmprobe\n"};
	char path[PATH_LEN], name[64], *text;
	const char *of;
	int err = host_vm_run(h, &vm);

	if (err)
		return err;
	snprintf(path, sizeof(path), "%s/results.log", vm.dir);
	text = read_file(path, NULL);
	for (int i = 0; host_kernel(i, &of) && !err; i++) {
		struct host_phase phase;
		double operations = 0;
		char *line;

		snprintf(name, sizeof(name), "\n%s,%s,", host_kernel(i, &of), of);
		line = text ? strstr(text, name) : NULL;
		if (line)
			operations = atof(line + strlen(name));
		if (operations <= 0 || host_vm_phase(&vm, host_kernel(i, &of), false, &phase)) {
			complain("tmloop's %s did not run in the VM; its logs are in %s", host_kernel(i, &of),
				 vm.dir);
			free(text);
			return EXIT_FAIL;
		}
		snprintf(name, sizeof(name), "instructions-%s", host_kernel(i, &of));
		err = host_add(&h->cal, name, phase.instructions / operations);
		snprintf(name, sizeof(name), "stall-%s", host_kernel(i, &of));
		err |= host_add(&h->cal, name, phase.stall_ns / operations);
	}
	if (text)
		read_csv(&h->cal, text, "simulated", NULL);
	free(text);
	return err ? EXIT_FAIL : 0;
}

double host_instruction_ns(const struct host_calibration *c, const char *of)
{
	double sum = 0;
	const char *whose;
	int n = 0;

	for (int i = 0; host_kernel(i, &whose); i++) {
		char name[3][64];
		double instructions;

		for (int k = 0; k < 3; k++)
			snprintf(name[k], sizeof(name[k]), "%s-%s",
				 (const char *const[]){"loop", "stall", "instructions"}[k],
				 host_kernel(i, &whose));
		instructions = host_median(c, name[2]);
		if (strcmp(whose, of) != 0 || instructions <= 0 || host_median(c, name[0]) <= 0)
			continue;
		sum += (host_median(c, name[0]) - host_median(c, name[1])) / instructions;
		n++;
	}
	return n ? sum / n : 0;
}

double host_wake_ns(const struct host_calibration *c, double system_ns)
{
	double instructions = host_median(c, "instructions-wake"), ns = host_median(c, "loop-wake");
	double beyond = ns - host_median(c, "stall-wake") - instructions * system_ns;

	return instructions > 0 && ns > 0 && system_ns > 0 && beyond > 0 ? beyond / 4 : 0;
}

int host_calibration_write(const struct host_calibration *c, const char *path)
{
	struct text t = {0};
	int err;

	text_add(&t, "figure,value\n");
	for (int i = 0; i < c->n; i++)
		for (int k = 0; k < c->f[i].n; k++)
			text_add(&t, "%s,%.8g\n", c->f[i].name, c->f[i].v[k]);
	err = write_file(path, t.s, t.len, 0644);
	text_free(&t);
	if (err)
		complain("cannot write %s: %s", path, strerror(-err));
	return err ? -1 : 0;
}

int host_calibration_read(struct host_calibration *c, const char *path)
{
	char *text = read_file(path, NULL), *save = NULL, name[40], end;
	int number = 0;

	if (!text) {
		complain("cannot read %s: %s", path, strerror(errno));
		return -1;
	}
	for (char *line = strtok_r(text, "\r\n", &save); line; line = strtok_r(NULL, "\r\n", &save)) {
		double value;

		if (!number++ && !strcmp(line, "figure,value"))
			continue;
		if (sscanf(line, "%39[^,],%lf%c", name, &value, &end) != 2 || host_add(c, name, value)) {
			complain("%s:%d: want a line 'figure,value' as results/host/calibration.csv has them",
				 path, number);
			free(text);
			return -1;
		}
	}
	free(text);
	return 0;
}
