/* SPDX-License-Identifier: MIT */
/*
 * test_childnote.c - notes that are taken, and those that are not
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/childnote.h"

#define LAST_PAGE (UINT64_MAX >> 12)

static void loads_are_checked(void **state)
{
	struct childnote_load load = {.format = CHILDNOTE_FORMAT,
				      .nr_phases = CHILDNOTE_PHASES_MAX};
	const struct childnote_load *got = NULL;

	assert_int_equal(childnote_get_load(&load, sizeof(load), &got), 0);
	assert_ptr_equal(got, &load);
	assert_int_equal(childnote_get_load(&load, sizeof(load) - 1, &got),
			 -EINVAL);
	assert_int_equal(childnote_get_load(NULL, 0, &got), -EINVAL);
	load.nr_phases++;
	assert_int_equal(childnote_get_load(&load, sizeof(load), &got),
			 -EINVAL);
	load.nr_phases = 0;
	load.format++;
	assert_int_equal(childnote_get_load(&load, sizeof(load), &got),
			 -EINVAL);
}

static int take(const struct childnote_pages *pages)
{
	const struct childnote_pages *got;

	return childnote_get_pages(pages, sizeof(*pages), &got);
}

static void pages_are_checked(void **state)
{
	static struct childnote_pages pages = {.format = CHILDNOTE_FORMAT,
					       .nr_runs = 1};
	const struct childnote_pages *got;

	assert_int_equal(take(&pages), -EINVAL); /* an empty run */
	pages.runs[0] = (struct childnote_run){LAST_PAGE - 1, 1};
	assert_int_equal(take(&pages), 0);
	assert_int_equal(childnote_get_pages(&pages, sizeof(pages) - 1, &got),
			 -EINVAL);
	pages.runs[0].nr_pages = 2;
	assert_int_equal(take(&pages), -EINVAL);
	pages.runs[0] = (struct childnote_run){2, UINT64_MAX};
	assert_int_equal(take(&pages), -EINVAL); /* it wraps */
	pages.runs[0] = (struct childnote_run){UINT64_MAX, 1};
	assert_int_equal(take(&pages), -EINVAL);
	pages.nr_runs = 0;
	assert_int_equal(take(&pages), 0);
	pages.nr_runs = CHILDNOTE_RUNS_MAX + 1;
	assert_int_equal(take(&pages), -EINVAL);
	pages.nr_runs = CHILDNOTE_RUNS_MAX;
	for (unsigned i = 0; i < CHILDNOTE_RUNS_MAX; i++)
		pages.runs[i] = (struct childnote_run){i, 1};
	assert_int_equal(take(&pages), 0);
	pages.format = 0;
	assert_int_equal(take(&pages), -EINVAL);
}

/* An ioctl's number holds its size in 14 bits. */
static void sizes_fit_their_numbers(void **state)
{
	assert_int_equal(_IOC_SIZE(CHILDNOTE_PAGES),
			 sizeof(struct childnote_pages));
	assert_int_equal(_IOC_SIZE(CHILDNOTE_LOAD),
			 sizeof(struct childnote_load));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(loads_are_checked),
		cmocka_unit_test(pages_are_checked),
		cmocka_unit_test(sizes_fit_their_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
