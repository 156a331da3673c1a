/* SPDX-License-Identifier: MIT */
/*
 * test_verbs_regions.c - which way a read goes
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "rdmafetch/verbs_regions.h"

#define P(n) ((uint64_t)(n) << 12)

static struct wire_region list[] = {
	{P(10), P(4), 1}, {P(14), P(1), 2}, {P(15), P(1), 3},
	{P(16), P(1), 4}, {P(17), P(1), 5}, {P(30), P(2), 6},
};
static const struct verbs_regions regions = {list, 6};

static unsigned cut(uint64_t page, unsigned nr, struct verbs_piece *pieces)
{
	return verbs_regions_cut(&regions, P(page), (uint32_t)P(nr), pieces);
}

static void inside_a_region_a_read_is_one_piece(void **state)
{
	struct verbs_piece pieces[VERBS_PIECES_MAX];

	for (unsigned page = 10; page < 14; page++) {
		assert_int_equal(cut(page, 14 - page, pieces), 1);
		assert_int_equal(pieces[0].raddr, P(page));
		assert_int_equal(pieces[0].len_bytes, P(14 - page));
		assert_int_equal(pieces[0].rkey, 1);
	}
	assert_int_equal(cut(31, 1, pieces), 1);
	assert_int_equal(pieces[0].rkey, 6);
}

static void over_adjoining_regions_it_is_cut(void **state)
{
	struct verbs_piece pieces[VERBS_PIECES_MAX];

	assert_int_equal(cut(12, 5, pieces), 4);
	assert_int_equal(pieces[0].raddr, P(12));
	assert_int_equal(pieces[0].len_bytes, P(2));
	for (unsigned i = 1; i < 4; i++) {
		assert_int_equal(pieces[i].raddr, P(13 + i));
		assert_int_equal(pieces[i].len_bytes, P(1));
		assert_int_equal(pieces[i].rkey, i + 1);
	}
}

static void more_pieces_than_fit_go_by_message(void **state)
{
	struct verbs_piece pieces[VERBS_PIECES_MAX];

	assert_int_equal(cut(12, 6, pieces), 0);
}

static void what_touches_a_hole_goes_by_message(void **state)
{
	struct verbs_piece pieces[VERBS_PIECES_MAX];

	assert_int_equal(cut(9, 1, pieces), 0);
	assert_int_equal(cut(9, 2, pieces), 0);
	assert_int_equal(cut(17, 2, pieces), 0);
	assert_int_equal(cut(18, 1, pieces), 0);
	assert_int_equal(cut(29, 2, pieces), 0);
	assert_int_equal(cut(31, 2, pieces), 0);
	assert_int_equal(cut(1000, 1, pieces), 0);
}

static void no_regions_is_all_by_message(void **state)
{
	static const struct verbs_regions none;
	struct verbs_piece pieces[VERBS_PIECES_MAX];

	assert_int_equal(verbs_regions_cut(&none, P(10), 4096, pieces), 0);
}

/* ---- refused ---- */

static void a_refused_range_is_refused_and_its_neighbours_are_not(void **state)
{
	struct verbs_refused *refused = verbs_refused_new();

	verbs_refused_add(refused, P(5), (uint32_t)P(2));
	assert_false(verbs_refused_has(refused, P(4), (uint32_t)P(1)));
	assert_true(verbs_refused_has(refused, P(4), (uint32_t)P(2)));
	assert_true(verbs_refused_has(refused, P(5), (uint32_t)P(1)));
	assert_true(verbs_refused_has(refused, P(6), (uint32_t)P(5)));
	assert_false(verbs_refused_has(refused, P(7), (uint32_t)P(1)));
	verbs_refused_free(refused);
}

/* Against an array of pages, with ranges that merge in every way. */
static void ranges_merge_as_a_set_of_pages_does(void **state)
{
	struct verbs_refused *refused = verbs_refused_new();
	bool pages[300] = {false};
	unsigned seed = 1;

	for (unsigned i = 0; i < 120; i++) {
		unsigned from, nr;

		seed = seed * 1103515245 + 12345;
		from = seed >> 16 & 255;
		nr = 1 + (seed >> 8 & 7);
		verbs_refused_add(refused, P(from), (uint32_t)P(nr));
		for (unsigned n = 0; n < nr; n++)
			pages[from + n] = true;
		for (unsigned page = 0; page < 300; page++)
			assert_int_equal(
				verbs_refused_has(refused, P(page), 4096),
				pages[page]);
	}
	verbs_refused_free(refused);
}

static void a_full_set_refuses_everything(void **state)
{
	struct verbs_refused *refused = verbs_refused_new();

	for (unsigned i = 0; i < 256; i++)
		verbs_refused_add(refused, P(2 * i), 4096);
	assert_false(verbs_refused_has(refused, P(1001), 4096));
	verbs_refused_add(refused, P(2000), 4096);
	assert_true(verbs_refused_has(refused, P(1001), 4096));
	verbs_refused_free(refused);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(inside_a_region_a_read_is_one_piece),
		cmocka_unit_test(over_adjoining_regions_it_is_cut),
		cmocka_unit_test(more_pieces_than_fit_go_by_message),
		cmocka_unit_test(what_touches_a_hole_goes_by_message),
		cmocka_unit_test(no_regions_is_all_by_message),
		cmocka_unit_test(
			a_refused_range_is_refused_and_its_neighbours_are_not),
		cmocka_unit_test(ranges_merge_as_a_set_of_pages_does),
		cmocka_unit_test(a_full_set_refuses_everything),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
