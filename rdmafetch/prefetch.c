/* SPDX-License-Identifier: MIT */
/*
 * prefetch.c - the policies that need no memory but a window
 */
#include "rdmafetch/prefetch.h"

#include <stddef.h>
#include <string.h>

#define SEQ_WINDOW_MIN 4u

static bool goes_on_forward(const struct prefetch_state *state, uint64_t page)
{
	return page >= state->next_page && page <= state->ahead_page;
}

static void off_next(struct prefetch_state *state, struct prefetch_run demand,
		     uint32_t max_pages, struct prefetch_plan *plan)
{
	(void)state;
	(void)demand;
	(void)max_pages;
	plan->nr = 0;
}

static uint32_t clamp_pages(uint32_t max_pages)
{
	return max_pages < PREFETCH_PAGES_MAX ? max_pages : PREFETCH_PAGES_MAX;
}

static void one_run(struct prefetch_plan *plan, uint64_t first_page,
		    uint64_t nr_pages)
{
	plan->nr = nr_pages > 0;
	plan->runs[0] = (struct prefetch_run){first_page, nr_pages};
}

static void next_next(struct prefetch_state *state, struct prefetch_run demand,
		      uint32_t max_pages, struct prefetch_plan *plan)
{
	state->next_page = demand.first_page + demand.nr_pages;
	state->ahead_page = state->next_page + clamp_pages(max_pages);
	one_run(plan, state->next_page, clamp_pages(max_pages));
}

static void seq_restart(struct prefetch_state *state, uint64_t end_page)
{
	state->next_page = end_page;
	state->ahead_page = end_page;
	state->window_pages = 0;
}

/*
 * Pages that came ahead are not demanded any more (the page cache has them), so
 * a stream that goes on shows up anywhere between its last fault and the first
 * page that was not suggested.
 */
static void seq_next(struct prefetch_state *state, struct prefetch_run demand,
		     uint32_t max_pages, struct prefetch_plan *plan)
{
	uint64_t end_page = demand.first_page + demand.nr_pages;
	uint32_t max = clamp_pages(max_pages), window = state->window_pages * 2;

	plan->nr = 0;
	if (!max || !state->next_page ||
	    !goes_on_forward(state, demand.first_page)) {
		seq_restart(state, end_page);
		return;
	}
	if (window < SEQ_WINDOW_MIN)
		window = SEQ_WINDOW_MIN;
	if (window > max)
		window = max;
	state->next_page = end_page;
	if (state->ahead_page < end_page)
		state->ahead_page = end_page;
	if (state->ahead_page >= end_page + window)
		return; /* far enough ahead: the window stays */
	one_run(plan, state->ahead_page, window);
	state->window_pages = window;
	state->ahead_page += window;
}

const struct prefetch_policy prefetch_off = {"off", goes_on_forward, off_next};
const struct prefetch_policy prefetch_seq = {"seq", goes_on_forward, seq_next};
const struct prefetch_policy prefetch_next = {"next", goes_on_forward,
					      next_next};

const struct prefetch_policy *prefetch_find(const char *name)
{
	static const struct prefetch_policy *const all[] = {
		&prefetch_off, &prefetch_seq, &prefetch_next, &prefetch_stride};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (!strcmp(all[i]->name, name))
			return all[i];
	return NULL;
}

const struct prefetch_policy *prefetch_for(const struct prefetch_policy *policy,
					   uint32_t vma_flags)
{
	if (policy == &prefetch_off || vma_flags & IMAGE_VMA_RANDOM)
		return &prefetch_off;
	return vma_flags & IMAGE_VMA_SEQUENTIAL ? &prefetch_next : policy;
}

struct prefetch_run prefetch_passed(const struct prefetch_state *state,
				    struct prefetch_run demand)
{
	struct prefetch_run last = state->last, run = {demand.first_page, 0};
	uint64_t last_end = last.first_page + last.nr_pages;
	uint64_t end = demand.first_page + demand.nr_pages;

	if (!last.nr_pages)
		return run;
	if (demand.first_page > last_end) {
		run.first_page = last_end;
		run.nr_pages = demand.first_page - last_end;
	} else if (end < last.first_page) {
		run.first_page = end;
		run.nr_pages = last.first_page - end;
	}
	return run;
}
