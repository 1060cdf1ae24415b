// Placement only: a granule stays where it was put.
#include "allocator/policy.h"

static void sample(const struct tm_hint_result *result)
{
}

static uint64_t tick(uint64_t now_ns)
{
	return TM_FOREVER;
}

static bool curious(void)
{
	return false;
}

const struct tm_policy tm_policy_static = {
	.name = "static", .hints = false, .sample = sample, .tick = tick, .curious = curious};
