/* Turning what a VM left behind (result channel, simulator's statistics, tmload's JSON) into metrics. */
#ifndef HARNESS_RESULTS_H
#define HARNESS_RESULTS_H

#include "harness/heat.h"
#include "harness/plan.h"

#define METRIC_LEN 64

struct vm;

/* One figure of one phase; phase "" means the whole VM. */
struct metric {
	char phase[NAME_LEN];
	char name[METRIC_LEN];
	const char *unit;
	double value;
};

struct metrics {
	struct metric *v;
	size_t n, cap;
	char kernel[64], server[128]; /* versions in the guest */
	struct heat heat;	      /* of guest RAM, where tiermem is underneath */
};

void metrics_add(struct metrics *m, const char *phase, const char *name, const char *unit, double value);
void metrics_free(struct metrics *m);

/* Whether a metric is there; its value in VALUE if not NULL. */
bool metrics_get(const struct metrics *m, const char *phase, const char *name, double *value);

/* tmload's JSON document. 0, or -1 with the REASON (also for replies that were wrong or missing). */
int results_tmload(struct metrics *m, const char *phase, const char *json, char *reason);

/* Redis' INFO memory. */
void results_redis(struct metrics *m, const char *phase, const char *info);

/* tiermem's statistics document. 0 or -1 with the REASON. */
int results_tiermem(struct metrics *m, const char *phase, const char *json, char *reason);

/* The simulator's statistics file of a VM; figures of the whole VM get its database as phase. 0 or -1 with the REASON. */
int results_sim(struct metrics *m, const struct plan *p, const struct vm *vm, const char *path, char *reason);

/* Everything in a VM's directory; every phase that it runs must be complete. 0 or -1 with the REASON. */
int results_vm(struct metrics *m, const struct plan *p, const struct vm *vm, char *reason);

#endif
