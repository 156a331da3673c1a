/* SPDX-License-Identifier: MIT */
/*
 * test_foreseen.c - each page that came ahead is counted once, as what came
 * first
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rdmafetch/foreseen.h"
#include "tests/unit/rdmafetch/reader.h"

static struct prefetch_run run(uint64_t from, uint64_t nr)
{
	return (struct prefetch_run){BASE_PAGE + from, nr};
}

static void every_page_is_counted_once(void **state)
{
	struct foreseen *foreseen = NULL;
	struct foreseen_stats stats;

	assert_int_equal(foreseen_new(&reader_image, &foreseen), 0);
	foreseen_seen(foreseen, run(0, 64)); /* none came ahead */
	foreseen_issued(foreseen, run(0, 64));
	foreseen_joined(foreseen, run(0, 4));
	foreseen_passed(foreseen, run(2, 6));
	foreseen_lost(foreseen, run(8, 2));
	foreseen_again(foreseen, run(10, 1));
	/* A child had all of that, and more: what is left is what it tells. */
	foreseen_seen(foreseen, run(0, 32));
	foreseen_seen(foreseen, run(16, 24)); /* so had the next one */
	foreseen_again(foreseen, run(0, 40));
	stats = foreseen_get_stats(foreseen);
	assert_int_equal(stats.joined_pages, 4);
	assert_int_equal(stats.passed_pages, 4);
	assert_int_equal(stats.lost_pages, 2);
	assert_int_equal(stats.again_pages, 1);
	assert_int_equal(stats.seen_pages, 40 - 11);
	foreseen_free(foreseen);
}

/* Brought a second time it is new. */
static void what_comes_again_counts_again(void **state)
{
	struct foreseen *foreseen = NULL;

	assert_int_equal(foreseen_new(&reader_image, &foreseen), 0);
	for (int i = 0; i < 2; i++) {
		foreseen_issued(foreseen, run(0, 8));
		foreseen_seen(foreseen,
			      (struct prefetch_run){0, UINT64_MAX >> 12});
	}
	assert_int_equal(foreseen_get_stats(foreseen).seen_pages, 16);
	foreseen_free(foreseen);
	foreseen_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_page_is_counted_once),
		cmocka_unit_test(what_comes_again_counts_again),
	};

	reader_setup();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
