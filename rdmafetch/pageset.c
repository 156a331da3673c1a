/* SPDX-License-Identifier: MIT */
/*
 * pageset.c - a bitmap over the runs, end to end
 *
 *     runs of the image:   [ 5, 6, 7 ]      [ 20, 21 ]
 *     place in the bitmap:   0  1  2          3   4      base[] = {0, 3}
 */
#include "rdmafetch/pageset.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#define WORD_BITS 64u

struct pageset {
	const struct image *image;
	uint64_t *base; /* of each run: the place of its first page */
	uint64_t *words;
	uint64_t nr_in;
};

int pageset_new(const struct image *image, struct pageset **ret)
{
	struct pageset *set = calloc(1, sizeof(*set));
	uint64_t nr = 0;

	if (!set)
		return -ENOMEM;
	set->image = image;
	set->base = calloc((size_t)image->nr_runs + 1, sizeof(*set->base));
	for (uint32_t i = 0; set->base && i < image->nr_runs; i++) {
		set->base[i] = nr;
		nr += image->runs[i].nr_pages;
	}
	set->words = calloc(nr / WORD_BITS + 1, sizeof(*set->words));
	if (!set->base || !set->words) {
		pageset_free(set);
		return -ENOMEM;
	}
	*ret = set;
	return 0;
}

void pageset_free(struct pageset *set)
{
	if (!set)
		return;
	free(set->base);
	free(set->words);
	free(set);
}

static uint64_t end_of(const struct image_run *run)
{
	return run->first_page + run->nr_pages;
}

/* Set or clear @nr places from @at on; returns how many were not so. */
static uint64_t paint(struct pageset *set, uint64_t at, uint64_t nr, bool value)
{
	uint64_t changed = 0;

	for (; nr; at++, nr--) {
		uint64_t *word = &set->words[at / WORD_BITS];
		uint64_t bit = 1ull << (at % WORD_BITS);

		changed += !(*word & bit) == value;
		if (value)
			*word |= bit;
		else
			*word &= ~bit;
	}
	return changed;
}

static uint64_t change(struct pageset *set, struct prefetch_run range,
		       bool value)
{
	const struct image *image = set->image;
	const struct image_run *run = image_run_after(image, range.first_page);
	uint64_t end = range.first_page + range.nr_pages, changed = 0;

	for (;
	     run && run < image->runs + image->nr_runs && run->first_page < end;
	     run++) {
		uint64_t from = run->first_page, to = end_of(run);

		if (from < range.first_page)
			from = range.first_page;
		if (to > end)
			to = end;
		changed += paint(set,
				 set->base[run - image->runs] + from -
					 run->first_page,
				 to - from, value);
	}
	set->nr_in += value ? changed : -changed;
	return changed;
}

uint64_t pageset_count(const struct pageset *set)
{
	return set->nr_in;
}

uint64_t pageset_add(struct pageset *set, struct prefetch_run run)
{
	return change(set, run, true);
}

uint64_t pageset_del(struct pageset *set, struct prefetch_run run)
{
	return change(set, run, false);
}

static bool has(const struct pageset *set, uint64_t at)
{
	return set->words[at / WORD_BITS] >> (at % WORD_BITS) & 1;
}

/* The first place from @at on, below @end, with its bit as @value; or @end. */
static uint64_t find(const struct pageset *set, uint64_t at, uint64_t end,
		     bool value)
{
	uint64_t dull = value ? 0 : UINT64_MAX; /* a word without any */

	while (at < end && has(set, at) != value) {
		at++;
		while (at % WORD_BITS == 0 && at < end &&
		       set->words[at / WORD_BITS] == dull)
			at += WORD_BITS;
	}
	return at < end ? at : end;
}

/* As pageset_missing() within one run of the image, [@from, @to) of it. */
static struct prefetch_run missing_in(const struct pageset *set,
				      const struct image_run *run,
				      uint64_t from, uint64_t to, uint64_t max)
{
	uint64_t base = set->base[run - set->image->runs] - run->first_page;
	uint64_t first = find(set, base + from, base + to, false), end;
	struct prefetch_run found = {first - base, 0};

	end = first + max < base + to ? first + max : base + to;
	if (first < end)
		found.nr_pages = find(set, first, end, true) - first;
	return found;
}

struct prefetch_run pageset_missing(const struct pageset *set,
				    struct prefetch_run range,
				    uint64_t max_pages)
{
	const struct image *image = set->image;
	const struct image_run *run = image_run_after(image, range.first_page);
	uint64_t end = range.first_page + range.nr_pages;
	struct prefetch_run found = {end, 0};

	for (; run && run < image->runs + image->nr_runs &&
	       run->first_page < end && !found.nr_pages;
	     run++) {
		uint64_t from = run->first_page, to = end_of(run);

		if (from < range.first_page)
			from = range.first_page;
		if (to > end)
			to = end;
		found = missing_in(set, run, from, to, max_pages);
	}
	return found;
}
