/* A simulated VM with two vCPUs that runs one script; strict, so that it can be run again to the digit. */
#include "harness/cpio.h"
#include "harness/host.h"
#include "harness/proc.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Path of a file in the VM's folder; valid until the next call. */
static const char *in_dir(const struct host_vm *vm, const char *name)
{
	static char path[PATH_LEN];

	snprintf(path, sizeof(path), "%s/%s", vm->dir, name);
	return path;
}

/* The guest's initrd and behind it an archive with the script and the programs. 0, or -1 after saying why. */
static int write_initrd(const struct host_vm *vm)
{
	static const char *const programs[] = {"tmload", "tmmark", "tmprobe", "tmloop"};
	static const char zero[512];
	char path[PATH_LEN], name[64];
	struct text script = {0};
	struct cpio c = {0};
	size_t len = 0;
	char *data;
	int err = 0;

	root_path(path, "build/guest/initrd.img");
	data = read_file(path, &len);
	c.f = data ? fopen(in_dir(vm, "initrd"), "wb") : NULL;
	if (!c.f) {
		complain("cannot make %s: %s", data ? in_dir(vm, "initrd") : path, strerror(errno));
		free(data);
		return -1;
	}
	if (fwrite(data, 1, len, c.f) != len ||
	    fwrite(zero, 1, (512 - len % 512) % 512, c.f) != (512 - len % 512) % 512)
		err = -1;
	free(data);
	cpio_dir(&c, "tm");
	cpio_dir(&c, "tm/bin");
	text_add(&script,
		 "#!/bin/sh\n# Made by tmbench host.\nfail() { echo \"tmbench-guest: error: $*\"; exit 1; "
		 "}\n%s",
		 vm->script);
	cpio_file(&c, "tm/run", 0755, script.s, script.len);
	text_free(&script);
	for (size_t i = 0; i < COUNT(programs); i++) {
		snprintf(name, sizeof(name), "build/bin/%s", programs[i]);
		root_path(path, name);
		data = read_file(path, &len);
		if (!data) {
			complain("%s is missing; run `make all`", path);
			fclose(c.f);
			return -1;
		}
		snprintf(name, sizeof(name), "tm/bin/%s", programs[i]);
		cpio_file(&c, name, 0755, data, len);
		free(data);
	}
	err |= cpio_end(&c);
	if (!fclose(c.f) && !err)
		return 0;
	complain("cannot write %s", in_dir(vm, "initrd"));
	return -1;
}

static void command_line(struct arguments *a, const struct host *h, const struct host_vm *vm)
{
	char root[PATH_LEN], kernel[PATH_LEN], e[4][2 * PATH_LEN];
	struct stat st = {0};

	root_path(root, vm->root);
	root_path(kernel, "build/guest/vmlinuz");
	stat(root, &st);
	arguments_add(a, "%s", h->qemu);
	host_add_words(
		a, "-nodefaults -no-user-config -no-reboot -machine q35,nvdimm=on -accel tcg,thread=multi "
		   "-cpu max,-erms,-fsrm -rtc base=2024-01-01T00:00:00,clock=vm -seed 1 -display none "
		   "-smp 2 -m");
	arguments_add(a, "%lldM,slots=4,maxmem=16G", (long long)vm->ram_mib);
	arguments_add(a, "-object");
	arguments_add(a, "memory-backend-file,id=rootmem,share=off,mem-path=%s,size=%lld",
		      qemu_escaped(e[0], root), (long long)st.st_size);
	host_add_words(a, "-device nvdimm,memdev=rootmem,id=nv0 -kernel");
	arguments_add(a, "%s", kernel);
	arguments_add(a, "-initrd");
	arguments_add(a, "%s", in_dir(vm, "initrd"));
	arguments_add(a, "-append");
	arguments_add(
		a, "console=ttyS0 panic=-1 clocksource=tsc tsc=reliable nokaslr random.trust_cpu=on cryptomgr.notests quiet");
	arguments_add(a, "-serial");
	arguments_add(a, "file:%s", qemu_escaped(e[1], in_dir(vm, "console.log")));
	arguments_add(a, "-serial");
	arguments_add(a, "file:%s", qemu_escaped(e[1], in_dir(vm, "results.log")));
	arguments_add(a, "-plugin");
	arguments_add(a, "%s,profile=%s,stats=%s,strict=on", qemu_escaped(e[1], h->plugin),
		      qemu_escaped(e[2], h->profile), qemu_escaped(e[3], in_dir(vm, "stats.jsonl")));
}

/* The last line of a log that says something, for a person. */
static void say_last_line(const struct host_vm *vm, const char *name)
{
	char *log = read_file(in_dir(vm, name), NULL), *save = NULL, *last = NULL;

	for (char *line = log ? strtok_r(log, "\r\n", &save) : NULL; line;
	     line = strtok_r(NULL, "\r\n", &save))
		last = line;
	if (last)
		fprintf(stderr, "  %s: %.300s\n", name, last);
	free(log);
}

int host_vm_run(const struct host *h, struct host_vm *vm)
{
	char log[PATH_LEN], *results;
	struct arguments a = {0};
	struct spawn s = {.out = log, .err = log, .preload = h->plugin, .cpu = -1};
	double begin = now_seconds();
	bool ended;
	pid_t pid;
	int err;

	snprintf(vm->dir, sizeof(vm->dir), "%.400s/vm-%s", h->out, vm->name);
	err = make_dirs(vm->dir);
	if (err) {
		complain("cannot make %s: %s", vm->dir, strerror(-err));
		return EXIT_FAIL;
	}
	unlink(in_dir(vm, "results.log"));
	unlink(in_dir(vm, "stats.jsonl"));
	if (write_initrd(vm))
		return EXIT_FAIL;
	command_line(&a, h, vm);
	snprintf(log, sizeof(log), "%s", in_dir(vm, "qemu.log"));
	s.argv = a.v;
	pid = proc_start(&s);
	arguments_free(&a);
	if (pid < 0) {
		complain("cannot start %s: %s", h->qemu, strerror(-pid));
		return EXIT_FAIL;
	}
	err = host_wait(pid, (double)h->timeout);
	unlink(in_dir(vm, "initrd"));
	if (err == EXIT_SIGNAL)
		return err;
	results = read_file(in_dir(vm, "results.log"), NULL);
	ended = !err && results && strstr(results, "@@exit 0");
	free(results);
	if (!ended) {
		complain("the VM %s %s; its logs are in %s", vm->name,
			 now_seconds() - begin > (double)h->timeout
				 ? "is not done in time (--timeout allows more)"
				 : "failed",
			 vm->dir);
		say_last_line(vm, "qemu.log");
		say_last_line(vm, "console.log");
		return EXIT_FAIL;
	}
	if (h->progress)
		fprintf(stderr, "tmbench: VM %s: %.0f s\n", vm->name, now_seconds() - begin);
	return 0;
}

int host_vm_phase(const struct host_vm *vm, const char *name, bool first, struct host_phase *out)
{
	char *log = read_file(in_dir(vm, "stats.jsonl"), NULL), *save = NULL;
	int err = -1;

	for (char *line = log ? strtok_r(log, "\n", &save) : NULL; line; line = strtok_r(NULL, "\n", &save)) {
		json_t *event = json_loads(line, 0, NULL);
		const char *found = json_string_value(json_object_get(event, "name"));
		json_t *vcpu;
		size_t i;

		json_array_foreach(json_object_get(event, "vcpus"), i, vcpu)
		{
			if (!found || strcmp(found, name) != 0 || (first && i))
				continue;
			if (!i)
				*out = (struct host_phase){0};
			out->instructions += json_number_value(json_object_get(vcpu, "instructions"));
			out->busy_ns += json_number_value(json_object_get(vcpu, "busy_ns"));
			out->stall_ns += json_number_value(json_object_get(vcpu, "stall_ns"));
			err = 0;
		}
		json_decref(event);
	}
	free(log);
	if (err)
		complain("the VM %s has no statistics of '%s'; its logs are in %s", vm->name, name, vm->dir);
	return err;
}

int host_simulate(const struct host *h, struct host_load *l)
{
	struct text script = {0};
	struct host_vm vm = {.name = l->name, .root = l->root, .ram_mib = l->ram_mib};
	struct host_phase phase = {0};
	char client[512], work[128], *log;
	double user[2] = {0}, system[2] = {0};
	int err, n = 0;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	snprintf(client, sizeof(client), l->client, 5001);
	snprintf(work, sizeof(work), l->work, (long long)(l->operations / l->divide));
#pragma GCC diagnostic pop
	text_add(&script, "priority='%s'\n", h->realtime ? HOST_PRIORITY : "");
	if (l->socket)
		text_add(&script, "install -d -o mysql -g mysql /run/mysqld\n");
	text_add(&script, "taskset -c 0 $priority %s --port 5001 >/tm/server.log 2>&1 &\nserver=$!\n",
		 l->server);
	if (l->socket)
		text_add(&script,
			 "until [ -S %s ]; do\n"
			 "\tkill -0 $server || { cat /tm/server.log; fail server; }\n\tsleep 0.1\ndone\n",
			 l->socket);
	text_add(&script,
		 "load() { taskset -c %d $priority %s%s \"$@\" >/tm/load.log 2>&1 || { cat /tm/load.log; "
		 "fail load; }; "
		 "}\n"
		 "load %s\n"
		 "tmmark model on || fail tmmark\n"
		 "ticks() { { printf '@@ticks '; cat /proc/$server/stat; } >>/tm/ticks; }\n"
		 "ticks\ntmmark begin measured\nload %s\ntmmark end\nticks\ncat /tm/load.log /tm/ticks "
		 ">/dev/ttyS1\n",
		 l->client_cpu, l->in_root ? "" : "tmload ", client, l->warm, work);
	vm.script = script.s;
	err = host_vm_run(h, &vm);
	text_free(&script);
	if (err)
		return err;
	if (host_vm_phase(&vm, "measured", l->client_cpu != 0, &phase) || phase.busy_ns <= 0)
		return EXIT_FAIL;
	log = read_file(in_dir(&vm, "results.log"), NULL);
	l->simulated.per_cpu_s = (double)l->operations / phase.busy_ns * 1e9;
	l->simulated.per_s = log ? host_throughput(l, log) : 0;
	for (char *at = log; at && n < 2 && (at = strstr(at, "@@ticks ")); n++, at++)
		host_ticks(at, &user[n], &system[n]);
	l->simulated.system = n == 2 ? host_share(user, system) : 0;
	free(log);
	if (l->simulated.per_s > 0)
		return 0;
	complain("the client in the VM %s says no throughput; its logs are in %s", vm.name, vm.dir);
	return EXIT_FAIL;
}
