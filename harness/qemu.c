#include "harness/qemu.h"
#include "harness/proc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int qemu_probe(const char *program, char *version, size_t size)
{
	char name[PATH_LEN], out[4096];
	char *ask_version[] = {name, "--version", NULL};
	char *ask_plugin[] = {name, "-machine", "none", "-display", "none", "-plugin", "/nonexistent", NULL};
	int status;

	snprintf(name, sizeof(name), "%s", program);
	status = proc_capture(ask_version, out, sizeof(out));
	if (status == -ENOENT) {
		complain("%s not found; install qemu-system-x86 (`make deps`) or name one with --qemu",
			 program);
		return EXIT_FAIL;
	}
	if (status != 0) {
		complain("%s --version failed (%s %d); name a working QEMU with --qemu", program,
			 status < 0 ? "error" : "status", status < 0 ? -status : status);
		return EXIT_FAIL;
	}
	out[strcspn(out, "\r\n")] = '\0';
	snprintf(version, size, "%.*s", (int)size - 1,
		 strncmp(out, "QEMU emulator version ", 22) ? out : out + 22);
	proc_capture(ask_plugin, out, sizeof(out));
	if (!strstr(out, "ould not load plugin")) {
		out[strcspn(out, "\r\n")] = '\0';
		complain("%s takes no TCG plugins (it says: %s); use one built with --enable-plugins, as "
			 "Debian's is",
			 program, out[0] ? out : "nothing");
		return EXIT_FAIL;
	}
	return 0;
}

void arguments_add(struct arguments *a, const char *fmt, ...)
{
	va_list ap;
	char *s;

	if (a->n + 2 > a->cap) {
		a->cap = a->cap * 2 + 16;
		a->v = must_realloc(a->v, (size_t)a->cap * sizeof(*a->v));
	}
	va_start(ap, fmt);
	if (vasprintf(&s, fmt, ap) < 0)
		exit(EXIT_FAIL);
	va_end(ap);
	a->v[a->n++] = s;
	a->v[a->n] = NULL;
}

void arguments_free(struct arguments *a)
{
	int i;

	for (i = 0; i < a->n; i++)
		free(a->v[i]);
	free(a->v);
	*a = (struct arguments){0};
}

/* Double the commas of a path, as QEMU's option syntax wants; a buffer per use in one call. */
static const char *escaped(char out[2 * PATH_LEN], const char *path)
{
	size_t o = 0;

	for (; *path && o < 2 * PATH_LEN - 2; path++) {
		out[o++] = *path;
		if (*path == ',')
			out[o++] = ',';
	}
	out[o] = '\0';
	return out;
}

/* A power of two that holds RAM, both NVDIMMs and slack, at least 16 GiB. */
static int64_t max_memory(const struct plan *p)
{
	int64_t need = p->ram + p->pmem + p->root_bytes + ((int64_t)2 << 30), m = (int64_t)16 << 30;

	while (m < need)
		m *= 2;
	return m;
}

void qemu_arguments(struct arguments *a, const struct plan *p, const char *program, const struct config *c,
		    int64_t llc_kib, int64_t seed, const char *dir)
{
	const struct scenario *s = p->s;
	char e[2 * PATH_LEN], e2[2 * PATH_LEN], e3[2 * PATH_LEN];
	struct text plugin = {0};
	int i;

	arguments_add(a, "%s", program);
	arguments_add(a, "-nodefaults");
	arguments_add(a, "-no-user-config");
	arguments_add(a, "-machine");
	arguments_add(a, "%s,nvdimm=on", s->machine);
	arguments_add(a, "-accel");
	arguments_add(a, "tcg,thread=multi");
	arguments_add(a, "-cpu");
	arguments_add(a, "%s", s->cpu);
	arguments_add(a, "-smp");
	arguments_add(a, "%d", (int)s->vcpus);
	arguments_add(a, "-m");
	arguments_add(a, "%lldM,slots=4,maxmem=%lldM", (long long)(p->ram >> 20),
		      (long long)(max_memory(p) >> 20));
	arguments_add(a, "-rtc");
	arguments_add(a, "base=%s,clock=vm", s->rtc);
	arguments_add(a, "-seed");
	arguments_add(a, "%lld", (long long)seed);
	/* The root image comes first: it is /dev/pmem0, timed as DRAM; private, so two VMs can share the file. */
	arguments_add(a, "-object");
	arguments_add(a, "memory-backend-file,id=rootmem,share=off,mem-path=%s,size=%lld",
		      escaped(e, p->root), (long long)p->root_bytes);
	arguments_add(a, "-device");
	arguments_add(a, "nvdimm,memdev=rootmem,id=nv0");
	if (c->tiermem) {
		arguments_add(a, "-object");
		arguments_add(a, "memory-backend-ram,id=pmem0,size=%lldM", (long long)(p->pmem >> 20));
		arguments_add(a, "-device");
		arguments_add(a, "nvdimm,memdev=pmem0,id=nv1");
	}
	arguments_add(a, "-kernel");
	arguments_add(a, "%s", p->kernel);
	arguments_add(a, "-initrd");
	arguments_add(a, "%s/initrd", dir);
	arguments_add(a, "-append");
	arguments_add(a, "%s", s->append);
	arguments_add(a, "-display");
	arguments_add(a, "none");
	arguments_add(a, "-no-reboot");
	arguments_add(a, "-serial");
	arguments_add(a, "file:%s/console.log", dir);
	arguments_add(a, "-serial");
	arguments_add(a, "file:%s/results.log", dir);
	text_add(&plugin, "%s,profile=%s,stats=%s/stats.jsonl", escaped(e, p->plugin),
		 escaped(e2, p->profile), escaped(e3, dir));
	if (c->tiermem)
		text_add(&plugin, ",pmem=pmem0");
	for (i = 0; i < s->n_sim_settings; i++)
		if (strncmp(s->sim_settings[i], "llc_kib:", 8) != 0)
			text_add(&plugin, ",set=%s", s->sim_settings[i]);
	text_add(&plugin, ",set=llc_kib:%lld", (long long)llc_kib);
	arguments_add(a, "-plugin");
	arguments_add(a, "%s", plugin.s);
	text_free(&plugin);
}
