/* A VM for tmprobe: the guest image, a second NVDIMM that is timed as PMEM, and one script. */
#include "harness/arguments.h"
#include "harness/cpio.h"
#include "harness/proc.h"
#include "harness/validate.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char prologue[] =
	"#!/bin/sh\n"
	"# Made by tmbench validate.\n"
	"probe() { # MEMORY ARGUMENTS...: one table to the host\n"
	"\tmemory=$1; shift\n"
	"\ttmprobe --format csv --mark \"$@\" >/tmp/figures || exit 1\n"
	"\t{ echo \"@@begin $memory\"; cat /tmp/figures; echo \"@@end\"; } >/dev/ttyS1\n"
	"}\n"
	"tmmark model on || exit 1\n";

/* Adds a program of the build to the archive. */
static int add_program(struct cpio *c, const char *name)
{
	char from[PATH_LEN], path[64], build[PATH_LEN];
	size_t len;
	char *data;

	snprintf(build, sizeof(build), "build/bin/%s", name);
	root_path(from, build);
	data = read_file(from, &len);
	if (!data) {
		complain("%s is missing; run `make all`", from);
		return -1;
	}
	snprintf(path, sizeof(path), "tm/bin/%s", name);
	cpio_file(c, path, 0755, data, len);
	free(data);
	return 0;
}

/* The guest's initrd and behind it an archive with the script and the programs. */
static int write_initrd(const struct probe_vm *vm)
{
	static const char zero[512];
	char path[PATH_LEN], out[PATH_LEN + 16];
	struct text script = {0};
	struct cpio c = {0};
	size_t len = 0;
	char *base;
	int err = -1;

	root_path(path, "build/guest/initrd.img");
	base = read_file(path, &len);
	snprintf(out, sizeof(out), "%s/initrd", vm->dir);
	c.f = base ? fopen(out, "wb") : NULL;
	if (!c.f) {
		complain("cannot make %s: %s (`make guest` makes the image)", base ? out : path,
			 strerror(errno));
		free(base);
		return -1;
	}
	if (fwrite(base, 1, len, c.f) == len &&
	    fwrite(zero, 1, (512 - len % 512) % 512, c.f) == (512 - len % 512) % 512) {
		cpio_dir(&c, "tm");
		cpio_dir(&c, "tm/bin");
		text_add(&script, "%s%s", prologue, vm->script);
		cpio_file(&c, "tm/run", 0755, script.s, script.len);
		err = add_program(&c, "tmprobe") || add_program(&c, "tmmark") || cpio_end(&c) ? -1 : 0;
	}
	text_free(&script);
	free(base);
	if (fclose(c.f) || err) {
		complain("cannot write %s", out);
		return -1;
	}
	return 0;
}

static void command_line(struct arguments *a, const struct probe_vm *vm, const struct validation *v)
{
	char root[PATH_LEN], kernel[PATH_LEN], e[4][2 * PATH_LEN];
	struct stat st = {0};

	root_path(root, "build/guest/root.img");
	root_path(kernel, "build/guest/vmlinuz");
	stat(root, &st);
	arguments_add(a, "%s", v->qemu);
	for (const char *const *p =
		     (const char *const[]){"-nodefaults", "-no-user-config", "-no-reboot", "-machine",
					   "q35,nvdimm=on", "-accel", "tcg,thread=multi", "-cpu",
					   "max,-tsc,-erms,-fsrm", "-m", "512M,slots=4,maxmem=16G", "-rtc",
					   "base=2024-01-01T00:00:00,clock=vm", "-display", "none", NULL};
	     *p; p++)
		arguments_add(a, "%s", *p);
	arguments_add(a, "-smp");
	arguments_add(a, "%d", (int)v->vcpus);
	arguments_add(a, "-seed");
	arguments_add(a, "%d", (int)v->seed);
	arguments_add(a, "-object");
	arguments_add(a, "memory-backend-file,id=rootmem,share=off,mem-path=%s,size=%lld",
		      qemu_escaped(e[0], root), (long long)st.st_size);
	arguments_add(a, "-device");
	arguments_add(a, "nvdimm,memdev=rootmem,id=nv0");
	arguments_add(a, "-object");
	arguments_add(a, "memory-backend-ram,id=pmem0,size=%dM", (int)(v->vcpus * 8 + 64));
	arguments_add(a, "-device");
	arguments_add(a, "nvdimm,memdev=pmem0,id=nv1");
	arguments_add(a, "-kernel");
	arguments_add(a, "%s", kernel);
	arguments_add(a, "-initrd");
	arguments_add(a, "%s/initrd", vm->dir);
	arguments_add(a, "-append");
	arguments_add(
		a, "console=ttyS0 panic=-1 clocksource=hpet tsc=unstable nokaslr random.trust_cpu=on cryptomgr.notests quiet");
	arguments_add(a, "-serial");
	arguments_add(a, "file:%s/console.log", vm->dir);
	arguments_add(a, "-serial");
	arguments_add(a, "file:%s/results.log", vm->dir);
	arguments_add(a, "-plugin");
	arguments_add(a, "%s,profile=%s,stats=%s/stats.jsonl,pmem=pmem0,strict=on%s",
		      qemu_escaped(e[1], v->plugin), qemu_escaped(e[2], v->profile),
		      qemu_escaped(e[3], vm->dir), vm->settings);
}

int probe_vm_start(struct probe_vm *vm, const struct validation *v, int cpu)
{
	char log[PATH_LEN + 16];
	struct arguments a = {0};
	struct spawn s;
	int err = make_dirs(vm->dir);

	if (err) {
		complain("cannot make %s: %s", vm->dir, strerror(-err));
		return -1;
	}
	if (write_initrd(vm))
		return -1;
	command_line(&a, vm, v);
	snprintf(log, sizeof(log), "%s/qemu.log", vm->dir);
	s = (struct spawn){.argv = a.v, .out = log, .err = log, .preload = v->plugin, .cpu = cpu};
	vm->started = now_seconds();
	vm->pid = proc_start(&s);
	if (vm->pid < 0)
		complain("cannot start %s: %s", v->qemu, strerror(-vm->pid));
	arguments_free(&a);
	return vm->pid < 0 ? -1 : 0;
}

static struct finding *add(struct findings *f)
{
	if (f->n == f->cap) {
		f->cap = f->cap * 2 + 64;
		f->v = must_realloc(f->v, f->cap * sizeof(*f->v));
	}
	f->v[f->n] = (struct finding){0};
	return &f->v[f->n++];
}

/* The tables of tmprobe on the second serial port. */
static void read_tables(const struct probe_vm *vm, char *log, struct findings *out)
{
	char memory[8] = "", *save = NULL;

	for (char *line = strtok_r(log, "\r\n", &save); line; line = strtok_r(NULL, "\r\n", &save)) {
		struct finding f = {.vm = vm->name};

		if (sscanf(line, "@@begin %7s", memory) == 1)
			continue;
		if (sscanf(line, "%23[^,],%23[^,],%d,%lf,%lf,%lf,%7s", f.test, f.op, &f.threads, &f.bytes,
			   &f.writes, &f.value, f.unit) != 7)
			continue;
		memcpy(f.memory, memory, sizeof(memory));
		*add(out) = f;
	}
}

static double number(json_t *obj, const char *key)
{
	return json_number_value(json_object_get(obj, key));
}

/* The profile as the simulator says it has it. */
static void read_settings(json_t *event, struct findings *out)
{
	const char *key;
	json_t *value;

	if (out->n_settings)
		return;
	snprintf(out->profile, sizeof(out->profile), "%s",
		 json_string_value(json_object_get(event, "profile")));
	json_object_foreach(json_object_get(event, "settings"), key, value)
	{
		if (out->n_settings == COUNT(out->settings))
			return;
		snprintf(out->settings[out->n_settings].key, sizeof(out->settings[0].key), "%s", key);
		out->settings[out->n_settings++].value = json_number_value(value);
	}
}

/* The write amplification of the phases that measure it. */
static void read_phase(const struct probe_vm *vm, json_t *event, struct findings *out)
{
	const char *name = json_string_value(json_object_get(event, "name"));
	unsigned long long bytes;
	json_t *tier;
	size_t i;

	if (!name || sscanf(name, "amplification-ntstore-1-%llu-", &bytes) != 1)
		return;
	json_array_foreach(json_object_get(event, "tiers"), i, tier)
	{
		const char *id = json_string_value(json_object_get(tier, "name"));

		for (size_t k = 0; id && !strcmp(id, "pmem") && k < out->n; k++)
			if (out->v[k].vm == vm->name && !strcmp(out->v[k].test, "amplification") &&
			    out->v[k].bytes == (double)bytes)
				out->v[k].amplification = number(tier, "write_amplification");
	}
}

static void read_statistics(const struct probe_vm *vm, char *log, struct findings *out)
{
	char *save = NULL;

	for (char *line = strtok_r(log, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		json_t *event = json_loads(line, 0, NULL);
		const char *kind = json_string_value(json_object_get(event, "event"));

		if (kind && !strcmp(kind, "start"))
			read_settings(event, out);
		else if (kind && !strcmp(kind, "phase"))
			read_phase(vm, event, out);
		json_decref(event);
	}
}

int probe_vm_collect(struct probe_vm *vm, int status, struct findings *out)
{
	char path[PATH_LEN + 16];
	char *log;
	bool ended;

	vm->seconds = now_seconds() - vm->started;
	snprintf(path, sizeof(path), "%s/results.log", vm->dir);
	log = read_file(path, NULL);
	ended = log && strstr(log, "@@exit 0") && WIFEXITED(status) && WEXITSTATUS(status) == 0;
	if (!ended) {
		complain("VM %s failed (status %d); its logs are in %s", vm->name, status, vm->dir);
		free(log);
		return -1;
	}
	read_tables(vm, log, out);
	free(log);
	snprintf(path, sizeof(path), "%s/stats.jsonl", vm->dir);
	log = read_file(path, NULL);
	if (!log) {
		complain("VM %s left no statistics in %s", vm->name, vm->dir);
		return -1;
	}
	read_statistics(vm, log, out);
	free(log);
	return 0;
}
