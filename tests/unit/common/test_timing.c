/* SPDX-License-Identifier: MIT */
/* test_timing.c - which bucket, at the bounds and at the ends */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/timing.h"

static void expect_bucket(uint64_t ns, unsigned bucket)
{
	struct timing timing = {0};

	timing_add(&timing, ns);
	assert_int_equal(timing.count[bucket], 1);
	assert_int_equal(timing_total(&timing), 1);
	assert_int_equal(timing.sum_ns, ns);
}

/* A time that is a bound exactly belongs below it, as "le" says. */
static void bounds_belong_to_their_bucket(void **state)
{
	for (unsigned i = 0; i < TIMING_BUCKETS - 1; i++) {
		expect_bucket(timing_bound_ns(i), i);
		expect_bucket(timing_bound_ns(i) + 1, i + 1);
	}
}

static void ends_have_a_bucket(void **state)
{
	expect_bucket(0, 0);
	expect_bucket(1, 0);
	expect_bucket(UINT64_MAX, TIMING_BUCKETS - 1);
	assert_int_equal(timing_bound_ns(0), 1000);
	assert_int_equal(timing_bound_ns(1), 2000);
	assert_true(timing_bound_ns(TIMING_BUCKETS - 1) == UINT64_MAX);
}

static void all_of_a_finer_one_come_over(void **state)
{
	static struct hist hist;
	struct timing timing = {0};

	hist_add(&hist, 900);
	hist_add(&hist, 900);
	hist_add(&hist, 3000);
	hist_add(&hist, UINT64_MAX / 2);
	timing_add_all(&timing, &hist);
	assert_int_equal(timing.count[0], 2);
	assert_int_equal(timing.count[2], 1);
	assert_int_equal(timing.count[TIMING_BUCKETS - 1], 1);
	assert_int_equal(timing_total(&timing), 4);
	assert_true(timing.sum_ns == 4800 + UINT64_MAX / 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bounds_belong_to_their_bucket),
		cmocka_unit_test(ends_have_a_bucket),
		cmocka_unit_test(all_of_a_finer_one_come_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
