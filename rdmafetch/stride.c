/* SPDX-License-Identifier: MIT */
/*
 * stride.c - follow the jump that most of the last faults made
 *
 *     faults     10   13   16   500   19   22
 *     jumps         3    3   484  -481   3       most are 3: 25, 28, ... next
 *
 * Short histories are looked at first, so that a new trend is seen soon; longer
 * ones find it behind more noise.  A demand that lies several steps on has used
 * what was suggested in between.
 */
#include "rdmafetch/prefetch.h"

#include <stdlib.h>

#define HISTORY_MIN 4u
#define STEPS_MIN   2u
/* Farther away than that a fault is no step of the same stream. */
#define REACH_PAGES 4096

static uint64_t distance(uint64_t a, uint64_t b)
{
	return a > b ? a - b : b - a;
}

static bool stride_goes_on(const struct prefetch_state *state, uint64_t page)
{
	return state->last.nr_pages &&
	       distance(page, state->last.first_page) <= REACH_PAGES;
}

static int64_t delta_at(const struct prefetch_state *state, uint32_t back)
{
	return state
		->deltas[(state->nr_deltas - 1 - back) % PREFETCH_DELTAS_MAX];
}

/* What more than half of the last @nr jumps were, or 0: Boyer and Moore. */
static int64_t majority(const struct prefetch_state *state, uint32_t nr)
{
	int64_t candidate = 0;
	uint32_t votes = 0, found = 0;

	for (uint32_t i = 0; i < nr; i++) {
		if (!votes)
			candidate = delta_at(state, i);
		votes += delta_at(state, i) == candidate ? 1 : UINT32_MAX;
	}
	for (uint32_t i = 0; i < nr; i++)
		found += delta_at(state, i) == candidate;
	return found > nr / 2 ? candidate : 0;
}

static int64_t find_trend(const struct prefetch_state *state)
{
	for (uint32_t nr = HISTORY_MIN;
	     nr <= PREFETCH_DELTAS_MAX && nr <= state->nr_deltas; nr *= 2) {
		int64_t trend = majority(state, nr);

		if (trend)
			return trend;
	}
	return 0;
}

/* How many steps of the trend @delta is, if it goes no farther than what was
 * suggested and one more; else 0. */
static uint32_t steps_of(const struct prefetch_state *state, int64_t delta)
{
	int64_t steps;

	if (!state->trend || delta % state->trend)
		return 0;
	steps = delta / state->trend;
	return steps > 0 && steps <= (int64_t)state->ahead_steps + 1
		       ? (uint32_t)steps
		       : 0;
}

static void learn(struct prefetch_state *state, int64_t delta)
{
	uint32_t steps = steps_of(state, delta);

	if (!delta)
		return; /* the same page again tells nothing */
	if (steps) {
		delta = state->trend;
		state->ahead_steps -=
			steps < state->ahead_steps ? steps : state->ahead_steps;
	}
	state->deltas[state->nr_deltas++ % PREFETCH_DELTAS_MAX] = delta;
	if (state->nr_deltas == 2 * PREFETCH_DELTAS_MAX)
		state->nr_deltas -= PREFETCH_DELTAS_MAX; /* the ring is full */
}

/* Append a run, or widen the last one that it touches; false when full. */
static bool append(struct prefetch_plan *plan, struct prefetch_run run)
{
	struct prefetch_run *last = &plan->runs[plan->nr - 1];

	if (plan->nr && last->first_page + last->nr_pages == run.first_page) {
		last->nr_pages += run.nr_pages;
		return true;
	}
	if (plan->nr && run.first_page + run.nr_pages == last->first_page) {
		last->first_page = run.first_page;
		last->nr_pages += run.nr_pages;
		return true;
	}
	if (plan->nr == PREFETCH_RUNS_MAX)
		return false;
	plan->runs[plan->nr++] = run;
	return true;
}

/* Steps from the first not yet suggested up to the window. */
static void suggest(struct prefetch_state *state, struct prefetch_run demand,
		    struct prefetch_plan *plan)
{
	uint64_t step = (uint64_t)llabs(state->trend);
	uint64_t nr = demand.nr_pages < step ? demand.nr_pages : step;

	while (state->ahead_steps < state->window_steps) {
		uint64_t far = step * (state->ahead_steps + 1);
		struct prefetch_run run = {demand.first_page + far, nr};

		if (state->trend < 0) {
			if (far > demand.first_page)
				return;
			run.first_page = demand.first_page - far;
		}
		if (!append(plan, run))
			return;
		state->ahead_steps++;
	}
}

static void stride_next(struct prefetch_state *state,
			struct prefetch_run demand, uint32_t max_pages,
			struct prefetch_plan *plan)
{
	uint32_t most =
		max_pages < PREFETCH_PAGES_MAX ? max_pages : PREFETCH_PAGES_MAX;
	int64_t trend;

	plan->nr = 0;
	if (state->last.nr_pages)
		learn(state,
		      (int64_t)(demand.first_page - state->last.first_page));
	trend = find_trend(state);
	if (trend != state->trend) {
		state->trend = trend;
		state->ahead_steps = 0;
		state->window_steps = 0;
	}
	if (!trend || !demand.nr_pages || most < demand.nr_pages)
		return;
	if (state->ahead_steps > state->window_steps / 2)
		return; /* far enough ahead */
	state->window_steps =
		state->window_steps ? 2 * state->window_steps : STEPS_MIN;
	if (state->window_steps > most / demand.nr_pages)
		state->window_steps = most / (uint32_t)demand.nr_pages;
	suggest(state, demand, plan);
}

const struct prefetch_policy prefetch_stride = {"stride", stride_goes_on,
						stride_next};
