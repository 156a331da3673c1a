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
	*spin = (struct verbs_spin){
		.mode = mode,
		.budget_ns = VERBS_SPIN_MAX_NS,
		.sleeps_max = VERBS_SPIN_SLEEPS,
	};
}

static bool is_trial(const struct verbs_spin *spin)
{
	return !spin->budget_ns && spin->nr_sleeps >= spin->sleeps_max;
}

/* How long to look; UINT64_MAX: never sleep. */
static uint64_t budget_ns(const struct verbs_spin *spin)
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

struct verbs_look verbs_spin_look(const struct verbs_spin *spin,
				  uint64_t now_ns, uint64_t until_ns)
{
	uint64_t budget = budget_ns(spin);
	struct verbs_look look = {.until_ns = until_ns, .last_ns = now_ns};

	if (until_ns > now_ns && budget < until_ns - now_ns)
		look.until_ns = now_ns + budget;
	return look;
}

bool verbs_look_again(struct verbs_look *look, uint64_t now_ns)
{
	if (now_ns - look->last_ns > VERBS_SPIN_AWAY_NS)
		look->was_away = true;
	look->last_ns = now_ns;
	return now_ns < look->until_ns;
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

/* Has somebody else use for the CPU? */
static void learn_harm(struct verbs_spin *spin)
{
	if (++spin->nr_harms < VERBS_SPIN_HARMS)
		return;
	spin->budget_ns = 0;
	if (spin->sleeps_max < VERBS_SPIN_SLEEPS_MAX)
		spin->sleeps_max *= 2;
}

/* No. */
static void learn_peace(struct verbs_spin *spin)
{
	spin->nr_harms = 0;
	spin->sleeps_max = VERBS_SPIN_SLEEPS;
}

void verbs_spin_learn(struct verbs_spin *spin,
		      const struct verbs_waited *waited)
{
	bool was_trial = is_trial(spin), slept_at_once = !budget_ns(spin);

	if (waited->slept)
		learn_sleep(spin, waited->ns);
	else if (was_trial)
		spin->budget_ns = clamp_budget(waited->ns * 2);
	if (waited->slept && waited->was_away)
		learn_harm(spin);
	else if (!waited->slept)
		learn_peace(spin);
	if (waited->slept && slept_at_once)
		spin->nr_sleeps++;
	else
		spin->nr_sleeps = 0;
}
