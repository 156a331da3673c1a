/* SPDX-License-Identifier: MIT */
/* test_histo.c - which bucket, at the bounds and at the ends */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/histo.h"

static void expect_bucket(uint64_t ns, unsigned bucket)
{
	struct histo histo = {0};

	histo_add(&histo, ns);
	assert_int_equal(histo.count[bucket], 1);
	assert_int_equal(histo_total(&histo), 1);
	assert_int_equal(histo.sum_ns, ns);
}

/* A time that is a bound exactly belongs below it, as "le" says. */
static void bounds_belong_to_their_bucket(void **state)
{
	for (unsigned i = 0; i < HISTO_BUCKETS - 1; i++) {
		expect_bucket(histo_bound_ns(i), i);
		expect_bucket(histo_bound_ns(i) + 1, i + 1);
	}
}

static void ends_have_a_bucket(void **state)
{
	expect_bucket(0, 0);
	expect_bucket(1, 0);
	expect_bucket(UINT64_MAX, HISTO_BUCKETS - 1);
	assert_int_equal(histo_bound_ns(0), 1000);
	assert_int_equal(histo_bound_ns(1), 2000);
	assert_true(histo_bound_ns(HISTO_BUCKETS - 1) == UINT64_MAX);
}

static void all_of_a_finer_one_come_over(void **state)
{
	static struct hist hist;
	struct histo histo = {0};

	hist_add(&hist, 900);
	hist_add(&hist, 900);
	hist_add(&hist, 3000);
	hist_add(&hist, UINT64_MAX / 2);
	histo_add_all(&histo, &hist);
	assert_int_equal(histo.count[0], 2);
	assert_int_equal(histo.count[2], 1);
	assert_int_equal(histo.count[HISTO_BUCKETS - 1], 1);
	assert_int_equal(histo_total(&histo), 4);
	assert_true(histo.sum_ns == 4800 + UINT64_MAX / 2);
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
