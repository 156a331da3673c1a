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

static bool is_trial(const struct verbs_spin *spin)
{
	return !spin->budget_ns && spin->nr_sleeps >= VERBS_SPIN_SLEEPS;
}

uint64_t verbs_spin_budget_ns(const struct verbs_spin *spin)
{
	switch (spin->mode) {
	case VERBS_POLLING:
		return UINT64_MAX;
	case VERBS_EVENTS:
		return 0;
	default:
		return is_trial(spin) ? VERBS_SPIN_MAX_NS : spin->budget_ns;
	}
}

static uint64_t clamp_budget(uint64_t budget_ns)
{
	if (budget_ns < BUDGET_MIN_NS)
		return BUDGET_MIN_NS;
	return budget_ns > VERBS_SPIN_MAX_NS ? VERBS_SPIN_MAX_NS : budget_ns;
}

static void learn_sleep(struct verbs_spin *spin, uint64_t waited_ns)
{
	if (waited_ns <= VERBS_SPIN_MAX_NS)
		spin->budget_ns = clamp_budget(spin->budget_ns * 2);
	else if (spin->budget_ns / 2 >= BUDGET_MIN_NS)
		spin->budget_ns /= 2;
	else
		spin->budget_ns = 0;
}

void verbs_spin_learn(struct verbs_spin *spin, uint64_t waited_ns, bool slept)
{
	bool was_trial = is_trial(spin);

	if (slept)
		learn_sleep(spin, waited_ns);
	else if (was_trial)
		spin->budget_ns = clamp_budget(waited_ns * 2);
	if (slept && !spin->budget_ns && !was_trial)
		spin->nr_sleeps++;
	else
		spin->nr_sleeps = 0;
}
