/* The simulator's statistics: JSON lines, of which those of kind "phase" carry the figures. */
#include "harness/vm.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* OBJ[KEY] as a number, 0 if there is none. */
static double get(json_t *obj, const char *key)
{
	return json_number_value(json_object_get(obj, key));
}

/* A quotient as a metric, left out when nothing was counted. */
static void share(struct metrics *m, const char *phase, const char *name, double part, double whole)
{
	if (whole > 0)
		metrics_add(m, phase, name, "share", part / whole);
}

/* One vCPU's figures; they are named vcpuN_*, the server's also server_*. */
static void vcpu_metrics(struct metrics *m, const char *phase, json_t *v, int server)
{
	double busy = get(v, "busy_ns"), dram = get(v, "llc_misses_dram"), pmem = get(v, "llc_misses_pmem");
	double whole = busy + get(v, "idle_ns");
	int id = (int)get(v, "id"), pass;
	char prefix[24], name[METRIC_LEN];

	snprintf(prefix, sizeof(prefix), "vcpu%d", id);
	for (pass = 0; pass < (id == server ? 2 : 1); pass++) {
		if (pass == 1)
			strcpy(prefix, "server");
		snprintf(name, sizeof(name), "%s_busy", prefix);
		share(m, phase, name, busy, whole);
		snprintf(name, sizeof(name), "%s_stall", prefix);
		share(m, phase, name, get(v, "stall_ns"), busy);
		snprintf(name, sizeof(name), "%s_instructions", prefix);
		metrics_add(m, phase, name, "count", get(v, "instructions"));
		snprintf(name, sizeof(name), "%s_l2_misses", prefix);
		metrics_add(m, phase, name, "count", get(v, "l2_misses"));
		snprintf(name, sizeof(name), "%s_llc_misses_dram", prefix);
		metrics_add(m, phase, name, "count", dram);
		snprintf(name, sizeof(name), "%s_llc_misses_pmem", prefix);
		metrics_add(m, phase, name, "count", pmem);
		snprintf(name, sizeof(name), "%s_llc_pmem_share", prefix);
		share(m, phase, name, pmem, dram + pmem);
	}
}

/* All figures of one phase event. */
static void phase_metrics(struct metrics *m, json_t *event, int server)
{
	const char *phase = json_string_value(json_object_get(event, "name"));
	double dram = 0, pmem = 0, instructions = 0, busy = 0, idle = 0, stall = 0;
	char name[METRIC_LEN];
	json_t *v;
	size_t i;

	if (!phase)
		return;
	metrics_add(m, phase, "sim_begin", "s", get(event, "begin_ns") / 1e9);
	metrics_add(m, phase, "sim_seconds", "s", (get(event, "end_ns") - get(event, "begin_ns")) / 1e9);
	json_array_foreach(json_object_get(event, "vcpus"), i, v)
	{
		vcpu_metrics(m, phase, v, server);
		dram += get(v, "llc_misses_dram");
		pmem += get(v, "llc_misses_pmem");
		instructions += get(v, "instructions");
		busy += get(v, "busy_ns");
		idle += get(v, "idle_ns");
		stall += get(v, "stall_ns");
	}
	share(m, phase, "vcpus_busy", busy, busy + idle);
	share(m, phase, "vcpus_stall", stall, busy);
	metrics_add(m, phase, "instructions", "count", instructions);
	metrics_add(m, phase, "llc_misses_dram", "count", dram);
	metrics_add(m, phase, "llc_misses_pmem", "count", pmem);
	share(m, phase, "llc_pmem_share", pmem, dram + pmem);
	v = json_object_get(event, "disk");
	if (v) {
		metrics_add(m, phase, "disk_reads", "count", get(v, "read_requests"));
		metrics_add(m, phase, "disk_read_bytes", "bytes", get(v, "read_bytes"));
		metrics_add(m, phase, "disk_writes", "count", get(v, "write_requests"));
		metrics_add(m, phase, "disk_write_bytes", "bytes", get(v, "write_bytes"));
		metrics_add(m, phase, "disk_flushes", "count", get(v, "flush_requests"));
	}
	json_array_foreach(json_object_get(event, "tiers"), i, v)
	{
		const char *tier = json_string_value(json_object_get(v, "name"));
		static const char *keys[] = {"reads", "writes", "read_bytes", "write_bytes"};
		size_t k;

		for (k = 0; tier && k < COUNT(keys); k++) {
			snprintf(name, sizeof(name), "device_%.16s_%s", tier, keys[k]);
			metrics_add(m, phase, name, k < 2 ? "count" : "bytes", get(v, keys[k]));
		}
	}
}

int results_sim(struct metrics *m, const struct plan *p, const struct vm *vm, const char *path, char *reason)
{
	char *data = read_file(path, NULL), *line, *save = NULL;
	int n = 0, err = 0;

	if (!data) {
		snprintf(reason, REASON_LEN, "the simulator left no statistics: %s", strerror(errno));
		return -1;
	}
	for (line = strtok_r(data, "\n", &save); line && !err; line = strtok_r(NULL, "\n", &save)) {
		json_error_t e;
		json_t *event = json_loads(line, 0, &e);
		const char *kind;

		n++;
		if (!event) {
			snprintf(reason, REASON_LEN, "the simulator's statistics, event %d: %s", n, e.text);
			err = -1;
			break;
		}
		kind = json_string_value(json_object_get(event, "event"));
		if (kind && !strcmp(kind, "phase")) {
			phase_metrics(m, event, vm->database ? -1 : (int)p->s->server_cpu);
		} else if (kind && !strcmp(kind, "exit")) {
			metrics_add(m, vm_part(vm), "sim_seconds", "s", get(event, "sim_ns") / 1e9);
			metrics_add(m, vm_part(vm), "instructions", "count", get(event, "instructions"));
		}
		json_decref(event);
	}
	free(data);
	return err;
}
