/* SPDX-License-Identifier: MIT */
/*
 * test_rows.c - streams that begin as far from each other each time, in; where
 * the next one will, out
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rdmafetch/streams.h"

#define FAR_PAGES  512u
#define NEAR_PAGES 64u
#define ROW_PAGES  257u
#define READ_PAGES 32u

/* A fault of @nr_pages at @page, and what is foreseen behind it. */
static struct prefetch_plan fault(struct streams *streams, uint64_t page,
				  uint64_t nr_pages, uint32_t max_pages)
{
	const struct prefetch_run demand = {page, nr_pages};
	struct prefetch_state *stream =
		streams_find(streams, page, &prefetch_auto);
	struct prefetch_plan plan;

	stream->is_near = max_pages == NEAR_PAGES;
	prefetch_auto.next(stream, demand, max_pages, &plan);
	stream->last = demand;
	return plan;
}

/* The faults of a row from @page on; @ret_first is what its first one told. */
static void read_row(struct streams *streams, uint64_t page, uint32_t max_pages,
		     struct prefetch_plan *ret_first)
{
	*ret_first = fault(streams, page, READ_PAGES, max_pages);
	for (uint64_t i = READ_PAGES; i + READ_PAGES <= 256; i += READ_PAGES)
		(void)fault(streams, page + i, READ_PAGES, max_pages);
}

static void expect_run(const struct prefetch_plan *plan, unsigned at,
		       uint64_t first_page, uint64_t nr_pages)
{
	assert_true(plan->nr > at);
	assert_int_equal(plan->runs[at].first_page, first_page);
	assert_int_equal(plan->runs[at].nr_pages, nr_pages);
}

/*
 * The third row is one of a list; as much of it as fits, and of the next one
 * @nr_pages.
 */
static void check_rows(int64_t step, uint64_t nr_pages)
{
	struct streams streams = {0};
	struct prefetch_plan plan;
	uint64_t page = 100000;

	for (unsigned i = 0; i < 6; i++, page += (uint64_t)step) {
		read_row(&streams, page, FAR_PAGES, &plan);
		if (i < 2)
			assert_int_equal(plan.nr, 1);
		else {
			expect_run(&plan, 1, page + (uint64_t)step, nr_pages);
			assert_int_equal(plan.runs[0].first_page,
					 page + READ_PAGES);
			assert_in_range(plan.runs[0].nr_pages, 128,
					FAR_PAGES - nr_pages);
		}
		/* Something else, which is no stream. */
		(void)fault(&streams, 500 + i * 100, 1, FAR_PAGES);
	}
}

static void rows_are_followed_up_and_down(void **state)
{
	check_rows(-(int64_t)ROW_PAGES, ROW_PAGES);
	check_rows(-1000, 384);
	check_rows(1000, 384);
}

/* 16 pages before the first one came with it, as nobody had them yet. */
static void a_first_row_may_begin_a_little_before(void **state)
{
	struct streams streams = {0};
	struct prefetch_plan plan;

	read_row(&streams, 100000 - 16, FAR_PAGES, &plan);
	read_row(&streams, 101000, FAR_PAGES, &plan);
	read_row(&streams, 102000, FAR_PAGES, &plan);
	expect_run(&plan, 1, 103000, 384);
}

/* Of a matrix a part of each line is read. */
static void nothing_is_foreseen_behind_a_row(void **state)
{
	struct streams streams = {0};
	struct prefetch_plan plan;

	for (unsigned i = 0; i < 3; i++)
		read_row(&streams, 100600 - i * 300ul, FAR_PAGES, &plan);
	expect_run(&plan, 0, 100032, 212);
	expect_run(&plan, 1, 99700, 300);
	assert_int_equal(fault(&streams, 100256, 32, FAR_PAGES).nr, 0);
}

static void single_faults_are_no_rows(void **state)
{
	struct streams streams = {0};

	for (unsigned i = 0; i < 6; i++)
		assert_int_equal(fault(&streams, 100000 - i * 257ul, READ_PAGES,
				       FAR_PAGES)
					 .nr,
				 1);
}

static void no_row_is_foreseen_of_what_is_near(void **state)
{
	struct streams streams = {0};
	struct prefetch_plan plan;

	for (unsigned i = 0; i < 6; i++) {
		read_row(&streams, 100000 - i * 257ul, NEAR_PAGES, &plan);
		assert_int_equal(plan.nr, 0);
	}
}

static void steps_that_differ_are_no_rows(void **state)
{
	static const uint64_t pages[] = {100000, 101000, 103000,
					 108000, 90000,	 97500};
	struct streams streams = {0};
	struct prefetch_plan plan;

	for (unsigned i = 0; i < sizeof(pages) / sizeof(*pages); i++) {
		read_row(&streams, pages[i], FAR_PAGES, &plan);
		assert_int_equal(plan.nr, 1);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_are_followed_up_and_down),
		cmocka_unit_test(a_first_row_may_begin_a_little_before),
		cmocka_unit_test(nothing_is_foreseen_behind_a_row),
		cmocka_unit_test(single_faults_are_no_rows),
		cmocka_unit_test(no_row_is_foreseen_of_what_is_near),
		cmocka_unit_test(steps_that_differ_are_no_rows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
