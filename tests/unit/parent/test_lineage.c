/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "parent/lineage.h"

static struct lineages lineages;

static int done(void **state)
{
	lineages_done(&lineages);
	return 0;
}

/* Keep a set of @nr runs, the first of which is at @page. */
static void keep(uint64_t id, uid_t owner, uint64_t page, uint32_t nr)
{
	const struct lineage who = {id, owner};
	struct workset set = {0};

	for (uint32_t i = 0; i < nr; i++)
		assert_int_equal(workset_add(&set, page + i * 10, 2), 0);
	lineages_keep(&lineages, who, &set);
	assert_int_equal(set.nr, 0);
	workset_done(&set);
}

/* The first page of what is known; 0: nothing is. */
static uint64_t found(uint64_t id, uid_t owner)
{
	const struct lineage who = {id, owner};
	const struct workset *set = lineages_find(&lineages, who);

	if (!set)
		return 0;
	assert_true(set->is_inherited);
	return set->runs[0].first_page;
}

static struct image image_of(const char *exe)
{
	struct image image = {.exe = (char *)(uintptr_t)exe,
			      .host_pid = 1,
			      .exe_bytes = 5000,
			      .mm = {.start_code = 0x1000,
				     .start_brk = 0x2000,
				     .start_stack = 0x3000}};

	return image;
}

static void a_program_in_one_layout_is_a_lineage(void **state)
{
	struct image image = image_of("/bin/a");
	uint64_t id = lineage_of(&image);

	image.host_pid = 2; /* as one that was forked has it */
	image.mm.brk = 0x9000;
	assert_true(lineage_of(&image) == id);
	image.mm.start_stack += 4096;
	assert_true(lineage_of(&image) != id);
	image = image_of("/bin/b");
	assert_true(lineage_of(&image) != id);
	image = image_of("/bin/a");
	image.exe_bytes++;
	assert_true(lineage_of(&image) != id);
	image = image_of(NULL);
	assert_true(lineage_of(&image) != id);
}

static void what_is_kept_is_found_by_its_owner(void **state)
{
	assert_int_equal(found(7, 1000), 0);
	keep(7, 1000, 100, 3);
	assert_int_equal(found(7, 1000), 100);
	assert_int_equal(found(7, 1001), 0);
	assert_int_equal(found(8, 1000), 0);
	keep(7, 1001, 200, 1);
	assert_int_equal(found(7, 1000), 100);
	assert_int_equal(found(7, 1001), 200);
}

static void the_last_one_counts_and_an_empty_one_does_not(void **state)
{
	keep(7, 1000, 100, 3);
	keep(7, 1000, 500, 1);
	assert_int_equal(found(7, 1000), 500);
	keep(7, 1000, 0, 0);
	assert_int_equal(found(7, 1000), 500);
}

static void the_longest_unused_goes(void **state)
{
	for (uint64_t i = 1; i <= LINEAGES_MAX; i++)
		keep(i, 0, 100 * i, 1);
	assert_int_equal(found(1, 0), 100); /* used: 2 is the oldest now */
	keep(1000, 0, 7, 1);
	assert_int_equal(found(2, 0), 0);
	assert_int_equal(found(1, 0), 100);
	assert_int_equal(found(1000, 0), 7);
	assert_int_equal(found(LINEAGES_MAX, 0), 100 * LINEAGES_MAX);
}

static void of_a_long_one_the_beginning_is_kept(void **state)
{
	const struct lineage who = {7, 0};
	const struct workset *set;

	keep(7, 0, 100, LINEAGE_RUNS_MAX + 5);
	set = lineages_find(&lineages, who);
	assert_non_null(set);
	assert_int_equal(set->nr, LINEAGE_RUNS_MAX);
	assert_int_equal(set->room, LINEAGE_RUNS_MAX);
	assert_int_equal(set->runs[LINEAGE_RUNS_MAX - 1].first_page,
			 100 + (LINEAGE_RUNS_MAX - 1) * 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_program_in_one_layout_is_a_lineage),
		cmocka_unit_test_teardown(what_is_kept_is_found_by_its_owner,
					  done),
		cmocka_unit_test_teardown(
			the_last_one_counts_and_an_empty_one_does_not, done),
		cmocka_unit_test_teardown(the_longest_unused_goes, done),
		cmocka_unit_test_teardown(of_a_long_one_the_beginning_is_kept,
					  done),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
