/* SPDX-License-Identifier: MIT */
/*
 * test_pageset.c - the bitmap over runs, against a plain model
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rdmafetch/pageset.h"

#define SPAN 1024u /* pages of the model */

static struct image_run runs[] = {
	{5, 3}, {20, 2}, {64, 64}, {200, 1}, {300, 500}};
static const struct image image = {.runs = runs, .nr_runs = 5};

static struct pageset *new_set(void)
{
	struct pageset *set = NULL;

	assert_int_equal(pageset_new(&image, &set), 0);
	return set;
}

static void check_missing(struct pageset *set, struct prefetch_run range,
			  uint64_t max, struct prefetch_run want)
{
	struct prefetch_run got = pageset_missing(set, range, max);

	assert_int_equal(got.nr_pages, want.nr_pages);
	if (want.nr_pages)
		assert_int_equal(got.first_page, want.first_page);
}

static struct prefetch_run run(uint64_t first, uint64_t nr)
{
	return (struct prefetch_run){first, nr};
}

static void an_empty_set_misses_what_is_present(void **state)
{
	struct pageset *set = new_set();

	check_missing(set, run(0, 1000), 100, run(5, 3));
	check_missing(set, run(6, 1000), 100, run(6, 2));
	check_missing(set, run(8, 1000), 100, run(20, 2));
	check_missing(set, run(300, 1000), 100, run(300, 100));
	check_missing(set, run(310, 7), 100, run(310, 7));
	pageset_free(set);
}

static void holes_are_never_missing(void **state)
{
	struct pageset *set = new_set();

	check_missing(set, run(8, 12), 100, run(0, 0));
	check_missing(set, run(800, 1u << 30), 100, run(0, 0));
	pageset_add(set, run(8, 12));
	check_missing(set, run(0, 100), 100, run(5, 3));
	pageset_free(set);
}

static void an_added_run_is_missing_no_more_until_taken_out(void **state)
{
	struct pageset *set = new_set();

	pageset_add(set, run(5, 1));
	check_missing(set, run(0, 1000), 100, run(6, 2));
	pageset_add(set, run(0, 66));
	check_missing(set, run(0, 1000), 100, run(66, 62));
	pageset_del(set, run(6, 1));
	check_missing(set, run(0, 1000), 100, run(6, 1));
	pageset_free(set);
}

static void an_image_without_pages_is_allowed(void **state)
{
	static const struct image empty = {0};
	struct pageset *set = NULL;

	assert_int_equal(pageset_new(&empty, &set), 0);
	pageset_add(set, run(0, 100));
	check_missing(set, run(0, UINT64_MAX >> 12), 10, run(0, 0));
	pageset_free(set);
}

/* The slow way to the same answer. */
struct model {
	bool present[SPAN], here[SPAN];
};

static bool is_missing(const struct model *model, uint64_t page, uint64_t end)
{
	return page < end && model->present[page] && !model->here[page];
}

static struct prefetch_run model_missing(const struct model *model,
					 struct prefetch_run range,
					 uint64_t max)
{
	uint64_t page = range.first_page, end = page + range.nr_pages;
	struct prefetch_run found = {0, 0};

	while (page < end && !is_missing(model, page, end))
		page++;
	found.first_page = page;
	while (found.nr_pages < max && is_missing(model, page++, end))
		found.nr_pages++;
	return found;
}

static void it_agrees_with_the_model(void **state)
{
	struct pageset *set = new_set();
	struct model model = {0};

	for (unsigned i = 0; i < image.nr_runs; i++)
		memset(model.present + runs[i].first_page, 1, runs[i].nr_pages);
	srandom(1);
	for (int i = 0; i < 20000; i++) {
		struct prefetch_run range = {(uint64_t)random() % (SPAN - 200),
					     (uint64_t)random() % 200};
		uint64_t max = 1 + (uint64_t)random() % 80;

		switch (random() % 3) {
		case 0:
			pageset_add(set, range);
			memset(model.here + range.first_page, 1,
			       range.nr_pages);
			break;
		case 1:
			range.nr_pages /= 4;
			pageset_del(set, range);
			memset(model.here + range.first_page, 0,
			       range.nr_pages);
			break;
		default:
			check_missing(set, range, max,
				      model_missing(&model, range, max));
		}
	}
	pageset_free(set);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_set_misses_what_is_present),
		cmocka_unit_test(holes_are_never_missing),
		cmocka_unit_test(
			an_added_run_is_missing_no_more_until_taken_out),
		cmocka_unit_test(an_image_without_pages_is_allowed),
		cmocka_unit_test(it_agrees_with_the_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
