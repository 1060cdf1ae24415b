// The test policy.
#ifndef TIERMEM_POLICY_RANDOM_H
#define TIERMEM_POLICY_RANDOM_H

#include "allocator/policy.h"

extern const struct tm_policy tm_policy_random;

#endif
