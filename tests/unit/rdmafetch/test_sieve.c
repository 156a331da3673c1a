/* SPDX-License-Identifier: MIT */
/*
 * test_sieve.c - what goes, what stays, and what a pass over too much leaves
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "rdmafetch/sieve.h"

static struct sieve *new_sieve(uint32_t nr)
{
	struct sieve *sieve = NULL;

	assert_int_equal(sieve_new(nr, &sieve), 0);
	return sieve;
}

static struct sieve *filled(uint32_t nr)
{
	struct sieve *sieve = new_sieve(nr);

	for (uint32_t i = 0; i < nr; i++)
		sieve_enter(sieve, i);
	return sieve;
}

static void goes(struct sieve *sieve, uint32_t want)
{
	uint32_t got = UINT32_MAX;

	assert_true(sieve_evict(sieve, &got));
	assert_int_equal(got, want);
	assert_false(sieve_has(sieve, got));
}

static void what_nobody_used_goes_oldest_first(void **state)
{
	struct sieve *sieve = filled(3);
	uint32_t none;

	goes(sieve, 0);
	goes(sieve, 1);
	goes(sieve, 2);
	assert_false(sieve_evict(sieve, &none));
	sieve_enter(sieve, 1);
	goes(sieve, 1);
	sieve_free(sieve);
}

static void a_use_is_worth_one_round(void **state)
{
	struct sieve *sieve = filled(3);

	sieve_use(sieve, 0);
	sieve_use(sieve, 0);
	goes(sieve, 1);
	goes(sieve, 2);
	goes(sieve, 0);
	sieve_free(sieve);
}

static void all_used_is_as_none(void **state)
{
	struct sieve *sieve = filled(4);

	for (uint32_t i = 0; i < 4; i++)
		sieve_use(sieve, i);
	goes(sieve, 0);
	sieve_free(sieve);
}

static void the_hand_goes_on_where_it_was(void **state)
{
	struct sieve *sieve = filled(4);

	sieve_use(sieve, 0);
	goes(sieve, 1); /* 0 has lost its mark, and the hand is past it */
	goes(sieve, 2);
	goes(sieve, 3);
	goes(sieve, 0);
	sieve_free(sieve);
}

static void what_comes_for_another_is_the_next_to_go(void **state)
{
	struct sieve *sieve = filled(4);

	goes(sieve, 0);
	sieve_enter(sieve, 0);
	goes(sieve, 0);
	sieve_enter(sieve, 0);
	sieve_use(sieve, 0);
	goes(sieve, 1);
	goes(sieve, 2);
	sieve_enter(sieve, 1); /* two for two */
	sieve_enter(sieve, 2);
	goes(sieve, 2);
	goes(sieve, 1);
	sieve_free(sieve);
}

static void what_is_stale_goes_first_and_leaves_its_place(void **state)
{
	struct sieve *sieve = new_sieve(10);

	sieve_enter_stale(sieve, 5);
	sieve_enter_stale(sieve, 6);
	sieve_enter_stale(sieve, 7);
	sieve_enter(sieve, 0);
	sieve_enter(sieve, 1);
	sieve_use(sieve, 6); /* it is none any more */
	goes(sieve, 5);
	sieve_enter(sieve, 2);
	goes(sieve, 7);
	sieve_enter(sieve, 3);
	goes(sieve, 0);
	goes(sieve, 1);
	goes(sieve, 2);
	goes(sieve, 3);
	goes(sieve, 6);
	sieve_free(sieve);
}

static void what_is_held_stays(void **state)
{
	struct sieve *sieve = filled(2);
	uint32_t none;

	sieve_hold(sieve, 0);
	sieve_hold(sieve, 0);
	goes(sieve, 1);
	assert_false(sieve_evict(sieve, &none));
	sieve_release(sieve, 0);
	assert_false(sieve_evict(sieve, &none));
	sieve_release(sieve, 0);
	goes(sieve, 0);
	sieve_free(sieve);
}

static void the_hand_waits_for_what_is_held(void **state)
{
	struct sieve *sieve = filled(4);

	sieve_hold(sieve, 1);
	goes(sieve, 0);
	goes(sieve, 2);
	sieve_release(sieve, 1);
	goes(sieve, 1);
	goes(sieve, 3);
	sieve_free(sieve);
}

/* Reads @thing through a cache of @room things; whether it was there. */
static bool reads(struct sieve *sieve, unsigned *nr_in, unsigned room,
		  uint32_t thing)
{
	uint32_t gone;

	if (sieve_has(sieve, thing)) {
		sieve_use(sieve, thing);
		return true;
	}
	if (*nr_in == room)
		assert_true(sieve_evict(sieve, &gone));
	else
		++*nr_in;
	sieve_enter(sieve, thing);
	return false;
}

/* Least recently used would find none of it, each time. */
static void passes_over_twice_what_fits_find_nearly_half(void **state)
{
	struct sieve *sieve = new_sieve(200);
	unsigned nr_in = 0, nr_found = 0;

	for (unsigned pass = 0; pass < 10; pass++)
		for (uint32_t i = 0; i < 200; i++)
			nr_found += reads(sieve, &nr_in, 100, i);
	assert_true(nr_found > 9 * 200 * 4 / 10);
	sieve_free(sieve);
}

static void a_new_working_set_gets_in(void **state)
{
	struct sieve *sieve = new_sieve(200);
	unsigned nr_in = 0, nr_found = 0;

	for (uint32_t i = 0; i < 100; i++)
		(void)reads(sieve, &nr_in, 100, i);
	for (unsigned pass = 0; pass < 100; pass++)
		for (uint32_t i = 100; i < 150; i++)
			nr_found += reads(sieve, &nr_in, 100, i);
	assert_true(nr_found > 100 * 50 / 2);
	sieve_free(sieve);
}

static void what_is_used_outlives_a_pass(void **state)
{
	struct sieve *sieve = new_sieve(1000);
	unsigned nr_in = 0;

	for (unsigned round = 0; round < 3; round++)
		for (uint32_t i = 0; i < 20; i++)
			(void)reads(sieve, &nr_in, 100, i);
	for (uint32_t i = 100; i < 180; i++)
		(void)reads(sieve, &nr_in, 100, i);
	for (uint32_t i = 180; i < 240; i++)
		(void)reads(sieve, &nr_in, 100, i);
	for (uint32_t i = 0; i < 20; i++)
		assert_true(sieve_has(sieve, i));
	sieve_free(sieve);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_nobody_used_goes_oldest_first),
		cmocka_unit_test(a_use_is_worth_one_round),
		cmocka_unit_test(all_used_is_as_none),
		cmocka_unit_test(the_hand_goes_on_where_it_was),
		cmocka_unit_test(what_is_held_stays),
		cmocka_unit_test(the_hand_waits_for_what_is_held),
		cmocka_unit_test(what_comes_for_another_is_the_next_to_go),
		cmocka_unit_test(what_is_stale_goes_first_and_leaves_its_place),
		cmocka_unit_test(passes_over_twice_what_fits_find_nearly_half),
		cmocka_unit_test(a_new_working_set_gets_in),
		cmocka_unit_test(what_is_used_outlives_a_pass),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
