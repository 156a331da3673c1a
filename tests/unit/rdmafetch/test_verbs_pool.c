/* SPDX-License-Identifier: MIT */
/* test_verbs_pool.c - lent pieces never overlap, and what is free is found */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rdmafetch/verbs_pool.h"

#define PIECES 200

static void whole_pool_and_not_more(void **state)
{
	struct verbs_pool pool = {{0}};

	assert_int_equal(verbs_pool_take(&pool, 0), -1);
	assert_int_equal(verbs_pool_take(&pool, VERBS_POOL_UNITS + 1), -1);
	assert_int_equal(verbs_pool_take(&pool, VERBS_POOL_UNITS), 0);
	assert_int_equal(verbs_pool_take(&pool, 1), -1);
	verbs_pool_put(&pool, 0, VERBS_POOL_UNITS);
	for (unsigned i = 0; i < VERBS_POOL_UNITS; i++)
		assert_int_equal(verbs_pool_take(&pool, 1), i);
	assert_int_equal(verbs_pool_take(&pool, 1), -1);
	assert_int_equal(pool.nr_used, VERBS_POOL_UNITS);
}

static void hole_is_found_where_it_fits(void **state)
{
	struct verbs_pool pool = {{0}};

	assert_int_equal(verbs_pool_take(&pool, VERBS_POOL_UNITS), 0);
	verbs_pool_put(&pool, 60, 8); /* across two words */
	verbs_pool_put(&pool, 100, 9);
	verbs_pool_put(&pool, VERBS_POOL_UNITS - 3, 3);
	assert_int_equal(verbs_pool_take(&pool, 10), -1);
	assert_int_equal(verbs_pool_take(&pool, 9), 100);
	assert_int_equal(verbs_pool_take(&pool, 8), 60);
	assert_int_equal(verbs_pool_take(&pool, 4), -1);
	assert_int_equal(verbs_pool_take(&pool, 3), VERBS_POOL_UNITS - 3);
	assert_int_equal(pool.nr_used, VERBS_POOL_UNITS);
}

/* Against a plain map of owners: nobody gets what another has. */
static void many_pieces_come_and_go(void **state)
{
	static uint8_t owner[VERBS_POOL_UNITS];
	struct piece {
		int first;
		unsigned nr;
	} pieces[PIECES] = {{0}};
	struct verbs_pool pool = {{0}};
	unsigned seed = 1;

	for (unsigned round = 0; round < 20000; round++) {
		unsigned at = (unsigned)rand_r(&seed) % PIECES;
		struct piece *piece = &pieces[at];

		if (piece->nr) {
			verbs_pool_put(&pool, (unsigned)piece->first,
				       piece->nr);
			memset(owner + piece->first, 0, piece->nr);
			piece->nr = 0;
			continue;
		}
		piece->nr = 1 + (unsigned)rand_r(&seed) % 40;
		piece->first = verbs_pool_take(&pool, piece->nr);
		if (piece->first < 0)
			piece->nr = 0;
		for (unsigned i = 0; i < piece->nr; i++) {
			assert_int_equal(owner[piece->first + (int)i], 0);
			owner[piece->first + (int)i] = 1;
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_pool_and_not_more),
		cmocka_unit_test(hole_is_found_where_it_fits),
		cmocka_unit_test(many_pieces_come_and_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
