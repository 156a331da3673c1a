/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tools/bench/stats.h"

static struct stats of(const uint64_t *samples, unsigned nr)
{
	struct stats stats = {0};

	for (unsigned i = 0; i < nr; i++)
		stats_add(&stats, samples[i]);
	return stats;
}

static void no_samples_are_zeros(void **state)
{
	struct stats stats = {0};
	struct stats_summary s = stats_summarize(&stats);

	assert_int_equal(s.min + s.median + s.max, 0);
}

static void order_of_samples_does_not_matter(void **state)
{
	static const uint64_t samples[] = {50, 10, 40, 30, 20};
	struct stats stats = of(samples, 5);
	struct stats_summary s = stats_summarize(&stats);

	assert_int_equal(s.min, 10);
	assert_int_equal(s.median, 30);
	assert_int_equal(s.max, 50);
	assert_int_equal(stats.samples[0], 50); /* kept as they came */
}

static void numbers_over_32_bits_are_kept(void **state)
{
	static const uint64_t samples[] = {1ull << 40, (1ull << 40) + 1, 7};
	struct stats stats = of(samples, 3);
	struct stats_summary s = stats_summarize(&stats);

	assert_true(s.min == 7 && s.median == 1ull << 40 &&
		    s.max == (1ull << 40) + 1);
}

static void too_many_samples_are_left_out(void **state)
{
	struct stats stats = {0};

	for (unsigned i = 0; i < STATS_SAMPLES_MAX + 5; i++)
		stats_add(&stats, i);
	assert_int_equal(stats.nr, STATS_SAMPLES_MAX);
	assert_int_equal(stats_summarize(&stats).max, STATS_SAMPLES_MAX - 1);
}

static void a_ratio_is_of_each_round(void **state)
{
	static const uint64_t ours[] = {100, 2000, 330},
			      rival[] = {50, 1000, 110};
	struct stats a = of(ours, 3), b = of(rival, 3), none = {0};

	/* Of the medians it would be 330 / 110. */
	assert_true(stats_ratio(&a, &b) == 2.0);
	assert_true(stats_ratio(&a, &none) == 0);
	assert_true(stats_ratio(&none, &b) == 0);
	b.samples[1] = 0;
	assert_true(stats_ratio(&a, &b) == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_samples_are_zeros),
		cmocka_unit_test(order_of_samples_does_not_matter),
		cmocka_unit_test(numbers_over_32_bits_are_kept),
		cmocka_unit_test(too_many_samples_are_left_out),
		cmocka_unit_test(a_ratio_is_of_each_round),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
