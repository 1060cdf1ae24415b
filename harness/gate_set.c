#include "harness/gate.h"

#include <stdlib.h>
#include <string.h>

const struct gate_metric gate_metrics[] = {
	{"ops", "throughput", "ops/s", +1, GATE_PLAIN, "ops"},
	{"mean", "mean latency", "ms", -1, GATE_PLAIN, "latency_avg"},
	{"p50", "p50 latency", "ms", -1, GATE_PLAIN, "latency_p50"},
	{"p99", "p99 latency", "ms", -1, GATE_PLAIN, "latency_p99"},
	{"p99.9", "p99.9 latency", "ms", -1, GATE_PLAIN, "latency_p99_9"},
	{"server_instructions_per_op", "server's instructions/op", "", 0, GATE_PER_REQUEST,
	 "server_instructions"},
	{"llc_misses_pmem", "PMEM misses", "", 0, GATE_PLAIN, "llc_misses_pmem"},
	{"llc_misses_dram", "DRAM misses", "", 0, GATE_PLAIN, "llc_misses_dram"},
	{"server_l2_misses", "server's L2 misses", "", 0, GATE_PLAIN, "server_l2_misses"},
	{"server_stall", "server's stalled share", "", 0, GATE_PLAIN, "server_stall"},
	{"instructions", "instructions, all vCPUs", "", 0, GATE_PLAIN, "instructions"},
	{"background_instructions", "background vCPU's instructions", "", 0, GATE_PLAIN, NULL},
	{"pmem_reads", "PMEM reads", "", 0, GATE_PLAIN, "device_pmem_reads"},
	{"pmem_writes", "PMEM writes", "", 0, GATE_PLAIN, "device_pmem_writes"},
	{"dram_reads", "DRAM reads", "", 0, GATE_PLAIN, "device_dram_reads"},
	{"dram_writes", "DRAM writes", "", 0, GATE_PLAIN, "device_dram_writes"},
	{"faults_first_touch", "first touches", "", 0, GATE_GROWTH, "faults_first_touch"},
	{"faults_hint", "hint faults", "", 0, GATE_GROWTH, "faults_hint"},
	{"faults_waited", "waits for a migration", "", 0, GATE_GROWTH, "faults_waited"},
	{"promoted_bytes", "promoted bytes", "", 0, GATE_GROWTH, "promoted_bytes"},
	{"demoted_bytes", "demoted bytes", "", 0, GATE_GROWTH, "demoted_bytes"},
	{"migrations_failed", "failed migrations", "", 0, GATE_GROWTH, "migrations_failed"},
	{"dram_held", "bytes in DRAM", "", 0, GATE_PLAIN, "dram_bytes"},
	{"pmem_held", "bytes in PMEM", "", 0, GATE_PLAIN, "pmem_bytes"},
};
const int gate_n_metrics = COUNT(gate_metrics);

const struct gate_metric *gate_metric(const char *name)
{
	size_t i;

	for (i = 0; i < COUNT(gate_metrics); i++)
		if (strcmp(gate_metrics[i].name, name) == 0)
			return &gate_metrics[i];
	return NULL;
}

struct gate_row *gate_find(const struct gate_set *s, const char *config, const char *phase,
			   const char *metric)
{
	int i;

	for (i = 0; i < s->n; i++)
		if (!strcmp(s->rows[i].metric, metric) && !strcmp(s->rows[i].phase, phase) &&
		    !strcmp(s->rows[i].config, config))
			return &s->rows[i];
	return NULL;
}

struct gate_row *gate_add(struct gate_set *s, const char *config, const char *phase, const char *metric)
{
	struct gate_row *r = gate_find(s, config, phase, metric);

	if (r)
		return r;
	if (s->n == s->cap) {
		s->cap = s->cap * 2 + 64;
		s->rows = must_realloc(s->rows, sizeof(*s->rows) * (size_t)s->cap);
	}
	r = &s->rows[s->n++];
	*r = (struct gate_row){0};
	snprintf(r->config, sizeof(r->config), "%s", config);
	snprintf(r->phase, sizeof(r->phase), "%s", phase);
	snprintf(r->metric, sizeof(r->metric), "%s", metric);
	return r;
}

void gate_print_add(struct gate_set *s, const char *name, const char *value)
{
	struct gate_print *p = &s->prints[s->n_prints];

	if (s->n_prints == GATE_MAX_PRINT)
		return;
	s->n_prints++;
	snprintf(p->name, sizeof(p->name), "%s", name);
	snprintf(p->value, sizeof(p->value), "%s", value);
}

void gate_set_free(struct gate_set *s)
{
	free(s->rows);
	text_free(&s->accepted);
	*s = (struct gate_set){0};
}
