/* SPDX-License-Identifier: MIT */
/*
 * test_hard.c - a hard fetch: its readers never wait for a connection
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/page.h"
#include "common/source.h"
#include "rdmafetch/fetch.h"
#include "rdmafetch/null.h"
#include "tests/contract/gate.h"
#include "tests/unit/rdmafetch/reader.h"

static struct {
	int err; /* of reopening, or 0 */
	unsigned nr;
} reopened;

static int reopen(void *arg, struct transport **ret)
{
	reopened.nr++;
	return reopened.err ? reopened.err : null_open(NULL, ret);
}

static struct fetch *open_hard(struct transport *transport, int timeout_ms)
{
	const struct fetch_options options = {
		.image = &reader_image,
		.timeout_ms = timeout_ms,
		.tries = 3,
		.hard = true,
		.reopen = reopen,
	};
	struct fetch *fetch = NULL;

	reopened.err = 0;
	reopened.nr = 0;
	assert_int_equal(fetch_open(transport, &options, &fetch), 0);
	return fetch;
}

/* One that breaks after its first read. */
static struct fetch *open_breaking(void)
{
	const struct null_options faults = {.break_after = 1};
	struct transport *transport = NULL;
	struct fetch *fetch;

	assert_int_equal(null_open(&faults, &transport), 0);
	fetch = open_hard(transport, 10000);
	reader_check(fetch, BASE_PAGE, 1);
	return fetch;
}

static void check_read(struct fetch *fetch, int want)
{
	static char buf[PAGE_BYTES];

	assert_int_equal(
		fetch_read(fetch, SOURCE_MEMORY, BASE, buf, PAGE_BYTES), want);
}

static void readers_are_told_and_do_not_look(void **state)
{
	struct fetch *fetch = open_breaking();

	for (int i = 0; i < 3; i++)
		check_read(fetch, -ENOTCONN);
	assert_int_equal(reopened.nr, 0);
	reader_check(fetch, BASE_PAGE + 300, 1); /* a hole needs nobody */
	fetch_close(fetch);
}

static void after_mending_all_is_as_before(void **state)
{
	struct fetch *fetch = open_breaking();

	check_read(fetch, -ENOTCONN);
	reopened.err = -ECONNREFUSED;
	assert_int_equal(fetch_mend(fetch), -ECONNREFUSED);
	check_read(fetch, -ENOTCONN);
	assert_true(reader_stats(fetch).is_lost);
	assert_true(reader_stats(fetch).is_hard);
	assert_false(reader_stats(fetch).is_gone);
	reopened.err = 0;
	while (fetch_mend(fetch)) /* not too soon after the last look */
		continue;
	assert_false(reader_stats(fetch).is_lost);
	reader_check(fetch, BASE_PAGE, 256);
	assert_int_equal(fetch_mend(fetch), 0);
	assert_int_equal(reader_stats(fetch).reconnects, 1);
	fetch_close(fetch);
}

static void an_image_that_is_gone_is_told(void **state)
{
	struct fetch *fetch = open_breaking();

	check_read(fetch, -ENOTCONN);
	reopened.err = -ESTALE;
	assert_int_equal(fetch_mend(fetch), -ESTALE);
	assert_true(reader_stats(fetch).is_gone);
	fetch_close(fetch);
}

/* Nobody answers: each reader waits for one try, not for all. */
static void a_silent_far_end_is_told_after_one_try(void **state)
{
	struct transport *transport = gate_new(true);
	struct gate *gate = gate_of(transport);
	struct fetch *fetch = open_hard(transport, 50);
	struct reader readers[3];

	for (unsigned i = 0; i < 3; i++)
		reader_start(&readers[i], fetch, BASE_PAGE + i, 1);
	assert_true(gate_wait(gate, 3));
	for (unsigned i = 0; i < 3; i++)
		reader_end(&readers[i], -ENOTCONN);
	assert_int_equal(reader_stats(fetch).timeouts, 1);
	assert_int_equal(reopened.nr, 0);
	fetch_close(fetch);
}

static void one_bad_page_is_no_lost_connection(void **state)
{
	const struct null_options faults = {.fail_every = 1,
					    .fail_result = -EREMOTEIO};
	struct transport *transport = NULL;
	struct fetch *fetch;

	assert_int_equal(null_open(&faults, &transport), 0);
	fetch = open_hard(transport, 10000);
	check_read(fetch, -EIO);
	fetch_close(fetch);
}

/* With hours left to wait, and readers that lead and that sleep. */
static void stopping_ends_reads_under_way_and_to_come(void **state)
{
	struct transport *transport = gate_new(true);
	struct gate *gate = gate_of(transport);
	struct fetch *fetch = open_hard(transport, 10000000);
	struct reader readers[3];

	for (unsigned i = 0; i < 3; i++)
		reader_start(&readers[i], fetch, BASE_PAGE + i, 1);
	assert_true(gate_wait(gate, 3));
	fetch_stop(fetch);
	for (unsigned i = 0; i < 3; i++)
		reader_end(&readers[i], -EIO);
	check_read(fetch, -EIO);
	assert_int_not_equal(fetch_mend(fetch), 0);
	assert_int_equal(reopened.nr, 0);
	fetch_close(fetch);
}

static int setup(void **state)
{
	reader_setup();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(readers_are_told_and_do_not_look),
		cmocka_unit_test(after_mending_all_is_as_before),
		cmocka_unit_test(an_image_that_is_gone_is_told),
		cmocka_unit_test(a_silent_far_end_is_told_after_one_try),
		cmocka_unit_test(one_bad_page_is_no_lost_connection),
		cmocka_unit_test(stopping_ends_reads_under_way_and_to_come),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
