/* SPDX-License-Identifier: MIT */
/* test_lot.c - which pieces lie in a lot, and which of them are one run */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/page.h"
#include "rdmafetch/lot.h"

static const uint64_t none[LOT_PIECES];

static char buf[LOT_PAGES * PAGE_BYTES]; /* nobody reads or writes it */

static struct flight *add(struct lot *lot, uint64_t first, uint64_t nr)
{
	return lot_add(lot, (struct prefetch_run){first, nr});
}

static void arrive(struct flight *flight, int result)
{
	flight->result = result;
	flight->delivered = true;
}

static void a_piece_is_in_one_unit(void **state)
{
	struct prefetch_run piece = {500, 64}, run = {564, 36};

	lot_trim(&piece, &run, 600);
	assert_int_equal(piece.first_page, 500);
	assert_int_equal(piece.nr_pages, 12);
	assert_int_equal(run.first_page, 512);
	assert_int_equal(run.nr_pages, 88);
	piece = (struct prefetch_run){512, 64};
	run = (struct prefetch_run){576, 24};
	lot_trim(&piece, &run, 600);
	assert_int_equal(piece.nr_pages, 64);
	assert_int_equal(run.first_page, 576);
	piece.nr_pages = 0; /* there was none */
	lot_trim(&piece, &run, 600);
	assert_int_equal(run.nr_pages, 24);
}

static void a_unit_is_one_run(void **state)
{
	struct lot lot = {.buf = buf};
	struct flight *pieces[8];
	struct prefetch_run run;
	const char *from;

	for (unsigned i = 0; i < 8; i++) {
		assert_true(lot_has_room(&lot));
		assert_int_equal(lot_wants_first((struct prefetch_run){
					 1024 + i * 64, 64}),
				 i == 0);
		pieces[i] = add(&lot, 1024 + i * 64, 64);
		assert_ptr_equal(pieces[i]->buf, buf + i * 64 * PAGE_BYTES);
	}
	assert_true(lot.closed);
	for (unsigned i = 0; i < 8; i++) {
		assert_int_equal(lot_flying_pages(&lot), 512 - i * 64);
		assert_false(lot_ended(&lot));
		arrive(pieces[i], 0);
	}
	assert_true(lot_ended(&lot));
	assert_int_equal(lot_neighbours(&lot, 0, none, &run, &from), 8);
	assert_int_equal(run.first_page, 1024);
	assert_int_equal(run.nr_pages, 512);
	assert_ptr_equal(from, buf);
	lot.sinking = true;
	assert_false(lot_ended(&lot));
	lot_clear(&lot);
	assert_true(lot_has_room(&lot));
	assert_false(lot_ended(&lot));
}

/* What is not beside it in memory, or has not come, ends a run. */
static void only_neighbours_that_came_are_one_run(void **state)
{
	struct lot lot = {.buf = buf};
	struct prefetch_run run;
	const char *from;

	arrive(add(&lot, 10, 2), 0);
	arrive(add(&lot, 12, 4), 0);
	arrive(add(&lot, 16, 8), -EIO);
	arrive(add(&lot, 24, 1), 0);
	arrive(add(&lot, 26, 1), 0);
	assert_int_equal(lot_neighbours(&lot, 0, none, &run, &from), 2);
	assert_int_equal(run.first_page, 10);
	assert_int_equal(run.nr_pages, 6);
	assert_int_equal(lot_neighbours(&lot, 2, none, &run, &from), 0);
	assert_int_equal(lot_neighbours(&lot, 3, none, &run, &from), 1);
	assert_int_equal(run.first_page, 24);
	assert_int_equal(run.nr_pages, 1);
	assert_ptr_equal(from, buf + 14 * PAGE_BYTES);
	assert_int_equal(lot_neighbours(&lot, 4, none, &run, &from), 1);
	assert_int_equal(run.first_page, 26);
}

/* What a fault has taken is in no run, and its piece by itself. */
static void what_is_taken_is_left_out(void **state)
{
	struct lot lot = {.buf = buf};
	struct flight *pieces[3], other = {0};
	struct prefetch_run run;
	const char *from;

	for (unsigned i = 0; i < 3; i++) {
		pieces[i] = add(&lot, 64 + i * 64, 64);
		arrive(pieces[i], 0);
	}
	assert_false(lot_take(&lot, &other, (struct prefetch_run){64, 1}));
	assert_true(lot_take(&lot, pieces[1], (struct prefetch_run){130, 3}));
	assert_true(lot_take(&lot, pieces[1], (struct prefetch_run){191, 1}));
	assert_int_equal(lot_neighbours(&lot, 0, lot.taken, &run, &from), 1);
	assert_int_equal(lot_neighbours(&lot, 1, lot.taken, &run, &from), 0);
	assert_int_equal(lot_neighbours(&lot, 2, lot.taken, &run, &from), 1);
	run = lot_untaken(pieces[1], lot.taken[1], 0);
	assert_int_equal(run.first_page, 128);
	assert_int_equal(run.nr_pages, 2);
	run = lot_untaken(pieces[1], lot.taken[1], 2);
	assert_int_equal(run.first_page, 133);
	assert_int_equal(run.nr_pages, 58);
	assert_int_equal(lot_untaken(pieces[1], lot.taken[1], 63).nr_pages, 0);
	assert_true(lot_take(&lot, pieces[2], (struct prefetch_run){192, 64}));
	assert_int_equal(lot_untaken(pieces[2], lot.taken[2], 0).nr_pages, 0);
	lot_clear(&lot);
	(void)add(&lot, 1000, 64);
	assert_int_equal(lot.taken[0], 0);
	assert_false(lot_take(&lot, pieces[1], (struct prefetch_run){130, 3}));
}

/* A piece may be as large as any: what a whole one does not fit into is full.
 */
static void small_pieces_share_a_lot(void **state)
{
	struct lot lot = {.buf = buf};

	for (unsigned i = 0; i < LOT_PIECES; i++) {
		assert_true(lot_has_room(&lot));
		(void)add(&lot, i * 1000, 1);
	}
	assert_true(lot.closed);
	lot_clear(&lot);
	for (unsigned i = 0; i < 7; i++)
		(void)add(&lot, i * 64, 64);
	assert_true(lot_has_room(&lot));
	(void)add(&lot, 9000, 1);
	assert_false(lot_has_room(&lot));
	assert_true(lot.closed);
	/* a unit that is not whole begins anywhere */
	assert_false(lot_wants_first((struct prefetch_run){1024, 63}));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_piece_is_in_one_unit),
		cmocka_unit_test(a_unit_is_one_run),
		cmocka_unit_test(only_neighbours_that_came_are_one_run),
		cmocka_unit_test(what_is_taken_is_left_out),
		cmocka_unit_test(small_pieces_share_a_lot),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
