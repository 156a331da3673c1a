/* SPDX-License-Identifier: MIT */
#include "parent/export.h"

#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "common/cleanup.h"
#include "common/page.h"
#include "parent/runlist.h"
#include "parent/shared.h"

/*
 * Holes may add this much to what is lent: a range costs the device more than
 * some table entries, and a table of holes is memory for nothing.
 */
#define HOLES_PER_PAGE 3u
#define HOLES_FREE     (16u << 10) /* pages: 256 KiB of tables */

struct plan {
	const struct export_origin *origin;
	struct runlist list;
	uint32_t shared_at; /* the first shared run that may matter still */
};

static void cleanup_plan(struct plan *plan)
{
	runlist_free(&plan->list);
}

static bool is_lent(const struct image_vma *vma)
{
	const uint32_t not =
		IMAGE_VMA_SHARED_MAP | IMAGE_VMA_HUGETLB | IMAGE_VMA_WIPEONFORK;

	if (!(vma->prot & PROT_READ) || (vma->flags & not ) ||
	    shared_wants(vma))
		return false;
	return vma->kind == IMAGE_VMA_ANON || vma->kind == IMAGE_VMA_HEAP ||
	       vma->kind == IMAGE_VMA_STACK || vma->kind == IMAGE_VMA_FILE;
}

static uint64_t end_of(const struct image_run *run)
{
	return run->first_page + run->nr_pages;
}

/* The first shared run that ends after @page, or NULL; @page only grows. */
static const struct image_run *shared_after(struct plan *plan, uint64_t page)
{
	const struct export_origin *origin = plan->origin;

	while (plan->shared_at < origin->nr_shared_runs &&
	       end_of(&origin->shared_runs[plan->shared_at]) <= page)
		plan->shared_at++;
	return plan->shared_at < origin->nr_shared_runs
		       ? &origin->shared_runs[plan->shared_at]
		       : NULL;
}

/* The pages from @first to before @end, but for those that a copy holds. */
static int add_pages(struct plan *plan, uint64_t first, uint64_t end)
{
	int rc = 0;

	while (!rc && first < end) {
		const struct image_run *copy = shared_after(plan, first);
		uint64_t until =
			copy && copy->first_page < end ? copy->first_page : end;

		if (until > first)
			rc = runlist_add(&plan->list, first, until - first);
		first = until < end ? end_of(copy) : end;
	}
	return rc;
}

static int add_vma(struct plan *plan, const struct image_vma *vma)
{
	const struct image *image = plan->origin->image;
	const uint64_t start = page_of(vma->start), end = page_of(vma->end);
	const struct image_run *run = image_run_after(image, start);
	int rc = 0;

	for (; !rc && run && run < image->runs + image->nr_runs &&
	       run->first_page < end;
	     run++) {
		uint64_t first =
			run->first_page > start ? run->first_page : start;
		uint64_t until = end_of(run) < end ? end_of(run) : end;

		rc = add_pages(plan, first, until);
	}
	return rc;
}

/* Pages of the hole from @first to before @end, or 0 when it cannot be lent. */
static uint64_t hole_pages(const struct image *image, uint64_t first,
			   uint64_t end, uint64_t pages_max)
{
	const struct image_vma *vma;

	if (end - first > pages_max)
		return 0;
	vma = image_vma_at(image, first << PAGE_SHIFT);
	if (!vma || !is_lent(vma) || !image_vma_is_anonymous(vma) ||
	    page_of(vma->end) < end)
		return 0;
	return end - first;
}

static uint64_t hole_after(const struct plan *plan, uint32_t i,
			   uint64_t pages_max)
{
	const struct image_run *runs = plan->list.runs;

	return hole_pages(plan->origin->image, end_of(&runs[i]),
			  runs[i + 1].first_page, pages_max);
}

/* All pages of holes that are no longer than @pages_max. */
static uint64_t all_holes(const struct plan *plan, uint64_t pages_max)
{
	uint64_t pages = 0;

	for (uint32_t i = 0; i + 1 < plan->list.nr; i++)
		pages += hole_after(plan, i, pages_max);
	return pages;
}

/* In place: what is written lies never behind what is still to be looked at. */
static void join(struct plan *plan, uint64_t pages_max)
{
	struct image_run *runs = plan->list.runs;
	uint32_t to = 0;

	for (uint32_t i = 1; i < plan->list.nr; i++) {
		if (hole_after(plan, i - 1, pages_max))
			runs[to].nr_pages =
				end_of(&runs[i]) - runs[to].first_page;
		else
			runs[++to] = runs[i];
	}
	if (plan->list.nr)
		plan->list.nr = to + 1;
}

/* The longest holes that are cheap enough, all together. */
static void join_cheaply(struct plan *plan)
{
	static const uint64_t steps[] = {512, 64, 8, 1};
	const uint64_t most =
		runlist_pages(&plan->list) * HOLES_PER_PAGE + HOLES_FREE;

	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++)
		if (all_holes(plan, steps[i]) <= most) {
			join(plan, steps[i]);
			return;
		}
}

static int larger_first(const void *a, const void *b)
{
	const struct image_run *x = a, *y = b;

	return (x->nr_pages < y->nr_pages) - (x->nr_pages > y->nr_pages);
}

static int by_address(const void *a, const void *b)
{
	const struct image_run *x = a, *y = b;

	return (x->first_page > y->first_page) -
	       (x->first_page < y->first_page);
}

static void keep_largest(struct runlist *list,
			 const struct export_limits *limits)
{
	uint64_t pages = 0;
	uint32_t kept = 0;

	if (list->nr <= limits->ranges_max &&
	    runlist_pages(list) <= limits->pages_max)
		return;
	qsort(list->runs, list->nr, sizeof(*list->runs), larger_first);
	for (uint32_t i = 0; i < list->nr && kept < limits->ranges_max; i++)
		if (list->runs[i].nr_pages <= limits->pages_max - pages) {
			pages += list->runs[i].nr_pages;
			list->runs[kept++] = list->runs[i];
		}
	list->nr = kept;
	qsort(list->runs, list->nr, sizeof(*list->runs), by_address);
}

int export_plan(const struct export_origin *origin,
		const struct export_limits *limits,
		struct image_run **ret_ranges, uint32_t *ret_nr)
{
	CLEANUP(cleanup_plan) struct plan plan = {.origin = origin};
	const struct image *image = origin->image;
	int rc = 0;

	for (uint32_t i = 0; !rc && i < image->nr_vmas; i++)
		if (is_lent(&image->vmas[i]))
			rc = add_vma(&plan, &image->vmas[i]);
	if (rc)
		return rc;
	join_cheaply(&plan);
	keep_largest(&plan.list, limits);
	*ret_nr = plan.list.nr;
	*ret_ranges = plan.list.nr ? steal_ptr(&plan.list.runs) : NULL;
	return 0;
}
