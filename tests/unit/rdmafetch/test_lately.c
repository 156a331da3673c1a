/* SPDX-License-Identifier: MIT */
/*
 * test_lately.c - what readers were given: remembered for a while, and
 * forgotten when it is asked for again
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rdmafetch/lately.h"

#define NR_PAGES (4 * LATELY_RUNS)

static struct image_run runs[] = {{1000, NR_PAGES}, {9000, 2}, {9004, 2}};
static const struct image image = {.runs = runs, .nr_runs = 3};

static struct lately *open_one(void)
{
	struct lately *lately = NULL;

	assert_int_equal(lately_new(&image, &lately), 0);
	return lately;
}

static void give(struct lately *lately, uint64_t first, uint64_t nr)
{
	lately_given(lately, (struct prefetch_run){first, nr});
}

static uint64_t count(const struct lately *lately)
{
	return pageset_count(lately_pages(lately));
}

/* Whether the first page from @first on that was not given is @want. */
static void expect_missing(const struct lately *lately, uint64_t first,
			   uint64_t want)
{
	struct prefetch_run run = pageset_missing(
		lately_pages(lately),
		(struct prefetch_run){first, 1000 + NR_PAGES - first}, 1);

	assert_int_equal(run.nr_pages, 1);
	assert_int_equal(run.first_page, want);
}

static void what_was_given_is_known_in_any_order(void **state)
{
	struct lately *lately = open_one();

	give(lately, 1004, 4);
	give(lately, 1000, 4);
	assert_int_equal(count(lately), 8);
	expect_missing(lately, 1000, 1008);
	lately_free(lately);
}

static void the_oldest_is_forgotten(void **state)
{
	struct lately *lately = open_one();

	for (uint64_t i = 0; i < LATELY_RUNS; i++)
		give(lately, 1000 + 3 * i, 2);
	assert_int_equal(count(lately), 2 * LATELY_RUNS);
	give(lately, 1000 + 3 * LATELY_RUNS, 2);
	assert_int_equal(count(lately), 2 * LATELY_RUNS);
	expect_missing(lately, 1000, 1000);
	lately_free(lately);
}

/* Nor are those of another reader known any more: all may be lost. */
static void who_asks_again_has_lost_it(void **state)
{
	struct lately *lately = open_one();

	give(lately, 1000, 4);
	give(lately, 1100, 4);
	give(lately, 1002, 4);
	assert_int_equal(count(lately), 4);
	expect_missing(lately, 1000, 1000);
	expect_missing(lately, 1002, 1006);
	for (uint64_t i = 0; i < LATELY_RUNS; i++) /* no place lost */
		give(lately, 1200 + 2 * i, 1);
	assert_int_equal(count(lately), LATELY_RUNS);
	lately_free(lately);
}

/* Reading a hole is no news, and again none. */
static void holes_are_not_given(void **state)
{
	struct lately *lately = open_one();

	give(lately, 9000, 6);
	assert_int_equal(count(lately), 4);
	give(lately, 9002, 2);
	give(lately, 9002, 2);
	give(lately, 5, 900);
	assert_int_equal(count(lately), 4);
	lately_free(lately);
	lately_free(NULL);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_given_is_known_in_any_order),
		cmocka_unit_test(the_oldest_is_forgotten),
		cmocka_unit_test(who_asks_again_has_lost_it),
		cmocka_unit_test(holes_are_not_given),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
