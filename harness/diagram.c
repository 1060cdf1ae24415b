#include "harness/diagram.h"
#include "harness/gnuplot.h"
#include "harness/kind.h"

#include <stdlib.h>
#include <string.h>

/* The texts of a diagram. */
struct texts {
	char heading[128], subtitle[160], guest[160], server[96], load[96], managed[128], dram[128], pmem[128], disk[96];
};

/* The DRAM of the configs that run everywhere, as "16/4/2 GB". */
static void quotas(const struct scenario *s, char *out, size_t size)
{
	struct text t = {0};
	int i;

	for (i = 0; i < s->n_configs; i++) {
		const struct config *c = &s->configs[i];

		if (c->tiermem && !c->only_full && !c->databases[0])
			text_add(&t, "%s%g", t.len ? "/" : "", (double)c->dram / (double)(1 << 30));
	}
	snprintf(out, size, "%s GiB", t.s ? t.s : "?");
	text_free(&t);
}

/* tiermem in the QEMU process: MariaDB's VMs. */
static void underneath(struct texts *t, const struct scenario *s)
{
	char ram[24], tiered[24] = "", dram[64];
	struct text databases = {0};
	int i;

	format_size(ram, (double)s->ram);
	quotas(s, dram, sizeof(dram));
	for (i = 0; i < s->n_databases; i++) {
		char size[24];

		format_size(size, (double)s->databases[i].data);
		text_add(&databases, "%s%s", databases.len ? " or " : "", size);
		if (s->databases[i].tiered_ram)
			format_size(tiered, (double)s->databases[i].tiered_ram);
	}
	snprintf(t->heading, sizeof(t->heading), "Underneath: the guest knows nothing of tiers");
	snprintf(t->guest, sizeof(t->guest), "VM: %d vCPUs, %s%s%s, stock kernel", (int)s->vcpus, ram,
		 tiered[0] ? " or " : "", tiered);
	snprintf(t->server, sizeof(t->server), "MariaDB\nvCPUs %s\nbuffer pool %.0f %%", s->server_cpus, 100 * s->pool);
	snprintf(t->load, sizeof(t->load), "sysbench\nvCPUs %s\n%d threads", s->client_cpus, (int)s->connections);
	snprintf(t->disk, sizeof(t->disk), "virtio disk\ndatabase of\n%s", databases.s);
	snprintf(t->managed, sizeof(t->managed), "libtiermem-preload.so: guest RAM in granules");
	snprintf(t->dram, sizeof(t->dram), "DRAM reserved\n%s", dram);
	snprintf(t->pmem, sizeof(t->pmem), "PMEM\nthe rest of guest RAM");
	text_free(&databases);
}

/* tiermem in the server's process in the guest: Redis' VMs. */
static void inside(struct texts *t, const struct scenario *s)
{
	char ram[24], pmem[24], data[24], dram[64];

	format_size(ram, (double)s->ram);
	format_size(pmem, (double)s->pmem);
	format_size(data, (double)s->data);
	quotas(s, dram, sizeof(dram));
	snprintf(t->heading, sizeof(t->heading), "Inside: tiermem runs in the guest, in the server's process");
	snprintf(t->guest, sizeof(t->guest), "VM: %d vCPUs, %s, stock kernel", (int)s->vcpus, ram);
	snprintf(t->server, sizeof(t->server), "redis-server, vCPU %d, %s of data", (int)s->server_cpu, data);
	snprintf(t->load, sizeof(t->load), "tmload\nvCPUs %s\n%d connections", s->load_cpus,
		 (int)(s->threads * s->clients));
	snprintf(t->managed, sizeof(t->managed), "libtiermem-preload.so:\nits memory in granules");
	snprintf(t->dram, sizeof(t->dram), "guest's DRAM\nquota %s", dram);
	snprintf(t->pmem, sizeof(t->pmem), "guest's NVDIMM (PMEM)\n%s", pmem);
}

/* Draw in one format. 0 or EXIT_FAIL after saying why. */
static int plot(const struct texts *t, const char *number, const char *dir, const char *format)
{
	char path[PATH_LEN + 32];
	struct text set = {0};
	int err;

	snprintf(path, sizeof(path), "%s/figure%s.%s", dir, number, format);
	gnuplot_text(&set, "format", format);
	gnuplot_text(&set, "out", path);
	gnuplot_text(&set, "heading", t->heading);
	gnuplot_text(&set, "subtitle", t->subtitle);
	gnuplot_text(&set, "guest", t->guest);
	gnuplot_text(&set, "server", t->server);
	gnuplot_text(&set, "load", t->load);
	gnuplot_text(&set, "managed", t->managed);
	gnuplot_text(&set, "dram", t->dram);
	gnuplot_text(&set, "pmem", t->pmem);
	gnuplot_text(&set, "disk", t->disk);
	text_add(&set, "underneath=%d", !strcmp(number, "1"));
	err = gnuplot_run("placement", set.s);
	text_free(&set);
	if (!err)
		printf("%s\n", path);
	return err;
}

int diagram_draw(const char *number, const char *dir)
{
	static struct scenario s;
	struct texts t = {0};
	bool below = !strcmp(number, "1");
	int err = scenario_take(&s, below ? "figure4" : "figure3", &(struct choice){0});

	if (err)
		return err;
	snprintf(t.subtitle, sizeof(t.subtitle), "the paper's sizes, as %s.conf has them; measured at 1/%lld of them", s.name,
		 (long long)s.default_scale);
	(below ? underneath : inside)(&t, &s);
	err = make_dirs(dir);
	if (err) {
		complain("cannot make %s: %s", dir, strerror(-err));
		return EXIT_FAIL;
	}
	return plot(&t, number, dir, "svg") || plot(&t, number, dir, "png") ? EXIT_FAIL : EXIT_OK;
}
