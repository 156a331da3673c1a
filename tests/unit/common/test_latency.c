/* SPDX-License-Identifier: MIT */
/*
 * test_latency.c - there and back as text, and what came between two texts
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/latency.h"

static char *text_of(const struct latency *latency)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(out);
	latency_write(out, latency);
	assert_int_equal(fclose(out), 0);
	return text;
}

static void add(struct latency *latency, enum latency_how how, uint64_t from)
{
	for (uint64_t i = 0; i < 1000; i++)
		hist_add(&latency->by[how], from + i * i);
}

static void a_text_has_every_bucket(void **state)
{
	static struct latency written, read;
	char *text;

	add(&written, LATENCY_HERE, 100);
	add(&written, LATENCY_FETCHED, 8000);
	hist_add(&written.by[LATENCY_FETCHED], UINT64_MAX);
	text = text_of(&written);
	assert_int_equal(latency_read(text, &read), 0);
	for (int how = 0; how < LATENCY_HOWS; how++) {
		const struct hist *a = &written.by[how], *b = &read.by[how];

		assert_memory_equal(a->counts, b->counts, sizeof(a->counts));
		assert_int_equal(a->nr, b->nr);
		for (unsigned percent = 1; percent < 100; percent++)
			assert_int_equal(hist_percentile(a, percent),
					 hist_percentile(b, percent));
	}
	free(text);
}

static void what_came_between_is_left(void **state)
{
	static struct latency before, after, between;

	add(&before, LATENCY_FETCHED, 500000);
	add(&before, LATENCY_JOINED, 500000);
	after = before;
	add(&after, LATENCY_FETCHED, 7000);
	add(&between, LATENCY_FETCHED, 7000);
	latency_subtract(&after, &before);
	assert_int_equal(after.by[LATENCY_JOINED].nr, 0);
	assert_int_equal(after.by[LATENCY_JOINED].max, 0);
	assert_int_equal(after.by[LATENCY_FETCHED].nr, 1000);
	assert_int_equal(after.by[LATENCY_FETCHED].sum,
			 between.by[LATENCY_FETCHED].sum);
	for (unsigned percent = 1; percent < 100; percent++)
		assert_int_equal(
			hist_percentile(&after.by[LATENCY_FETCHED], percent),
			hist_percentile(&between.by[LATENCY_FETCHED], percent));
	/* Another mount's: nothing is left, and nothing wraps. */
	latency_subtract(&before, &after);
	latency_subtract(&before, &between);
	assert_true(before.by[LATENCY_FETCHED].nr <= 1000);
	latency_subtract(&between, &between);
	assert_int_equal(between.by[LATENCY_FETCHED].nr, 0);
	assert_int_equal(between.by[LATENCY_FETCHED].min, 0);
}

static void all_are_one(void **state)
{
	static struct latency latency;
	static struct hist all;

	add(&latency, LATENCY_HERE, 10);
	add(&latency, LATENCY_JOINED, 1000);
	add(&latency, LATENCY_FETCHED, 10000);
	latency_merge(&latency, &all);
	assert_int_equal(all.nr, 3000);
	assert_int_equal(all.min, 10);
	assert_int_equal(all.max, 10000 + 999 * 999);
}

static void other_texts_are_refused(void **state)
{
	static const char *const wrong[] = {
		"fetched 8191",
		"fetched 8191 12",    /* no end of line */
		"fetched 8190 12\n",  /* no bucket ends there */
		"fetched  8191 12\n", /* two blanks */
		"fetched 8191 -12\n",
		"fetched 8191 12 \n",
		"fetched 8191 99999999999999999999\n",
		"fetched 8191 12\nfetched 8191 1\n", /* twice */
		"stolen 8191 12\n",
		"\n",
		" 8191 12\n",
		"0123456789012345678901234 1 1\n",
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		static struct latency latency;

		memset(&latency, 0, sizeof(latency));
		assert_int_equal(latency_read(wrong[i], &latency), -EPROTO);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_text_has_every_bucket),
		cmocka_unit_test(what_came_between_is_left),
		cmocka_unit_test(all_are_one),
		cmocka_unit_test(other_texts_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
