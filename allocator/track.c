#include "allocator/track.h"
#include "allocator/core.h"
#include "allocator/policy.h"
#include "allocator/sim_link.h"

#include <stdio.h>
#include <string.h>

// The best first.
static const struct tm_tracker *const trackers[] = {&tm_tracker_sim, &tm_tracker_unit, &tm_tracker_perf, &tm_tracker_damon, &tm_tracker_hint};
#define TRACKERS (sizeof(trackers) / sizeof(trackers[0]))

static const struct tm_tracker *tracker;
static char whys[TRACKERS][256]; // empty: not tried

// Why one is not to be used, whatever the machine.
static const char *unfit(const struct tm_tracker *t, bool any, bool wanted, bool delays)
{
	if (any && t->on_request)
		return "only on request";
	if (!wanted)
		return "the policy asks for none";
	if (tm_sim && t != &tm_tracker_sim)
		return "guest RAM is in simulated time";
	return delays && t->counts ? "the policy needs hint faults" : NULL;
}

bool tm_track_start(const char *asked, bool wanted, bool delays, char *why, size_t size)
{
	bool any = !strcmp(asked, "auto");
	const char *no;

	tracker = NULL;
	memset(whys, 0, sizeof(whys));
	for (unsigned i = 0; i < TRACKERS && !tracker; i++) {
		const struct tm_tracker *t = trackers[i];
		if (!any && strcmp(asked, t->name))
			continue;
		if ((no = unfit(t, any, wanted, delays)))
			snprintf(whys[i], sizeof(whys[i]), "%s", no);
		else if (t->start(whys[i], sizeof(whys[i])))
			tracker = t;
		if (tracker || any || !wanted)
			continue;
		snprintf(why, size, "--track %s: %s", asked, whys[i]);
		return false;
	}
	return true;
}

const struct tm_tracker *tm_track(void)
{
	return tracker;
}

const char *tm_track_why(unsigned i, const char **name)
{
	if (i >= TRACKERS)
		return NULL;
	*name = trackers[i]->name;
	return whys[i];
}

uint64_t tm_track_tick(uint64_t now)
{
	return tracker && tracker->tick ? tracker->tick(now) : TM_FOREVER;
}

uint64_t tm_track_cpu_ns(void)
{
	return tracker && tracker->cpu_ns ? tracker->cpu_ns() : 0;
}

uint64_t tm_track_samples(void)
{
	return tracker && tracker->samples ? tracker->samples() : 0;
}

void tm_track_forked(void)
{
	if (tracker && tracker->forked)
		tracker->forked();
	tracker = NULL;
}
