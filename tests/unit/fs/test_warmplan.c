/* SPDX-License-Identifier: MIT */
/* Which stretches of an image get huge pages, and what that costs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>

#include "fs/warmplan.h"

#define UNIT  WARMPLAN_UNIT_PAGES
#define WHOLE WARMPLAN_WHOLE_PAGES

static struct image image_of(struct image_run *runs, uint32_t nr)
{
	return (struct image){.runs = runs, .nr_runs = nr};
}

static void assert_window(const struct warmplan *plan, uint32_t i,
			  uint64_t first, uint64_t nr)
{
	assert_true(i < plan->nr);
	assert_int_equal(plan->windows[i].first_page, first);
	assert_int_equal(plan->windows[i].nr_pages, nr);
}

static void a_small_stretch_stays_as_it_is(void **state)
{
	struct image_run runs[] = {{3, 5}, {UNIT + 1, 1}};
	struct image image = image_of(runs, 2);
	struct warmplan plan;

	assert_int_equal(warmplan_make(&image, &plan), 0);
	assert_int_equal(plan.nr, 2);
	assert_window(&plan, 0, 3, 5);
	assert_window(&plan, 1, UNIT + 1, 1);
	assert_int_equal(plan.waste_pages, 0);
	warmplan_done(&plan);
}

static void a_unit_that_is_mostly_there_becomes_whole(void **state)
{
	struct image_run runs[] = {{UNIT + 2, WHOLE - 10}, {2 * UNIT - 12, 10}};
	struct image image = image_of(runs, 2);
	struct warmplan plan;

	assert_int_equal(warmplan_make(&image, &plan), 0);
	assert_int_equal(plan.nr, 1);
	assert_window(&plan, 0, UNIT, UNIT);
	assert_true(plan.windows[0].large);
	assert_int_equal(plan.waste_pages, UNIT - WHOLE);
	warmplan_done(&plan);
	runs[1].nr_pages--;
	assert_int_equal(warmplan_make(&image, &plan), 0);
	assert_int_equal(plan.nr, 2);
	assert_window(&plan, 0, UNIT + 2, WHOLE - 10);
	assert_int_equal(plan.waste_pages, 0);
	warmplan_done(&plan);
}

/* A long run: its ends in units of their own, one whole and one not. */
static void the_ends_of_a_run_are_looked_at_each(void **state)
{
	struct image_run runs[] = {{UNIT + 4, 3 * UNIT}, {9 * UNIT, 1}};
	struct image image = image_of(runs, 2);
	struct warmplan plan;

	assert_int_equal(warmplan_make(&image, &plan), 0);
	assert_int_equal(plan.nr, 2);
	assert_window(&plan, 0, UNIT, 3 * UNIT + 4);
	assert_window(&plan, 1, 9 * UNIT, 1);
	assert_int_equal(plan.waste_pages, 4);
	warmplan_done(&plan);
}

static void every_page_is_found_and_no_hole(void **state)
{
	struct image_run runs[] = {{3, 5}, {10, 2}, {4 * UNIT, UNIT}};
	struct image image = image_of(runs, 3);
	struct warmplan plan;

	assert_int_equal(warmplan_make(&image, &plan), 0);
	for (uint64_t page = 0; page < 6 * UNIT; page++) {
		const struct warmplan_window *window =
			warmplan_find(&plan, page);

		if (!image_present_pages(&image, page, 1)) {
			assert_null(window);
			continue;
		}
		assert_non_null(window);
		assert_in_range(page, window->first_page,
				window->first_page + window->nr_pages - 1);
	}
	warmplan_done(&plan);
}

/* More pieces than a process may have maps: near ones share one. */
static void too_many_pieces_are_joined(void **state)
{
	uint32_t nr = 3 * WARMPLAN_WINDOWS_MAX;
	struct image_run *runs = calloc(nr, sizeof(*runs));
	struct image image = image_of(runs, nr);
	struct warmplan plan;

	for (uint32_t i = 0; i < nr; i++)
		runs[i] = (struct image_run){i * 4ull, 2};
	runs[nr - 1].first_page = 1ull << 34;
	assert_int_equal(warmplan_make(&image, &plan), 0);
	assert_int_equal(plan.nr, 2);
	assert_window(&plan, 0, 0, (nr - 2) * 4ull + 2);
	assert_false(plan.windows[0].large);
	assert_window(&plan, 1, 1ull << 34, 2);
	assert_int_equal(plan.waste_pages, 0);
	warmplan_done(&plan);
	for (uint32_t i = 0; i < nr; i++)
		runs[i].first_page = (uint64_t)i << 19;
	assert_int_equal(warmplan_make(&image, &plan), -E2BIG);
	free(runs);
}

static void an_image_without_pages_has_none(void **state)
{
	struct image image = image_of(NULL, 0);
	struct warmplan plan;

	assert_int_equal(warmplan_make(&image, &plan), 0);
	assert_int_equal(plan.nr, 0);
	assert_null(warmplan_find(&plan, 0));
	warmplan_done(&plan);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_small_stretch_stays_as_it_is),
		cmocka_unit_test(a_unit_that_is_mostly_there_becomes_whole),
		cmocka_unit_test(the_ends_of_a_run_are_looked_at_each),
		cmocka_unit_test(every_page_is_found_and_no_hole),
		cmocka_unit_test(too_many_pieces_are_joined),
		cmocka_unit_test(an_image_without_pages_has_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
