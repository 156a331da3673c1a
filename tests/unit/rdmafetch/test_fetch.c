/* SPDX-License-Identifier: MIT */
/*
 * test_fetch.c - demand reads: bytes, holes, sharing, failures, rebuilding
 */
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/io.h"
#include "common/page.h"
#include "common/source.h"
#include "rdmafetch/fetch.h"
#include "rdmafetch/null.h"
#include "tests/contract/gate.h"
#include "tests/contract/pattern.h"
#include "tests/unit/rdmafetch/reader.h"

/* Connections in order; the last repeats. */
struct script {
	const struct null_options *options;
	unsigned nr, at;
	int err; /* of reopening, when not 0 */
	unsigned nr_reopened;
};

static int reopen(void *arg, struct transport **ret)
{
	struct script *script = arg;

	script->nr_reopened++;
	if (script->err)
		return script->err;
	if (script->at + 1 < script->nr)
		script->at++;
	return null_open(&script->options[script->at], ret);
}

static struct fetch_options usual(void)
{
	return (struct fetch_options){
		.image = &reader_image, .timeout_ms = 10000, .tries = 3};
}

static struct fetch *open_over(const struct null_options *faults,
			       const struct fetch_options *options)
{
	struct transport *transport = NULL;
	struct fetch *fetch = NULL;

	assert_int_equal(null_open(faults, &transport), 0);
	assert_int_equal(fetch_open(transport, options, &fetch), 0);
	return fetch;
}

static struct fetch *open_script(struct script *script,
				 struct fetch_options options)
{
	options.reopen = reopen;
	options.reopen_arg = script;
	script->at = 0;
	return open_over(&script->options[0], &options);
}

/* ---- bytes and holes ---- */

static void a_read_brings_the_images_bytes(void **state)
{
	struct fetch_options options = usual();
	struct fetch *fetch = open_over(NULL, &options);

	reader_check(fetch, BASE_PAGE, 1);
	reader_check(fetch, BASE_PAGE + 17, 33);
	reader_check(fetch, BASE_PAGE, 256);
	fetch_close(fetch);
}

static void holes_read_as_zeros_and_cost_nothing(void **state)
{
	struct fetch_options options = usual();
	struct fetch *fetch = open_over(NULL, &options);

	reader_check(fetch, BASE_PAGE + 256, 128);
	reader_check(fetch, BASE_PAGE - 10, 10);
	reader_check(fetch, BASE_PAGE + 5000, 1);
	assert_int_equal(reader_stats(fetch).read_bytes, 0);
	reader_check(fetch, BASE_PAGE + 255, 2);
	assert_int_equal(reader_stats(fetch).read_bytes, PAGE_BYTES);
	fetch_close(fetch);
}

/* More pieces than one round holds, and more bytes than one read takes. */
static void a_big_scattered_read_is_whole(void **state)
{
	struct fetch_options options = usual();
	struct null_options reorder = {.reorder = 5};
	struct fetch *fetch = open_over(&reorder, &options);

	reader_check(fetch, BASE_PAGE + 512, 402);
	reader_check(fetch, BASE_PAGE - 3, 1000);
	assert_int_equal(reader_stats(fetch).read_bytes,
			 (200 + 200 + 256) * PAGE_BYTES);
	fetch_close(fetch);
}

static void the_executable_is_read_at_any_offset(void **state)
{
	struct fetch_options options = usual();
	struct fetch *fetch = open_over(NULL, &options);
	char buf[10000];

	assert_int_equal(fetch_read(fetch, SOURCE_EXE, 777, buf, sizeof(buf)),
			 0);
	assert_true(pattern_is(SOURCE_EXE, 777, buf, sizeof(buf)));
	memset(buf, 0x5a, sizeof(buf));
	assert_int_equal(fetch_read(fetch, SOURCE_EXE, 99990, buf, 30), 0);
	assert_true(pattern_is(SOURCE_EXE, 99990, buf, 10));
	for (int i = 10; i < 30; i++)
		assert_int_equal(buf[i], 0);
	fetch_close(fetch);
}

static void illegal_reads_are_einval(void **state)
{
	struct fetch_options options = usual();
	struct fetch *fetch = open_over(NULL, &options);
	static char buf[2 * PAGE_BYTES];

	assert_int_equal(
		fetch_read(fetch, SOURCE_MEMORY, BASE + 1, buf, PAGE_BYTES),
		-EINVAL);
	assert_int_equal(fetch_read(fetch, SOURCE_MEMORY, BASE, buf, 100),
			 -EINVAL);
	assert_int_equal(fetch_read(fetch, SOURCE_MEMORY, -PAGE_BYTES, buf,
				    2 * PAGE_BYTES),
			 -EINVAL);
	assert_int_equal(fetch_read(fetch, 2, BASE, buf, PAGE_BYTES), -EINVAL);
	assert_int_equal(fetch_read(fetch, SOURCE_MEMORY, BASE, buf, 0), 0);
	fetch_close(fetch);
}

/* ---- sharing ---- */

/* A fetch over a gate, which is handed out too. */
static struct fetch *open_gate(struct gate **ret_gate)
{
	struct fetch_options options = usual();
	struct transport *transport = gate_new(true);
	struct fetch *fetch = NULL;

	*ret_gate = gate_of(transport);
	assert_int_equal(fetch_open(transport, &options, &fetch), 0);
	return fetch;
}

static void faults_on_one_page_cost_one_read(void **state)
{
	struct gate *gate;
	struct fetch *fetch = open_gate(&gate);
	struct reader readers[4];

	reader_start(&readers[0], fetch, BASE_PAGE + 9, 1);
	assert_true(gate_wait(gate, 1));
	for (int i = 1; i < 4; i++)
		reader_start(&readers[i], fetch, BASE_PAGE + 9, 1);
	assert_true(reader_wait_shared(fetch, 3));
	gate_let(gate, GATE_ALL, 0);
	for (int i = 0; i < 4; i++)
		reader_end(&readers[i], 0);
	assert_int_equal(gate_nr(gate), 1);
	assert_int_equal(reader_stats(fetch).demand_reads, 4);
	assert_int_equal(reader_stats(fetch).demand_pages, 4);
	assert_int_equal(reader_stats(fetch).read_bytes, PAGE_BYTES);
	/* And when it is over, a fault reads anew. */
	reader_check(fetch, BASE_PAGE + 9, 1);
	assert_int_equal(gate_nr(gate), 2);
	fetch_close(fetch);
}

/* Ranges that overlap in part: each page once, each caller complete. */
static void overlapping_reads_share_what_they_can(void **state)
{
	struct gate *gate;
	struct fetch *fetch = open_gate(&gate);
	struct reader readers[3];

	reader_start(&readers[0], fetch, BASE_PAGE + 10, 10);
	assert_true(gate_wait(gate, 1));
	reader_start(&readers[1], fetch, BASE_PAGE + 5, 20);
	assert_true(gate_wait(gate, 3));
	reader_start(&readers[2], fetch, BASE_PAGE + 15, 30);
	assert_true(gate_wait(gate, 4));
	gate_let(gate, GATE_ALL, 0);
	for (int i = 0; i < 3; i++)
		reader_end(&readers[i], 0);
	assert_int_equal(reader_stats(fetch).shared_pages, 20);
	assert_int_equal(reader_stats(fetch).read_bytes, 40 * PAGE_BYTES);
	fetch_close(fetch);
}

/* More parts than one round holds: every second page is on its way already. */
static void a_read_between_many_others_is_whole(void **state)
{
	enum { NR = 40 };
	struct gate *gate;
	struct fetch *fetch = open_gate(&gate);
	struct reader readers[NR], wide;

	for (unsigned i = 0; i < NR; i++)
		reader_start(&readers[i], fetch, BASE_PAGE + 1 + i * 2, 1);
	assert_true(gate_wait(gate, NR));
	reader_start(&wide, fetch, BASE_PAGE, 256);
	assert_true(reader_wait_shared(fetch, 32));
	gate_let(gate, GATE_ALL, 0);
	reader_end(&wide, 0);
	for (unsigned i = 0; i < NR; i++)
		reader_end(&readers[i], 0);
	fetch_close(fetch);
}

static void *close_main(void *arg)
{
	fetch_close(arg);
	return NULL;
}

static void close_waits_for_reads_under_way(void **state)
{
	struct gate *gate;
	struct fetch *fetch = open_gate(&gate);
	struct reader readers[2];
	pthread_t closer;

	for (unsigned i = 0; i < 2; i++)
		reader_start(&readers[i], fetch, BASE_PAGE + i, 1);
	assert_true(gate_wait(gate, 2));
	assert_int_equal(pthread_create(&closer, NULL, close_main, fetch), 0);
	(void)sched_yield();
	gate_let(gate, GATE_ALL, 0);
	for (unsigned i = 0; i < 2; i++)
		reader_end(&readers[i], 0);
	assert_int_equal(pthread_join(closer, NULL), 0);
}

/* The first to wait leads; when its page is here, another must go on. */
static void the_lead_passes_on(void **state)
{
	struct gate *gate;
	struct fetch *fetch = open_gate(&gate);
	struct reader readers[3];

	for (unsigned i = 0; i < 3; i++) {
		reader_start(&readers[i], fetch, BASE_PAGE + i, 1);
		assert_true(gate_wait(gate, i + 1));
	}
	for (unsigned i = 0; i < 3; i++) {
		gate_let(gate, 1, 0);
		reader_end(&readers[i], 0);
	}
	fetch_close(fetch);
}

/* Three at a time: the next goes when one is back, not when all are. */
static void reads_that_do_not_fit_wait_their_turn(void **state)
{
	struct gate *gate;
	struct fetch *fetch = open_gate(&gate);
	struct reader reader;

	gate_limit(gate, 3);
	reader_start(&reader, fetch, BASE_PAGE + 514, 40); /* 20 pieces */
	for (unsigned i = 3; i <= 20; i++) {
		assert_true(gate_wait(gate, i));
		assert_int_equal(gate_nr(gate), i);
		gate_let(gate, 1, 0);
	}
	gate_let(gate, GATE_ALL, 0);
	reader_end(&reader, 0);
	fetch_close(fetch);
}

/* A transport that never has room is as good as broken. */
static void a_transport_without_room_is_eio(void **state)
{
	struct gate *gate;
	struct fetch *fetch = open_gate(&gate);
	static char buf[PAGE_BYTES];

	gate_limit(gate, 0);
	assert_int_equal(
		fetch_read(fetch, SOURCE_MEMORY, BASE, buf, PAGE_BYTES), -EIO);
	fetch_close(fetch);
}

/*
 * The page is bad for the one who asked for 16; the other wants just one of
 * them, so it must be read by itself before it may fail.
 */
static void a_join_does_not_fail_for_anothers_page(void **state)
{
	struct gate *gate;
	struct fetch *fetch = open_gate(&gate);
	struct reader wide, narrow;

	reader_start(&wide, fetch, BASE_PAGE, 16);
	assert_true(gate_wait(gate, 1));
	reader_start(&narrow, fetch, BASE_PAGE + 3, 1);
	assert_true(reader_wait_shared(fetch, 1));
	gate_let(gate, 3, -EREMOTEIO);
	reader_end(&wide, -EIO);
	assert_true(gate_wait(gate, 4));
	assert_int_equal(gate_read(gate, 3).len_bytes, PAGE_BYTES);
	gate_let(gate, 1, 0);
	reader_end(&narrow, 0);
	fetch_close(fetch);
}

static void a_failure_reaches_all_who_share(void **state)
{
	struct gate *gate;
	struct fetch *fetch = open_gate(&gate);
	struct reader readers[2];

	reader_start(&readers[0], fetch, BASE_PAGE, 1);
	assert_true(gate_wait(gate, 1));
	reader_start(&readers[1], fetch, BASE_PAGE, 1);
	assert_true(reader_wait_shared(fetch, 1));
	gate_let(gate, GATE_ALL, -ESTALE);
	reader_end(&readers[0], -ESTALE);
	reader_end(&readers[1], -ESTALE);
	fetch_close(fetch);
}

static void many_threads_get_right_bytes(void **state)
{
	struct fetch_options options = usual();
	struct null_options faults = {.delay_ns = 20000, .reorder = 3};
	struct fetch *fetch = open_over(&faults, &options);

	reader_hammer(fetch);
	fetch_close(fetch);
}

/* ---- failures ---- */

static void a_failed_read_is_tried_again(void **state)
{
	struct fetch_options options = usual();
	struct null_options faults = {.fail_every = 2,
				      .fail_result = -EREMOTEIO};
	struct fetch *fetch = open_over(&faults, &options);
	struct fetch_stats stats;

	for (int i = 0; i < 4; i++)
		reader_check(fetch, BASE_PAGE + (uint64_t)i, 1);
	stats = reader_stats(fetch);
	assert_int_equal(stats.retries, 3);
	assert_int_equal(stats.errors, 0);
	assert_int_equal(stats.reconnects, 0);
	fetch_close(fetch);
}

static void check_always(int fail_result, int want, uint64_t want_retries)
{
	struct fetch_options options = usual();
	struct null_options faults = {.fail_every = 1,
				      .fail_result = fail_result};
	struct fetch *fetch = open_over(&faults, &options);
	static char buf[PAGE_BYTES];

	assert_int_equal(
		fetch_read(fetch, SOURCE_MEMORY, BASE, buf, PAGE_BYTES), want);
	assert_int_equal(reader_stats(fetch).retries, want_retries);
	assert_int_equal(reader_stats(fetch).errors, 1);
	fetch_close(fetch);
}

static void an_unreadable_page_is_eio_after_all_tries(void **state)
{
	check_always(-EREMOTEIO, -EIO, 2);
}

static void a_released_image_is_estale_at_once(void **state)
{
	check_always(-ESTALE, -ESTALE, 0);
}

static void without_reopen_a_break_is_eio_for_good(void **state)
{
	struct fetch_options options = usual();
	struct null_options faults = {.break_after = 1};
	struct fetch *fetch = open_over(&faults, &options);
	static char buf[PAGE_BYTES];

	reader_check(fetch, BASE_PAGE, 1);
	for (int i = 0; i < 3; i++)
		assert_int_equal(
			fetch_read(fetch, SOURCE_MEMORY, BASE, buf, PAGE_BYTES),
			-EIO);
	reader_check(fetch, BASE_PAGE + 300, 1); /* a hole needs nobody */
	fetch_close(fetch);
}

static void a_broken_connection_is_rebuilt(void **state)
{
	static const struct null_options faults[] = {{.break_after = 1}, {0}};
	struct script script = {faults, 2};
	struct fetch *fetch = open_script(&script, usual());

	reader_check(fetch, BASE_PAGE, 1);
	reader_check(fetch, BASE_PAGE + 1, 1);
	reader_check(fetch, BASE_PAGE + 512, 400);
	assert_int_equal(reader_stats(fetch).reconnects, 1);
	assert_int_equal(reader_stats(fetch).retries, 1);
	fetch_close(fetch);
}

static void a_lost_answer_is_asked_for_again(void **state)
{
	static const struct null_options faults[] = {{.lose_every = 1}, {0}};
	struct script script = {faults, 2};
	struct fetch_options options = usual();
	struct fetch *fetch;

	options.timeout_ms = 20;
	fetch = open_script(&script, options);
	reader_check(fetch, BASE_PAGE, 256);
	assert_int_equal(reader_stats(fetch).timeouts, 1);
	assert_int_equal(reader_stats(fetch).reconnects, 1);
	fetch_close(fetch);
}

static void a_silent_far_end_is_eio_after_all_tries(void **state)
{
	static const struct null_options faults[] = {{.lose_every = 1}};
	struct script script = {faults, 1};
	struct fetch_options options = usual();
	static char buf[PAGE_BYTES];
	struct fetch *fetch;

	options.timeout_ms = 10;
	fetch = open_script(&script, options);
	assert_int_equal(
		fetch_read(fetch, SOURCE_MEMORY, BASE, buf, PAGE_BYTES), -EIO);
	assert_int_equal(reader_stats(fetch).timeouts, 3);
	fetch_close(fetch);
}

static void expect_error(struct fetch *fetch, int error)
{
	static char buf[PAGE_BYTES];

	assert_int_equal(
		fetch_read(fetch, SOURCE_MEMORY, BASE, buf, PAGE_BYTES), error);
}

static void a_lost_parent_is_eio_until_it_is_back(void **state)
{
	static const struct null_options faults[] = {{.break_after = 1}};
	struct script script = {faults, 1, 0, -ECONNREFUSED};
	struct fetch_options options = usual();
	struct fetch *fetch;

	options.timeout_ms = 100; /* and time enough for a busy machine */
	fetch = open_script(&script, options);
	reader_check(fetch, BASE_PAGE, 1);
	expect_error(fetch, -EIO);
	script.err = 0; /* it is back: so are we */
	script.options = &(const struct null_options){0};
	reader_check(fetch, BASE_PAGE, 16);
	fetch_close(fetch);
}

/* The time limit is waited for once; after that a read looks and fails. */
static void a_lost_parent_costs_the_time_limit_once(void **state)
{
	static const struct null_options faults[] = {{.break_after = 1}};
	struct script script = {faults, 1, 0, -ECONNREFUSED};
	struct fetch_options options = usual();
	static char buf[PAGE_BYTES];
	struct fetch *fetch;
	unsigned looks;

	options.timeout_ms = 20;
	fetch = open_script(&script, options);
	reader_check(fetch, BASE_PAGE, 1);
	assert_false(reader_stats(fetch).is_lost);
	assert_int_equal(
		fetch_read(fetch, SOURCE_MEMORY, BASE, buf, PAGE_BYTES), -EIO);
	assert_true(reader_stats(fetch).is_lost);
	looks = script.nr_reopened;
	for (unsigned i = 1; i <= 5; i++) {
		assert_int_equal(
			fetch_read(fetch, SOURCE_MEMORY, BASE, buf, PAGE_BYTES),
			-EIO);
		assert_true(script.nr_reopened <= looks + i);
	}
	fetch_close(fetch);
}

/* Who reads on does not ask for it a thousand times, yet now and then. */
static void an_image_gone_at_reopen_is_estale(void **state)
{
	static const struct null_options faults[] = {{.break_after = 1}};
	struct script script = {faults, 1, 0, -ESTALE};
	uint64_t from_ns = io_monotonic_ns(), seconds;
	struct fetch *fetch = open_script(&script, usual());

	reader_check(fetch, BASE_PAGE, 1);
	for (unsigned i = 0; i < 1000; i++)
		expect_error(fetch, -ESTALE);
	seconds = (io_monotonic_ns() - from_ns) / 1000000000;
	assert_in_range(script.nr_reopened, 1, seconds + 1);
	assert_true(reader_stats(fetch).is_gone);
	script.err = 0;
	script.options = &(const struct null_options){0};
	(void)usleep(1100000);
	reader_check(fetch, BASE_PAGE, 16);
	assert_false(reader_stats(fetch).is_gone);
	fetch_close(fetch);
}

static void many_threads_survive_breaks(void **state)
{
	static const struct null_options faults[] = {
		{.delay_ns = 10000, .break_after = 300},
		{.delay_ns = 50000, .break_after = 900, .reorder = 4},
		{.delay_ns = 10000, .lose_every = 400},
		{.reorder = 2}};
	struct script script = {faults, 4};
	struct fetch_options options = usual();
	struct fetch *fetch;

	options.timeout_ms = 200;
	options.tries = 10;
	fetch = open_script(&script, options);
	reader_hammer(fetch);
	assert_true(reader_stats(fetch).reconnects >= 3);
	assert_int_equal(reader_stats(fetch).errors, 0);
	fetch_close(fetch);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_read_brings_the_images_bytes),
		cmocka_unit_test(holes_read_as_zeros_and_cost_nothing),
		cmocka_unit_test(a_big_scattered_read_is_whole),
		cmocka_unit_test(the_executable_is_read_at_any_offset),
		cmocka_unit_test(illegal_reads_are_einval),
		cmocka_unit_test(faults_on_one_page_cost_one_read),
		cmocka_unit_test(overlapping_reads_share_what_they_can),
		cmocka_unit_test(a_read_between_many_others_is_whole),
		cmocka_unit_test(close_waits_for_reads_under_way),
		cmocka_unit_test(the_lead_passes_on),
		cmocka_unit_test(reads_that_do_not_fit_wait_their_turn),
		cmocka_unit_test(a_transport_without_room_is_eio),
		cmocka_unit_test(a_join_does_not_fail_for_anothers_page),
		cmocka_unit_test(a_failure_reaches_all_who_share),
		cmocka_unit_test(many_threads_get_right_bytes),
		cmocka_unit_test(a_failed_read_is_tried_again),
		cmocka_unit_test(an_unreadable_page_is_eio_after_all_tries),
		cmocka_unit_test(a_released_image_is_estale_at_once),
		cmocka_unit_test(without_reopen_a_break_is_eio_for_good),
		cmocka_unit_test(a_broken_connection_is_rebuilt),
		cmocka_unit_test(a_lost_answer_is_asked_for_again),
		cmocka_unit_test(a_silent_far_end_is_eio_after_all_tries),
		cmocka_unit_test(a_lost_parent_is_eio_until_it_is_back),
		cmocka_unit_test(a_lost_parent_costs_the_time_limit_once),
		cmocka_unit_test(an_image_gone_at_reopen_is_estale),
		cmocka_unit_test(many_threads_survive_breaks),
	};

	reader_setup();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
