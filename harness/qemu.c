#include "harness/qemu.h"
#include "harness/kind.h"

#include <string.h>

/* A power of two that holds RAM, both NVDIMMs and slack, at least 16 GiB. */
static int64_t max_memory(const struct plan *p, int64_t ram)
{
	int64_t need = ram + p->pmem + p->root_bytes + ((int64_t)2 << 30), m = (int64_t)16 << 30;

	while (m < need)
		m *= 2;
	return m;
}

void qemu_arguments(struct arguments *a, const struct plan *p, const char *program, const struct vm *vm)
{
	const struct scenario *s = p->s;
	const char *dir = vm->dir;
	int64_t ram = plan_ram(p, vm->config, vm->database);
	char e[2 * PATH_LEN], e2[2 * PATH_LEN], e3[2 * PATH_LEN];
	struct text plugin = {0}, kind_plugin = {0};
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
	arguments_add(a, "%lldM,slots=4,maxmem=%lldM", (long long)(ram >> 20),
		      (long long)(max_memory(p, ram) >> 20));
	arguments_add(a, "-rtc");
	arguments_add(a, "base=%s,clock=vm", s->rtc);
	arguments_add(a, "-seed");
	arguments_add(a, "%lld", (long long)vm->seed);
	/* The root image comes first: it is /dev/pmem0, timed as DRAM; private, so two VMs can share the file. */
	arguments_add(a, "-object");
	arguments_add(a, "memory-backend-file,id=rootmem,share=off,mem-path=%s,size=%lld",
		      qemu_escaped(e, p->root), (long long)p->root_bytes);
	arguments_add(a, "-device");
	arguments_add(a, "nvdimm,memdev=rootmem,id=nv0");
	kind_of(s)->arguments(a, &kind_plugin, p, vm);
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
	text_add(&plugin, "%s,strict=on,profile=%s,stats=%s/stats.jsonl", qemu_escaped(e, p->plugin),
		 qemu_escaped(e2, p->profile), qemu_escaped(e3, dir));
	text_add(&plugin, "%s", kind_plugin.s ? kind_plugin.s : "");
	for (i = 0; i < s->n_sim_settings; i++)
		if (strncmp(s->sim_settings[i], "llc_kib:", 8) != 0)
			text_add(&plugin, ",set=%s", s->sim_settings[i]);
	text_add(&plugin, ",set=llc_kib:%lld", (long long)vm->llc_kib);
	arguments_add(a, "-plugin");
	arguments_add(a, "%s", plugin.s);
	text_free(&plugin);
	text_free(&kind_plugin);
}
