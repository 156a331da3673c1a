/* SPDX-License-Identifier: MIT */
/*
 * test_prefetch.c - the policies as tables: demands in, suggestions out
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rdmafetch/prefetch.h"

struct step {
	uint64_t first, nr;	      /* demanded */
	uint64_t want_first, want_nr; /* suggested; want_nr 0: nothing */
};

static void run_table(const struct prefetch_policy *policy, uint32_t max_pages,
		      const struct step *steps, size_t nr)
{
	struct prefetch_state state = {0};

	for (size_t i = 0; i < nr; i++) {
		struct prefetch_run demand = {steps[i].first, steps[i].nr};
		struct prefetch_run run =
			policy->next(&state, demand, max_pages);

		assert_int_equal(run.nr_pages, steps[i].want_nr);
		if (run.nr_pages)
			assert_int_equal(run.first_page, steps[i].want_first);
	}
}

#define RUN_TABLE(policy, max_pages, steps)                                    \
	run_table(policy, max_pages, steps, sizeof(steps) / sizeof((steps)[0]))

static void off_suggests_nothing(void **state)
{
	static const struct step steps[] = {{100, 1, 0, 0}, {101, 1, 0, 0}};

	RUN_TABLE(&prefetch_off, 64, steps);
}

static void next_suggests_what_is_right_behind(void **state)
{
	static const struct step steps[] = {
		{100, 1, 101, 8}, {500, 16, 516, 8}, {100, 1, 101, 8}};

	RUN_TABLE(&prefetch_next, 8, steps);
}

static void next_never_passes_the_most_of_one_read(void **state)
{
	static const struct step steps[] = {{7, 1, 8, PREFETCH_PAGES_MAX}};

	RUN_TABLE(&prefetch_next, 100000, steps);
}

static void next_with_no_room_suggests_nothing(void **state)
{
	static const struct step steps[] = {{7, 1, 0, 0}};

	RUN_TABLE(&prefetch_next, 0, steps);
}

/* What was suggested is not faulted again: the stream shows up behind it. */
static void seq_doubles_while_faults_run_forward(void **state)
{
	static const struct step steps[] = {
		{100, 1, 0, 0},	   {101, 1, 102, 4},  {106, 1, 107, 8},
		{115, 1, 116, 16}, {132, 1, 133, 16},
	};

	RUN_TABLE(&prefetch_seq, 16, steps);
}

static void seq_starts_small_again_after_a_jump(void **state)
{
	static const struct step steps[] = {
		{100, 1, 0, 0}, {101, 1, 102, 4}, {106, 1, 107, 8},
		{900, 1, 0, 0}, {901, 1, 902, 4}, {100, 1, 0, 0},
	};

	RUN_TABLE(&prefetch_seq, 64, steps);
}

/* A fault inside what was suggested came before it arrived: do not repeat. */
static void seq_does_not_suggest_a_page_twice(void **state)
{
	static const struct step steps[] = {
		{100, 1, 0, 0}, {101, 1, 102, 4}, {102, 1, 106, 8},
		{103, 1, 0, 0}, {104, 1, 0, 0},
	};

	RUN_TABLE(&prefetch_seq, 8, steps);
}

static void seq_takes_wide_demands(void **state)
{
	static const struct step steps[] = {{0x700, 32, 0, 0},
					    {0x720, 32, 0x740, 4},
					    {0x744, 32, 0x764, 8}};

	RUN_TABLE(&prefetch_seq, 256, steps);
}

static void seq_with_no_room_suggests_nothing(void **state)
{
	static const struct step steps[] = {{100, 1, 0, 0}, {101, 1, 0, 0}};

	RUN_TABLE(&prefetch_seq, 0, steps);
}

static void find_knows_every_policy_and_no_other(void **state)
{
	assert_ptr_equal(prefetch_find("off"), &prefetch_off);
	assert_ptr_equal(prefetch_find("seq"), &prefetch_seq);
	assert_ptr_equal(prefetch_find("next"), &prefetch_next);
	assert_null(prefetch_find("nex"));
	assert_null(prefetch_find("nextt"));
	assert_null(prefetch_find(""));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(off_suggests_nothing),
		cmocka_unit_test(next_suggests_what_is_right_behind),
		cmocka_unit_test(next_never_passes_the_most_of_one_read),
		cmocka_unit_test(next_with_no_room_suggests_nothing),
		cmocka_unit_test(seq_doubles_while_faults_run_forward),
		cmocka_unit_test(seq_starts_small_again_after_a_jump),
		cmocka_unit_test(seq_does_not_suggest_a_page_twice),
		cmocka_unit_test(seq_takes_wide_demands),
		cmocka_unit_test(seq_with_no_room_suggests_nothing),
		cmocka_unit_test(find_knows_every_policy_and_no_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
