/* SPDX-License-Identifier: MIT */
#include "fs/warmplan.h"

#include <errno.h>
#include <stdlib.h>

#define GAP_FIRST_PAGES 16u
#define GAP_MOST_PAGES	(1u << 18) /* 1 GiB of addresses, not of memory */

static uint64_t unit_floor(uint64_t page)
{
	return page - page % WARMPLAN_UNIT_PAGES;
}

static bool is_whole(const struct image *image, uint64_t unit_page)
{
	return image_present_pages(image, unit_page, WARMPLAN_UNIT_PAGES) >=
	       WARMPLAN_WHOLE_PAGES;
}

static uint64_t end_of(const struct warmplan_window *window)
{
	return window->first_page + window->nr_pages;
}

/* Append [@first, @end), together with the last window where they touch. */
static void append(struct warmplan *plan, uint64_t first, uint64_t end)
{
	struct warmplan_window *last =
		plan->nr ? &plan->windows[plan->nr - 1] : NULL;

	if (last && end_of(last) >= first) {
		if (end > end_of(last))
			last->nr_pages = end - last->first_page;
		return;
	}
	plan->windows[plan->nr++] =
		(struct warmplan_window){first, end - first, true};
}

/* A run's first unit and its last one may be whole; all between them are. */
static void add_run(struct warmplan *plan, const struct image *image,
		    const struct image_run *run)
{
	uint64_t first = run->first_page, end = first + run->nr_pages;
	uint64_t head = unit_floor(first), tail = unit_floor(end - 1);

	if (is_whole(image, head))
		first = head;
	if (is_whole(image, tail))
		end = tail + WARMPLAN_UNIT_PAGES;
	append(plan, first, end);
}

static uint64_t count_pages(const struct warmplan *plan)
{
	uint64_t nr = 0;

	for (uint32_t i = 0; i < plan->nr; i++)
		nr += plan->windows[i].nr_pages;
	return nr;
}

/* Join what is no more than @gap apart; a joined window has small pages. */
static void join(struct warmplan *plan, uint64_t gap)
{
	uint32_t kept = 0;

	for (uint32_t i = 1; i < plan->nr; i++) {
		struct warmplan_window *last = &plan->windows[kept];
		const struct warmplan_window *window = &plan->windows[i];

		if (window->first_page - end_of(last) > gap) {
			plan->windows[++kept] = *window;
			continue;
		}
		last->nr_pages = end_of(window) - last->first_page;
		last->large = false;
	}
	plan->nr = kept + 1;
}

/* What the windows that are still large hold of pages that are not there. */
static uint64_t count_waste(const struct warmplan *plan,
			    const struct image *image)
{
	uint64_t nr = 0;

	for (uint32_t i = 0; i < plan->nr; i++) {
		const struct warmplan_window *window = &plan->windows[i];

		if (window->large)
			nr += window->nr_pages -
			      image_present_pages(image, window->first_page,
						  window->nr_pages);
	}
	return nr;
}

int warmplan_make(const struct image *image, struct warmplan *ret_plan)
{
	struct warmplan plan = {
		.windows = calloc((size_t)image->nr_runs + 1,
				  sizeof(*plan.windows)),
	};

	if (!plan.windows)
		return -ENOMEM;
	for (uint32_t i = 0; i < image->nr_runs; i++)
		if (image->runs[i].nr_pages)
			add_run(&plan, image, &image->runs[i]);
	for (uint64_t gap = GAP_FIRST_PAGES;
	     plan.nr > WARMPLAN_WINDOWS_MAX && gap <= GAP_MOST_PAGES; gap *= 4)
		join(&plan, gap);
	if (plan.nr > WARMPLAN_WINDOWS_MAX ||
	    count_pages(&plan) > 1ull << 34 /* half of all addresses */) {
		warmplan_done(&plan);
		return -E2BIG;
	}
	plan.waste_pages = count_waste(&plan, image);
	*ret_plan = plan;
	return 0;
}

const struct warmplan_window *warmplan_find(const struct warmplan *plan,
					    uint64_t page)
{
	uint32_t low = 0, high = plan->nr;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (end_of(&plan->windows[middle]) <= page)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == plan->nr || plan->windows[low].first_page > page)
		return NULL;
	return &plan->windows[low];
}

void warmplan_done(struct warmplan *plan)
{
	free(plan->windows);
	*plan = (struct warmplan){0};
}
