/* SPDX-License-Identifier: MIT */
/*
 * prefetch.c - the policies that need no memory but a window
 */
#include "rdmafetch/prefetch.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define SEQ_WINDOW_MIN 4u

#define AUTO_WINDOW_MIN 32u /* what the kernel reads around a fault */

/*
 * Where so many pages are worth having on their way, the way is what a fault
 * waits for, and a stream gets a window with its first fault.
 */
#define AUTO_FAR_PAGES 256u

/*
 * Pages of a near far end that are foreseen take CPUs from who faults, and save
 * little: so many faults in a row have to make a stream, that goes on for long.
 */
#define AUTO_NEAR_FAULTS 16u

/* What a page costs us from its arrival on, at best: docs/performance.md. */
#define PAGE_NS		2000u
#define REACH_MIN_PAGES 64u

/*
 * This host, or one beside it: there the work of both ends is what takes time.
 * An empty call over loopback takes 40 us where a system call takes 0.1, and
 * 100 where it takes 1.
 */
#define NEAR_NS 150000u

/* Fewer pages tell nothing; of more, the older ones fade. */
#define LUCK_MIN_PAGES 512u
#define LUCK_MAX_PAGES 8192u

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

/*
 * While more than half of what was said is still ahead there is no need to say
 * more: page by page it would be many small pieces.
 */
static void next_next(struct prefetch_state *state, struct prefetch_run demand,
		      uint32_t max_pages, struct prefetch_plan *plan)
{
	uint64_t end_page = demand.first_page + demand.nr_pages;
	uint64_t max = clamp_pages(max_pages);

	plan->nr = 0;
	if (!state->next_page || !goes_on_forward(state, demand.first_page) ||
	    state->ahead_page < end_page)
		state->ahead_page = end_page;
	state->next_page = end_page;
	if (state->ahead_page - end_page > max / 2)
		return;
	one_run(plan, state->ahead_page, end_page + max - state->ahead_page);
	state->ahead_page = end_page + max;
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

/*
 * @demand begins a row: all of that, and all of the next one, so that the way
 * there is over before it is asked for.
 */
static void auto_row(struct prefetch_state *state, struct prefetch_run demand,
		     uint32_t max, struct prefetch_plan *plan)
{
	uint64_t end_page = demand.first_page + demand.nr_pages;
	uint64_t length = (uint64_t)llabs(state->row_step), rest = 0;

	if (length > max - max / 4)
		length = max - max / 4;
	if (length > demand.nr_pages)
		rest = length - demand.nr_pages;
	one_run(plan, end_page, rest < max - length ? rest : max - length);
	plan->runs[plan->nr++] = (struct prefetch_run){
		demand.first_page + (uint64_t)state->row_step, length};
	state->window_pages = (uint32_t)length;
	state->ahead_page = demand.first_page + length;
	if (state->ahead_page < end_page)
		state->ahead_page = end_page;
}

/* What may become a stream begins with @demand. */
static void auto_begin(struct prefetch_state *state, struct prefetch_run demand,
		       uint32_t max, struct prefetch_plan *plan)
{
	uint64_t end_page = demand.first_page + demand.nr_pages;

	seq_restart(state, end_page);
	state->nr_faults = 1;
	if (max < AUTO_FAR_PAGES || state->is_near || state->is_reader)
		return;
	if (state->row_step) {
		auto_row(state, demand, max, plan);
		return;
	}
	state->window_pages = max / 4;
	one_run(plan, end_page, state->window_pages);
	state->ahead_page += state->window_pages;
}

/*
 * A stream that goes on once may do so by chance: it gets as much again as was
 * asked for, then twice as much each time.  What is ahead is filled up when a
 * quarter of it was used, so that the far end is never idle.
 */
static void auto_next(struct prefetch_state *state, struct prefetch_run demand,
		      uint32_t max_pages, struct prefetch_plan *plan)
{
	uint64_t end_page = demand.first_page + demand.nr_pages, ahead;
	uint32_t max = clamp_pages(max_pages), window;

	plan->nr = 0;
	if (state->is_doubtful)
		max /= 8;
	if (!state->next_page || !goes_on_forward(state, demand.first_page)) {
		auto_begin(state, demand, max, plan);
		return;
	}
	state->next_page = end_page;
	if (state->ahead_page < end_page)
		state->ahead_page = end_page;
	if (state->nr_faults < AUTO_NEAR_FAULTS) {
		state->nr_faults++;
		if (state->is_near)
			return;
	}
	ahead = state->ahead_page - end_page;
	if (state->row_step && ahead) /* what is behind a row is none of it */
		return;
	window = state->window_pages;
	if (window && ahead > window - window / 4)
		return;
	window = window ? window * 2 : AUTO_WINDOW_MIN;
	if (window > max)
		window = max;
	state->window_pages = window;
	if (ahead >= window)
		return;
	one_run(plan, state->ahead_page, window - ahead);
	state->ahead_page = end_page + window;
}

const struct prefetch_policy prefetch_auto = {"auto", goes_on_forward,
					      auto_next};
const struct prefetch_policy prefetch_off = {"off", goes_on_forward, off_next};
const struct prefetch_policy prefetch_seq = {"seq", goes_on_forward, seq_next};
const struct prefetch_policy prefetch_next = {"next", goes_on_forward,
					      next_next};

const struct prefetch_policy *prefetch_find(const char *name)
{
	static const struct prefetch_policy *const all[] = {
		&prefetch_auto, &prefetch_off, &prefetch_seq, &prefetch_next,
		&prefetch_stride};

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

static void fade(struct prefetch_luck *luck)
{
	if (luck->used_pages + luck->dropped_pages < LUCK_MAX_PAGES)
		return;
	luck->used_pages /= 2;
	luck->dropped_pages /= 2;
}

void prefetch_luck_used(struct prefetch_luck *luck, uint64_t nr_pages)
{
	luck->used_pages += clamp_pages((uint32_t)nr_pages);
	fade(luck);
}

void prefetch_luck_dropped(struct prefetch_luck *luck, uint64_t nr_pages)
{
	luck->dropped_pages += clamp_pages((uint32_t)nr_pages);
	fade(luck);
}

bool prefetch_luck_is_bad(const struct prefetch_luck *luck)
{
	uint32_t all = luck->used_pages + luck->dropped_pages;

	return all >= LUCK_MIN_PAGES && luck->used_pages < all / 4;
}

/* Twice: one window is used while the next one comes. */
static uint64_t pages_worth(uint64_t least_ns)
{
	return 2 * least_ns / PAGE_NS;
}

bool prefetch_is_near(uint64_t least_ns)
{
	return least_ns <= NEAR_NS;
}

bool prefetch_are_alike(uint64_t one_ns, uint64_t other_ns)
{
	return one_ns <= other_ns + other_ns / 3 &&
	       other_ns <= one_ns + one_ns / 3;
}

uint32_t prefetch_reach(uint64_t least_ns, uint32_t max_pages)
{
	uint64_t pages = pages_worth(least_ns);

	if (prefetch_is_near(least_ns))
		pages = REACH_MIN_PAGES;
	return pages < max_pages ? (uint32_t)pages : max_pages;
}
