/* SPDX-License-Identifier: MIT */
/*
 * prefetch.c - the policies
 */
#include "rdmafetch/prefetch.h"

#include <stddef.h>
#include <string.h>

#define SEQ_WINDOW_MIN 4u

static const struct prefetch_run nothing = {0, 0};

static struct prefetch_run off_next(struct prefetch_state *state,
				    struct prefetch_run demand,
				    uint32_t max_pages)
{
	(void)state;
	(void)demand;
	(void)max_pages;
	return nothing;
}

static uint32_t clamp_pages(uint32_t max_pages)
{
	return max_pages < PREFETCH_PAGES_MAX ? max_pages : PREFETCH_PAGES_MAX;
}

static struct prefetch_run next_next(struct prefetch_state *state,
				     struct prefetch_run demand,
				     uint32_t max_pages)
{
	struct prefetch_run run = {demand.first_page + demand.nr_pages,
				   clamp_pages(max_pages)};

	state->next_page = run.first_page;
	state->ahead_page = run.first_page + run.nr_pages;
	return run;
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
static struct prefetch_run seq_next(struct prefetch_state *state,
				    struct prefetch_run demand,
				    uint32_t max_pages)
{
	uint64_t end_page = demand.first_page + demand.nr_pages;
	uint32_t max = clamp_pages(max_pages), window = state->window_pages * 2;
	struct prefetch_run run;

	if (!max || demand.first_page < state->next_page ||
	    demand.first_page > state->ahead_page || !state->next_page) {
		seq_restart(state, end_page);
		return nothing;
	}
	if (window < SEQ_WINDOW_MIN)
		window = SEQ_WINDOW_MIN;
	if (window > max)
		window = max;
	state->next_page = end_page;
	if (state->ahead_page < end_page)
		state->ahead_page = end_page;
	if (state->ahead_page >= end_page + window)
		return nothing; /* far enough ahead: the window stays */
	run.first_page = state->ahead_page;
	run.nr_pages = window;
	state->window_pages = window;
	state->ahead_page += window;
	return run;
}

const struct prefetch_policy prefetch_off = {"off", off_next};
const struct prefetch_policy prefetch_seq = {"seq", seq_next};
const struct prefetch_policy prefetch_next = {"next", next_next};

const struct prefetch_policy *prefetch_find(const char *name)
{
	static const struct prefetch_policy *const all[] = {
		&prefetch_off, &prefetch_seq, &prefetch_next};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (!strcmp(all[i]->name, name))
			return all[i];
	return NULL;
}
