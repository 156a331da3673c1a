/* SPDX-License-Identifier: MIT */
/*
 * test_hist.c - percentiles out of buckets, beside a sorted list
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/hist.h"

#define SAMPLES 20000

static void nothing_is_zeros(void **state)
{
	static const struct hist hist;

	assert_int_equal(hist_percentile(&hist, 50), 0);
	assert_int_equal(hist_percentile(&hist, 100), 0);
}

static void small_numbers_are_exact(void **state)
{
	static struct hist hist;

	for (uint64_t i = 1; i <= 60; i++)
		hist_add(&hist, i);
	assert_int_equal(hist_percentile(&hist, 50), 30);
	assert_int_equal(hist_percentile(&hist, 99), 60);
	assert_int_equal(hist_percentile(&hist, 1), 1);
	assert_int_equal(hist.min, 1);
	assert_int_equal(hist.max, 60);
	assert_int_equal(hist.sum, 60 * 61 / 2);
}

static void one_sample_is_every_percentile(void **state)
{
	static struct hist hist;

	hist_add(&hist, 1234567);
	assert_int_equal(hist_percentile(&hist, 1), 1234567);
	assert_int_equal(hist_percentile(&hist, 99), 1234567);
	assert_int_equal(hist.min, 1234567);
}

static void all_64_bits_fit(void **state)
{
	static struct hist hist;

	hist_add(&hist, 0);
	hist_add(&hist, UINT64_MAX);
	hist_add(&hist, UINT64_MAX);
	assert_int_equal(hist_percentile(&hist, 1), 0);
	assert_true(hist_percentile(&hist, 50) == UINT64_MAX);
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Of all sizes: the exponent is drawn first. */
static uint64_t draw(void)
{
	uint64_t bits = (uint64_t)random() << 31 ^ (uint64_t)random();

	return bits >> (random() % 60);
}

static void buckets_are_near_a_sorted_list(void **state)
{
	static uint64_t sorted[SAMPLES];
	static struct hist hist;

	srandom(7);
	for (unsigned i = 0; i < SAMPLES; i++)
		hist_add(&hist, sorted[i] = draw());
	qsort(sorted, SAMPLES, sizeof(*sorted), compare);
	for (unsigned percent = 1; percent <= 100; percent++) {
		uint64_t right = sorted[SAMPLES / 100 * percent - 1];
		uint64_t got = hist_percentile(&hist, percent);

		assert_true(got >= right);
		assert_true(got - right <= right / 63);
	}
}

static void merging_is_adding_all(void **state)
{
	static struct hist all, one, two, none;

	srandom(8);
	for (unsigned i = 0; i < SAMPLES; i++) {
		uint64_t sample = draw();

		hist_add(&all, sample);
		hist_add(i % 3 ? &one : &two, sample);
	}
	hist_merge(&one, &none);
	hist_merge(&one, &two);
	hist_merge(&none, &one);
	assert_memory_equal(&all, &one, sizeof(all));
	assert_memory_equal(&all, &none, sizeof(all));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_zeros),
		cmocka_unit_test(small_numbers_are_exact),
		cmocka_unit_test(one_sample_is_every_percentile),
		cmocka_unit_test(all_64_bits_fit),
		cmocka_unit_test(buckets_are_near_a_sorted_list),
		cmocka_unit_test(merging_is_adding_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
