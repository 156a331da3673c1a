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
#include "rdmafetch/streams.h"

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
		struct prefetch_plan plan;

		policy->next(&state, demand, max_pages, &plan);
		state.last = demand;
		assert_int_equal(plan.nr, steps[i].want_nr > 0);
		if (!plan.nr)
			continue;
		assert_int_equal(plan.runs[0].nr_pages, steps[i].want_nr);
		assert_int_equal(plan.runs[0].first_page, steps[i].want_first);
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

/* The first fault that goes on may be chance: it gets a little. */
static void auto_fills_its_window_as_it_is_used(void **state)
{
	static const struct step steps[] = {
		{100, 32, 0, 0},    {132, 32, 164, 32},	 {164, 32, 196, 64},
		{196, 32, 260, 96}, {228, 32, 356, 159}, {260, 32, 0, 0},
		{292, 32, 515, 64}, {900, 1, 0, 0},	 {901, 1, 902, 32},
		{324, 32, 0, 0},
	};

	RUN_TABLE(&prefetch_auto, 255, steps);
}

/* A far end so far away that one fault waits longer than a window takes. */
static void auto_begins_at_once_where_it_is_far(void **state)
{
	static const struct step steps[] = {
		{100, 32, 132, 128}, {132, 32, 260, 160}, {164, 32, 0, 0},
		{196, 32, 420, 320}, {228, 32, 0, 0},	  {9000, 1, 9001, 128},
	};

	RUN_TABLE(&prefetch_auto, 512, steps);
}

/* The pages suggested behind a fault of 32 at @page of a near far end. */
static uint64_t near_nr(struct prefetch_state *s, uint64_t page)
{
	const struct prefetch_run demand = {page, 32};
	struct prefetch_plan plan;

	s->is_near = true;
	prefetch_auto.next(s, demand, 64, &plan);
	return plan.nr ? plan.runs[0].nr_pages : 0;
}

static void auto_waits_for_a_long_stream_where_it_is_near(void **state)
{
	struct prefetch_state s = {0};
	uint64_t page = 1000;

	for (unsigned i = 0; i < 16; i++, page += 32)
		assert_int_equal(near_nr(&s, page), 0);
	assert_int_equal(near_nr(&s, page), 32);
	assert_int_equal(near_nr(&s, page + 32), 64);
	for (unsigned i = 0; i < 16; i++) /* another stream */
		assert_int_equal(near_nr(&s, 90000 + i * 32), 0);
	assert_int_equal(near_nr(&s, 90000 + 16 * 32), 32);
}

static void what_is_near_is_told_by_its_fastest_read(void **state)
{
	assert_true(prefetch_is_near(0)); /* not known */
	assert_true(prefetch_is_near(150000));
	assert_false(prefetch_is_near(151000));
	assert_false(prefetch_is_near(600000));
}

/* Of many small files each has a first read and no second one. */
static void auto_waits_for_the_second_read_of_a_tool(void **state)
{
	struct prefetch_state s = {.is_reader = true};
	struct prefetch_plan plan;

	prefetch_auto.next(&s, (struct prefetch_run){100, 32}, 512, &plan);
	assert_int_equal(plan.nr, 0);
	prefetch_auto.next(&s, (struct prefetch_run){132, 32}, 512, &plan);
	assert_int_equal(plan.nr, 1);
}

/* What was foreseen in vain before is not worth much now. */
static void auto_is_shy_where_it_was_wrong(void **state)
{
	struct prefetch_state s = {.is_doubtful = true};
	struct prefetch_plan plan;

	for (uint64_t at = 0; at < 20 * 32; at += 32) {
		prefetch_auto.next(&s, (struct prefetch_run){at, 32}, 512,
				   &plan);
		assert_true(!plan.nr || (at && plan.runs[0].nr_pages <= 64));
	}
}

static void luck_is_bad_when_most_was_in_vain(void **state)
{
	struct prefetch_luck luck = {0};

	for (unsigned i = 0; i < 7; i++)
		prefetch_luck_dropped(&luck, 64);
	assert_false(prefetch_luck_is_bad(&luck)); /* too few to tell */
	prefetch_luck_dropped(&luck, 64);
	assert_true(prefetch_luck_is_bad(&luck));
	for (unsigned i = 0; i < 3; i++)
		prefetch_luck_used(&luck, 64);
	assert_false(prefetch_luck_is_bad(&luck));
	for (unsigned i = 0; i < 1000; i++)
		prefetch_luck_dropped(&luck, 64);
	assert_true(prefetch_luck_is_bad(&luck));
	for (unsigned i = 0; i < 100; i++) /* old news fade */
		prefetch_luck_used(&luck, 64);
	assert_false(prefetch_luck_is_bad(&luck));
}

/* As much as comes in two times the latency, and no more than is allowed. */
/* An empty call behind HELLO, over a long link and over loopback. */
static void calls_that_took_as_long_are_alike(void **state)
{
	assert_true(prefetch_are_alike(800000, 670000));
	assert_true(prefetch_are_alike(670000, 800000));
	assert_true(prefetch_are_alike(600000, 600000));
	assert_false(prefetch_are_alike(117000, 48000));
	assert_false(prefetch_are_alike(48000, 117000));
	assert_false(prefetch_are_alike(920000, 670000));
}

static void reach_grows_with_latency(void **state)
{
	assert_int_equal(prefetch_reach(0, 512), 64);
	assert_int_equal(prefetch_reach(150000, 512), 64);
	assert_int_equal(prefetch_reach(200000, 512), 200);
	assert_int_equal(prefetch_reach(700000, 512), 512);
	assert_int_equal(prefetch_reach(700000, 8), 8);
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

/* Run @demands of one page through stride; the last one's plan. */
static struct prefetch_plan stride(struct prefetch_state *state,
				   const uint64_t *demands, size_t nr)
{
	struct prefetch_plan plan = {0};

	for (size_t i = 0; i < nr; i++) {
		struct prefetch_run demand = {demands[i], 1};

		prefetch_stride.next(state, demand, 8, &plan);
		state->last = demand;
	}
	return plan;
}

#define STRIDE(state, ...)                                                     \
	stride(&(state), (const uint64_t[]){__VA_ARGS__},                      \
	       sizeof((const uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t))

static void assert_singles(const struct prefetch_plan *plan,
			   const uint64_t *pages, unsigned nr)
{
	assert_int_equal(plan->nr, nr);
	for (unsigned i = 0; i < nr; i++) {
		assert_int_equal(plan->runs[i].first_page, pages[i]);
		assert_int_equal(plan->runs[i].nr_pages, 1);
	}
}

#define ASSERT_SINGLES(plan, ...)                                              \
	assert_singles(&(plan), (const uint64_t[]){__VA_ARGS__},               \
		       sizeof((const uint64_t[]){__VA_ARGS__}) /               \
			       sizeof(uint64_t))

static void stride_follows_a_trend(void **state)
{
	struct prefetch_state up = {0}, down = {0};
	struct prefetch_plan plan = STRIDE(up, 10, 13, 16, 19);

	assert_int_equal(plan.nr, 0); /* three jumps are no trend yet */
	plan = STRIDE(up, 22);
	ASSERT_SINGLES(plan, 25, 28);
	plan = STRIDE(down, 1000, 900, 800, 700, 600);
	ASSERT_SINGLES(plan, 500, 400);
}

/* It shows up behind what came ahead: that was used, so more comes. */
static void stride_doubles_with_what_was_used(void **state)
{
	struct prefetch_state s = {0};
	struct prefetch_plan plan = STRIDE(s, 10, 13, 16, 19, 22);

	plan = STRIDE(s, 31);
	ASSERT_SINGLES(plan, 34, 37, 40, 43);
	plan = STRIDE(s, 46);
	ASSERT_SINGLES(plan, 49, 52, 55, 58, 61, 64, 67, 70);
	plan = STRIDE(s, 73);
	ASSERT_SINGLES(plan, 76, 79, 82, 85, 88, 91, 94, 97); /* the most */
	plan = STRIDE(s, 76); /* it came before its page: far enough ahead */
	assert_int_equal(plan.nr, 0);
}

static void stride_sees_through_noise(void **state)
{
	static const uint64_t demands[] = {100, 105, 110, 3000, 115,
					   120, 125, 130, 135};
	struct prefetch_state s = {0};
	uint64_t last = 0;

	for (size_t i = 0; i < sizeof(demands) / sizeof(demands[0]); i++) {
		struct prefetch_plan plan = stride(&s, &demands[i], 1);

		for (unsigned n = 0; n < plan.nr; n++) {
			assert_int_equal(plan.runs[n].first_page % 5, 0);
			last = plan.runs[n].first_page;
		}
	}
	assert_true(last > 135);
}

static void stride_says_nothing_about_chance(void **state)
{
	struct prefetch_state s = {0};
	uint64_t page = 5000, seed = 7;

	for (int i = 0; i < 1000; i++) {
		struct prefetch_plan plan = stride(&s, &page, 1);

		assert_int_equal(plan.nr, 0);
		seed = seed * 6364136223846793005ull + 1442695040888963407ull;
		page = 4000 + (seed >> 40) % 100000;
	}
}

/* Steps that touch become one run, of whatever width the demands are. */
static void stride_of_a_sweep_is_one_run(void **state)
{
	struct prefetch_state s = {0};
	struct prefetch_plan plan = {0};

	for (uint64_t i = 0; i < 5; i++) {
		struct prefetch_run demand = {0x1000 + 32 * i, 32};

		prefetch_stride.next(&s, demand, 256, &plan);
		s.last = demand;
	}
	assert_int_equal(plan.nr, 1);
	assert_int_equal(plan.runs[0].first_page, 0x1000 + 32 * 5);
	assert_int_equal(plan.runs[0].nr_pages, 64);
}

static void stride_stays_within_its_bounds(void **state)
{
	struct prefetch_state s = {0}, low = {0};
	struct prefetch_plan plan = {0};

	for (uint64_t i = 0; i < 100; i++) {
		struct prefetch_run demand = {1000 + 7 * i, 1};
		uint64_t pages = 0;

		prefetch_stride.next(&s, demand, 1000000, &plan);
		s.last = demand;
		for (unsigned n = 0; n < plan.nr; n++)
			pages += plan.runs[n].nr_pages;
		assert_true(plan.nr <= PREFETCH_RUNS_MAX);
		assert_true(pages <= PREFETCH_PAGES_MAX);
	}
	plan = STRIDE(low, 24, 19, 14, 9, 4); /* -1 is no page */
	assert_int_equal(plan.nr, 0);
	prefetch_stride.next(&s, (struct prefetch_run){1700, 1}, 0, &plan);
	assert_int_equal(plan.nr, 0);
}

/* Two streams, one behind the other in time, are told apart by distance. */
static void a_stride_goes_on_nearby_only(void **state)
{
	struct prefetch_state s = {0};

	assert_false(prefetch_stride.goes_on(&s, 0));
	(void)STRIDE(s, 100000);
	assert_true(prefetch_stride.goes_on(&s, 100000 + 4096));
	assert_true(prefetch_stride.goes_on(&s, 100000 - 4096));
	assert_false(prefetch_stride.goes_on(&s, 100000 + 4097));
}

/* Interleaved sweeps keep their windows; a ninth one takes the oldest place. */
static void streams_are_told_apart(void **state)
{
	struct streams streams = {0};
	struct prefetch_state *stream;
	struct prefetch_plan plan;

	for (uint64_t step = 0; step < 3; step++)
		for (uint64_t i = 1; i <= STREAMS; i++) {
			struct prefetch_run demand = {i * 10000 + step, 1};

			stream = streams_find(&streams, demand.first_page,
					      &prefetch_seq);
			prefetch_seq.next(stream, demand, 64, &plan);
			stream->last = demand;
			assert_int_equal(plan.nr, step > 0);
		}
	stream = streams_find(&streams, 10003, &prefetch_seq);
	assert_int_equal(stream->last.first_page, 10002);
	stream = streams_find(&streams, 999999, &prefetch_seq);
	assert_int_equal(stream->last.nr_pages, 0);
	stream = streams_find(&streams, 20003, &prefetch_seq); /* gave way */
	assert_int_equal(stream->last.nr_pages, 0);
}

static void advice_goes_before_the_policy(void **state)
{
	assert_ptr_equal(prefetch_for(&prefetch_stride, 0), &prefetch_stride);
	assert_ptr_equal(prefetch_for(&prefetch_seq, IMAGE_VMA_RANDOM),
			 &prefetch_off);
	assert_ptr_equal(prefetch_for(&prefetch_seq, IMAGE_VMA_SEQUENTIAL),
			 &prefetch_next);
	assert_ptr_equal(prefetch_for(&prefetch_seq, IMAGE_VMA_LOCKED),
			 &prefetch_seq);
	assert_ptr_equal(prefetch_for(&prefetch_off, IMAGE_VMA_SEQUENTIAL),
			 &prefetch_off);
}

static void what_lies_between_was_passed(void **state)
{
	static const struct {
		struct prefetch_run last, demand, want;
	} rows[] = {
		{{0, 0}, {50, 1}, {50, 0}},    {{50, 1}, {51, 1}, {51, 0}},
		{{50, 2}, {60, 1}, {52, 8}},   {{60, 1}, {50, 2}, {52, 8}},
		{{50, 10}, {55, 10}, {55, 0}},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct prefetch_state s = {.last = rows[i].last};
		struct prefetch_run run = prefetch_passed(&s, rows[i].demand);

		assert_int_equal(run.nr_pages, rows[i].want.nr_pages);
		if (run.nr_pages)
			assert_int_equal(run.first_page,
					 rows[i].want.first_page);
	}
}

static void find_knows_every_policy_and_no_other(void **state)
{
	assert_ptr_equal(prefetch_find("auto"), &prefetch_auto);
	assert_ptr_equal(prefetch_find("off"), &prefetch_off);
	assert_ptr_equal(prefetch_find("seq"), &prefetch_seq);
	assert_ptr_equal(prefetch_find("next"), &prefetch_next);
	assert_ptr_equal(prefetch_find("stride"), &prefetch_stride);
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
		cmocka_unit_test(auto_fills_its_window_as_it_is_used),
		cmocka_unit_test(auto_begins_at_once_where_it_is_far),
		cmocka_unit_test(auto_waits_for_a_long_stream_where_it_is_near),
		cmocka_unit_test(what_is_near_is_told_by_its_fastest_read),
		cmocka_unit_test(auto_waits_for_the_second_read_of_a_tool),
		cmocka_unit_test(auto_is_shy_where_it_was_wrong),
		cmocka_unit_test(luck_is_bad_when_most_was_in_vain),
		cmocka_unit_test(calls_that_took_as_long_are_alike),
		cmocka_unit_test(reach_grows_with_latency),
		cmocka_unit_test(seq_doubles_while_faults_run_forward),
		cmocka_unit_test(seq_starts_small_again_after_a_jump),
		cmocka_unit_test(seq_does_not_suggest_a_page_twice),
		cmocka_unit_test(seq_takes_wide_demands),
		cmocka_unit_test(seq_with_no_room_suggests_nothing),
		cmocka_unit_test(stride_follows_a_trend),
		cmocka_unit_test(stride_doubles_with_what_was_used),
		cmocka_unit_test(stride_sees_through_noise),
		cmocka_unit_test(stride_says_nothing_about_chance),
		cmocka_unit_test(stride_of_a_sweep_is_one_run),
		cmocka_unit_test(stride_stays_within_its_bounds),
		cmocka_unit_test(a_stride_goes_on_nearby_only),
		cmocka_unit_test(streams_are_told_apart),
		cmocka_unit_test(advice_goes_before_the_policy),
		cmocka_unit_test(what_lies_between_was_passed),
		cmocka_unit_test(find_knows_every_policy_and_no_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
