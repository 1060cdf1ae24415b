// The interface of a policy: it sees samples of heat and decides what migrates. Called by the worker thread only.
#ifndef TIERMEM_POLICY_H
#define TIERMEM_POLICY_H

#include "allocator/hint.h"

#include <stdint.h>

#define TM_FOREVER UINT64_MAX

struct tm_policy {
	const char *name;
	bool hints; // wants a tracker
	// One sample of the tracker.
	void (*sample)(const struct tm_hint_result *result);
	// Migrates what is due, within its bandwidth. Returns in how many ns it wants to be called again at the latest,
	// TM_FOREVER: when tm_kick() is called. Engine held.
	uint64_t (*tick)(uint64_t now_ns);
	// True while more samples would help; false: it has found nothing to gain (the tracker then backs off).
	bool (*curious)(void);
	// ln of how much longer a granule waits for a touch than others do; 0: as long, or not known. NULL: it knows no heat.
	float (*cold)(size_t g);
};

extern const struct tm_policy tm_policy_static, tm_policy_recency, tm_policy_hotness;
// `hotness` by a tracker's counts instead of hint faults, and `oracle`, which has nothing else.
extern const struct tm_policy tm_policy_samples, tm_policy_oracle;
// The one in use.
extern const struct tm_policy *tm_policy;

#endif
