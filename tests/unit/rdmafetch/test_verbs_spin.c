/* SPDX-License-Identifier: MIT */
/*
 * test_verbs_spin.c - looks that pay, that do not, and that do harm
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "rdmafetch/verbs_spin.h"

#define LONG_NS (10 * VERBS_SPIN_MAX_NS)

static struct verbs_spin new_spin(enum verbs_completion mode)
{
	struct verbs_spin spin;

	/* As on a machine of many CPUs, whatever this one has. */
	verbs_spin_init(&spin, mode);
	spin.mode = mode;
	return spin;
}

/* How long the next look would last. */
static uint64_t look_ns(const struct verbs_spin *spin)
{
	return verbs_spin_look(spin, 1000, UINT64_MAX).until_ns - 1000;
}

static void wait_of(struct verbs_spin *spin, uint64_t ns, bool slept,
		    bool was_away)
{
	const struct verbs_waited waited = {ns, slept, was_away};

	verbs_spin_learn(spin, &waited);
}

/* Sleep at once until there is a look again: how many sleeps that took. */
static unsigned sleeps_to_a_look(struct verbs_spin *spin)
{
	unsigned nr = 0;

	for (; !look_ns(spin); nr++)
		wait_of(spin, LONG_NS, true, false);
	return nr;
}

static void modes_that_never_learn(void **state)
{
	struct verbs_spin polling = new_spin(VERBS_POLLING);
	struct verbs_spin events = new_spin(VERBS_EVENTS);

	for (unsigned i = 0; i < 100; i++) {
		wait_of(&polling, LONG_NS, true, true);
		wait_of(&events, 1000, false, false);
		assert_int_equal(verbs_spin_look(&polling, 5, 12345).until_ns,
				 12345);
		assert_int_equal(look_ns(&events), 0);
	}
}

static void long_waits_are_slept(void **state)
{
	struct verbs_spin spin = new_spin(VERBS_ADAPTIVE);
	uint64_t before = look_ns(&spin);

	assert_int_equal(before, VERBS_SPIN_MAX_NS);
	while (look_ns(&spin)) {
		wait_of(&spin, LONG_NS, true, false);
		assert_true(look_ns(&spin) <= before / 2);
		before = look_ns(&spin);
	}
	/* Now and then one look, whose failure changes nothing. */
	for (unsigned i = 0; i < 5; i++) {
		assert_int_equal(sleeps_to_a_look(&spin), VERBS_SPIN_SLEEPS);
		assert_int_equal(look_ns(&spin), VERBS_SPIN_MAX_NS);
		wait_of(&spin, LONG_NS, true, false);
		assert_int_equal(look_ns(&spin), 0);
	}
}

static void a_look_that_pays_brings_looks_back(void **state)
{
	struct verbs_spin spin = new_spin(VERBS_ADAPTIVE);

	while (look_ns(&spin))
		wait_of(&spin, LONG_NS, true, false);
	(void)sleeps_to_a_look(&spin);
	wait_of(&spin, 20000, false, false);
	assert_int_equal(look_ns(&spin), 40000);
	/* A sleep that a longer look would have spared. */
	wait_of(&spin, 60000, true, false);
	assert_int_equal(look_ns(&spin), 80000);
	wait_of(&spin, 90000, true, false);
	assert_int_equal(look_ns(&spin), VERBS_SPIN_MAX_NS);
}

/* Four clients and a server on two CPUs: each look stands in another's way. */
static void looks_that_do_harm_become_rare(void **state)
{
	struct verbs_spin spin = new_spin(VERBS_ADAPTIVE);
	unsigned want = 2 * VERBS_SPIN_SLEEPS;

	for (unsigned i = 0; i < VERBS_SPIN_HARMS; i++) {
		assert_int_not_equal(look_ns(&spin), 0);
		wait_of(&spin, 90000, true, true);
	}
	assert_int_equal(look_ns(&spin), 0);
	for (unsigned i = 0; i < 12; i++) {
		assert_int_equal(sleeps_to_a_look(&spin), want);
		wait_of(&spin, LONG_NS, true, true);
		if (want < VERBS_SPIN_SLEEPS_MAX)
			want *= 2;
	}
	assert_int_equal(want, VERBS_SPIN_SLEEPS_MAX);
	/* The others have gone. */
	(void)sleeps_to_a_look(&spin);
	wait_of(&spin, 30000, false, false);
	while (look_ns(&spin))
		wait_of(&spin, LONG_NS, true, false);
	assert_int_equal(sleeps_to_a_look(&spin), VERBS_SPIN_SLEEPS);
}

/* The device itself may need this CPU for a moment. */
static void a_harm_now_and_then_is_none(void **state)
{
	struct verbs_spin spin = new_spin(VERBS_ADAPTIVE);

	for (unsigned i = 0; i < 100; i++) {
		for (unsigned k = 1; k < VERBS_SPIN_HARMS; k++)
			wait_of(&spin, 90000, true, true);
		wait_of(&spin, 90000, false, i % 2);
		assert_int_equal(look_ns(&spin), VERBS_SPIN_MAX_NS);
	}
}

static void a_look_ends_in_time_and_notes_a_jump(void **state)
{
	struct verbs_spin spin = new_spin(VERBS_ADAPTIVE);
	struct verbs_look look = verbs_spin_look(&spin, 1000, 5000);

	assert_int_equal(look.until_ns, 5000);
	assert_true(verbs_look_again(&look, 3000));
	assert_true(verbs_look_again(&look, 4999));
	assert_false(verbs_look_again(&look, 5000));
	assert_false(look.was_away);
	look = verbs_spin_look(&spin, 1000, UINT64_MAX);
	assert_true(verbs_look_again(&look, 1000 + VERBS_SPIN_AWAY_NS));
	assert_false(look.was_away);
	assert_true(verbs_look_again(&look, 1001 + 2 * VERBS_SPIN_AWAY_NS));
	assert_true(look.was_away);
	assert_false(verbs_look_again(&look, 1000 + VERBS_SPIN_MAX_NS));
	/* The time is over before it began. */
	look = verbs_spin_look(&spin, 1000, 900);
	assert_false(verbs_look_again(&look, 1000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(modes_that_never_learn),
		cmocka_unit_test(long_waits_are_slept),
		cmocka_unit_test(a_look_that_pays_brings_looks_back),
		cmocka_unit_test(looks_that_do_harm_become_rare),
		cmocka_unit_test(a_harm_now_and_then_is_none),
		cmocka_unit_test(a_look_ends_in_time_and_notes_a_jump),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
