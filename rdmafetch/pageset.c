/* SPDX-License-Identifier: MIT */
/*
 * pageset.c - a bitmap over the image's pages, by rank
 */
#include "rdmafetch/pageset.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "rdmafetch/ranks.h"

#define WORD_BITS 64u

struct pageset {
	struct ranks ranks;
	uint64_t *words;
	uint64_t nr_in;
};

int pageset_new(const struct image *image, struct pageset **ret)
{
	struct pageset *set = calloc(1, sizeof(*set));

	if (!set)
		return -ENOMEM;
	if (!ranks_init(&set->ranks, image))
		set->words = calloc(set->ranks.nr_pages / WORD_BITS + 1,
				    sizeof(*set->words));
	if (!set->words) {
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
	ranks_done(&set->ranks);
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
	const struct image *image = set->ranks.image;
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
		changed += paint(set, ranks_in(&set->ranks, run, from),
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
	/* Wraps where an address is larger than its rank: taken off again. */
	uint64_t base = ranks_in(&set->ranks, run, 0);
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
	const struct image *image = set->ranks.image;
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
