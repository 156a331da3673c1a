/* SPDX-License-Identifier: MIT */
/*
 * verbs_spin.c - grow and shrink
 */
#include "rdmafetch/verbs_spin.h"

#include <sched.h>

#define BUDGET_MIN_NS 5000u

void verbs_spin_init(struct verbs_spin *spin, enum verbs_completion mode)
{
	cpu_set_t cpus;

	if (mode == VERBS_ADAPTIVE &&
	    !sched_getaffinity(0, sizeof(cpus), &cpus) && CPU_COUNT(&cpus) < 2)
		mode = VERBS_EVENTS;
	spin->mode = mode;
	spin->budget_ns = VERBS_SPIN_MAX_NS;
}

uint64_t verbs_spin_budget_ns(const struct verbs_spin *spin)
{
	switch (spin->mode) {
	case VERBS_POLLING:
		return UINT64_MAX;
	case VERBS_EVENTS:
		return 0;
	default:
		return spin->budget_ns;
	}
}

void verbs_spin_learn(struct verbs_spin *spin, uint64_t waited_ns, bool slept)
{
	if (!slept)
		return;
	if (waited_ns > VERBS_SPIN_MAX_NS)
		spin->budget_ns /= 2;
	else
		spin->budget_ns *= 2;
	if (waited_ns > VERBS_SPIN_MAX_NS && spin->budget_ns < BUDGET_MIN_NS)
		spin->budget_ns = 0;
	if (waited_ns <= VERBS_SPIN_MAX_NS && spin->budget_ns < BUDGET_MIN_NS)
		spin->budget_ns = BUDGET_MIN_NS;
	if (spin->budget_ns > VERBS_SPIN_MAX_NS)
		spin->budget_ns = VERBS_SPIN_MAX_NS;
}
