/* SPDX-License-Identifier: MIT */
/*
 * test_workset.c - faults in their order, over the wire and back
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/workset.h"

static void runs_that_go_on_are_one(void **state)
{
	struct workset set = {0};

	assert_int_equal(workset_add(&set, 100, 2), 0);
	assert_int_equal(workset_add(&set, 102, 3), 0);
	assert_int_equal(workset_add(&set, 50, 1), 0);
	assert_int_equal(workset_add(&set, 105, 1), 0);
	assert_int_equal(set.nr, 3);
	assert_int_equal(set.runs[0].first_page, 100);
	assert_int_equal(set.runs[0].nr_pages, 5);
	assert_int_equal(set.runs[1].first_page, 50);
	assert_int_equal(workset_pages(&set), 7);
	workset_done(&set);
}

static void it_has_an_end(void **state)
{
	struct workset set = {0};

	for (uint64_t i = 0; i < WORKSET_RUNS_MAX; i++)
		assert_int_equal(workset_add(&set, 2 * i, 1), 0);
	assert_int_equal(workset_add(&set, 1ull << 40, 1), -ENOSPC);
	assert_int_equal(workset_add(&set, 2 * WORKSET_RUNS_MAX - 1, 1), 0);
	assert_int_equal(set.nr, WORKSET_RUNS_MAX);
	workset_done(&set);
}

static void all_of_it_comes_back(void **state)
{
	struct workset set = {0}, copy, back;
	uint8_t *bytes;
	size_t len;

	for (uint64_t i = 0; i < 1000; i++)
		assert_int_equal(
			workset_add(&set, (i * 7919) % 4096 * 10, 1 + i % 9),
			0);
	assert_int_equal(workset_copy(&set, &copy), 0);
	len = workset_bytes(&copy);
	bytes = malloc(len);
	workset_put(bytes, &copy);
	assert_int_equal(workset_get(bytes, len, &back), 0);
	assert_int_equal(back.nr, set.nr);
	for (uint32_t i = 0; i < set.nr; i++) {
		assert_int_equal(back.runs[i].first_page,
				 set.runs[i].first_page);
		assert_int_equal(back.runs[i].nr_pages, set.runs[i].nr_pages);
	}
	free(bytes);
	workset_done(&set);
	workset_done(&copy);
	workset_done(&back);
}

static void whose_it_is_comes_back(void **state)
{
	struct workset set = {.is_inherited = true}, back = {0};
	uint8_t bytes[WORKSET_HEAD + WORKSET_RUN_BYTES];

	assert_int_equal(workset_add(&set, 5, 1), 0);
	workset_put(bytes, &set);
	assert_int_equal(workset_get(bytes, sizeof(bytes), &back), 0);
	assert_true(back.is_inherited);
	workset_done(&back);
	bytes[7] = 1; /* nothing else is said there */
	assert_int_equal(workset_get(bytes, sizeof(bytes), &back), -EPROTO);
	workset_done(&set);
}

static void a_cut_leaves_the_beginning(void **state)
{
	struct workset set = {0};

	workset_cut(&set, 3);
	for (uint64_t i = 0; i < 40; i++)
		assert_int_equal(workset_add(&set, i * 10, 1), 0);
	workset_cut(&set, 40);
	assert_int_equal(set.nr, 40);
	workset_cut(&set, 3);
	assert_int_equal(set.nr, 3);
	assert_int_equal(set.room, 3);
	assert_int_equal(set.runs[2].first_page, 20);
	/* It can grow again. */
	assert_int_equal(workset_add(&set, 1000, 1), 0);
	assert_int_equal(set.nr, 4);
	assert_int_equal(set.runs[3].first_page, 1000);
	workset_done(&set);
}

static void an_empty_one_is_one(void **state)
{
	struct workset none = {0}, back = {.nr = 5};
	uint8_t bytes[WORKSET_HEAD];

	workset_put(bytes, &none);
	assert_int_equal(workset_get(bytes, sizeof(bytes), &back), 0);
	assert_int_equal(back.nr, 0);
}

static void a_part_comes_back(void **state)
{
	struct workset_part part = {.image = {.name = "redis", .key = {1, 2}},
				    .from = 400,
				    .nr = WORKSET_PART_MAX};
	struct workset_part back;
	uint8_t bytes[WIRE_REQUEST_MAX];
	size_t len;

	for (uint32_t i = 0; i < part.nr; i++)
		part.runs[i] = (struct workset_run){i * 100ull, i + 1};
	len = workset_put_part(bytes, &part);
	assert_true(len <= sizeof(bytes));
	assert_int_equal(workset_get_part(bytes, len, &back), 0);
	assert_string_equal(back.image.name, "redis");
	assert_int_equal(back.from, 400);
	assert_int_equal(back.nr, part.nr);
	assert_int_equal(back.runs[199].first_page, 19900);
	assert_int_equal(back.runs[199].nr_pages, 200);
	assert_int_equal(workset_get_part(bytes, len - 1, &back), -EPROTO);
	assert_int_equal(workset_get_part(bytes, 87, &back), -EPROTO);
}

/* Each byte of a part made wrong that must be right. */
static void lies_are_refused(void **state)
{
	static const struct {
		size_t at;
		uint8_t value;
	} lies[] = {
		{0, '.'},	/* the name */
		{80 + 3, 1},	/* far too late a part */
		{84, 0},	/* no runs */
		{84, 2},	/* more than there are */
		{88 + 7, 0xff}, /* past the last page */
		{88 + 8, 0},	/* an empty run */
		{88 + 12, 1},	/* reserved */
	};
	struct workset_part part = {.image = {.name = "a"}, .nr = 1}, back;
	struct workset set;
	uint8_t bytes[WIRE_REQUEST_MAX], whole[24] = {1, 0, 0, 0, 16};

	part.runs[0] = (struct workset_run){5, 1};
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		size_t len = workset_put_part(bytes, &part);

		assert_int_equal(workset_get_part(bytes, len, &back), 0);
		bytes[lies[i].at] = lies[i].value;
		assert_int_equal(workset_get_part(bytes, len, &back), -EPROTO);
	}
	assert_int_equal(workset_get(whole, 24, &set), -EPROTO); /* empty run */
	whole[16] = 1;
	assert_int_equal(workset_get(whole, 24, &set), 0);
	workset_done(&set);
	assert_int_equal(workset_get(whole, 23, &set), -EPROTO);
	whole[4] = 15;
	assert_int_equal(workset_get(whole, 24, &set), -EPROTO);
	whole[4] = 16;
	whole[3] = 1;
	assert_int_equal(workset_get(whole, 24, &set), -EPROTO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(runs_that_go_on_are_one),
		cmocka_unit_test(it_has_an_end),
		cmocka_unit_test(all_of_it_comes_back),
		cmocka_unit_test(whose_it_is_comes_back),
		cmocka_unit_test(a_cut_leaves_the_beginning),
		cmocka_unit_test(an_empty_one_is_one),
		cmocka_unit_test(a_part_comes_back),
		cmocka_unit_test(lies_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
