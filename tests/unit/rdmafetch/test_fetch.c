/* SPDX-License-Identifier: MIT */
/*
 * test_fetch.c - demand reads: bytes, holes, sharing, failures, rebuilding
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/page.h"
#include "common/source.h"
#include "rdmafetch/fetch.h"
#include "rdmafetch/null.h"
#include "tests/contract/pattern.h"

#define BASE_PAGE 0x7f0000000ull
#define BASE	  (BASE_PAGE << PAGE_SHIFT)

/* A solid MiB, a hole, then pages with a hole behind each. */
static struct image_run runs[256] = {{BASE_PAGE, 256}};
static struct image image = {.runs = runs, .nr_runs = 201, .exe_bytes = 100000};

static void make_runs(void)
{
	for (uint64_t i = 1; i < image.nr_runs; i++)
		runs[i] = (struct image_run){BASE_PAGE + 512 + i * 2, 1};
}

static bool present(uint64_t page)
{
	for (uint32_t i = 0; i < image.nr_runs; i++)
		if (page >= runs[i].first_page &&
		    page < runs[i].first_page + runs[i].nr_pages)
			return true;
	return false;
}

/* Whether @buf is what the image has from @page on. */
static bool pages_right(uint64_t page, const char *buf, uint64_t nr_pages)
{
	static const char zeros[PAGE_BYTES];

	for (uint64_t i = 0; i < nr_pages; i++, page++, buf += PAGE_BYTES)
		if (present(page)
			    ? !pattern_is(SOURCE_MEMORY, page << PAGE_SHIFT,
					  buf, PAGE_BYTES)
			    : memcmp(buf, zeros, PAGE_BYTES) != 0)
			return false;
	return true;
}

/* Connections in order; the last repeats. */
struct script {
	const struct null_options *options;
	unsigned nr, at;
	int err; /* of reopening, when not 0 */
};

static int reopen(void *arg, struct transport **ret)
{
	struct script *script = arg;

	if (script->err)
		return script->err;
	if (script->at + 1 < script->nr)
		script->at++;
	return null_open(&script->options[script->at], ret);
}

static struct fetch_options usual(void)
{
	return (struct fetch_options){
		.image = &image, .timeout_ms = 10000, .tries = 3};
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

static struct fetch_stats stats_of(struct fetch *fetch)
{
	struct fetch_stats stats;

	fetch_get_stats(fetch, &stats);
	return stats;
}

static void check_pages(struct fetch *fetch, uint64_t page, uint64_t nr_pages)
{
	char *buf = malloc(nr_pages << PAGE_SHIFT);

	memset(buf, 0x5a, nr_pages << PAGE_SHIFT);
	assert_int_equal(fetch_read(fetch, SOURCE_MEMORY, page << PAGE_SHIFT,
				    buf, nr_pages << PAGE_SHIFT),
			 0);
	assert_true(pages_right(page, buf, nr_pages));
	free(buf);
}

/* ---- bytes and holes ---- */

static void a_read_brings_the_images_bytes(void **state)
{
	struct fetch_options options = usual();
	struct fetch *fetch = open_over(NULL, &options);

	check_pages(fetch, BASE_PAGE, 1);
	check_pages(fetch, BASE_PAGE + 17, 33);
	check_pages(fetch, BASE_PAGE, 256);
	fetch_close(fetch);
}

static void holes_read_as_zeros_and_cost_nothing(void **state)
{
	struct fetch_options options = usual();
	struct fetch *fetch = open_over(NULL, &options);

	check_pages(fetch, BASE_PAGE + 256, 128);
	check_pages(fetch, BASE_PAGE - 10, 10);
	check_pages(fetch, BASE_PAGE + 5000, 1);
	assert_int_equal(stats_of(fetch).read_bytes, 0);
	check_pages(fetch, BASE_PAGE + 255, 2);
	assert_int_equal(stats_of(fetch).read_bytes, PAGE_BYTES);
	fetch_close(fetch);
}

/* More pieces than one round holds, and more bytes than one read takes. */
static void a_big_scattered_read_is_whole(void **state)
{
	struct fetch_options options = usual();
	struct null_options reorder = {.reorder = 5};
	struct fetch *fetch = open_over(&reorder, &options);

	check_pages(fetch, BASE_PAGE + 512, 402);
	check_pages(fetch, BASE_PAGE - 3, 1000);
	assert_int_equal(stats_of(fetch).read_bytes,
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

struct reader {
	struct fetch *fetch;
	uint64_t page, nr_pages;
	char *buf;
	pthread_t thread;
	int result;
};

static void *reader_main(void *arg)
{
	struct reader *me = arg;

	me->result =
		fetch_read(me->fetch, SOURCE_MEMORY, me->page << PAGE_SHIFT,
			   me->buf, me->nr_pages << PAGE_SHIFT);
	return NULL;
}

static void start_reader(struct reader *reader, struct fetch *fetch,
			 uint64_t page, uint64_t nr_pages)
{
	*reader = (struct reader){
		fetch, page, nr_pages, malloc(nr_pages << PAGE_SHIFT), 0, -1};
	assert_int_equal(
		pthread_create(&reader->thread, NULL, reader_main, reader), 0);
}

static void end_reader(struct reader *reader, int want)
{
	assert_int_equal(pthread_join(reader->thread, NULL), 0);
	assert_int_equal(reader->result, want);
	if (!want)
		assert_true(pages_right(reader->page, reader->buf,
					reader->nr_pages));
	free(reader->buf);
}

static void faults_on_one_page_cost_one_read(void **state)
{
	struct fetch_options options = usual();
	struct null_options slow = {.delay_ns = 300000000};
	struct fetch *fetch = open_over(&slow, &options);
	struct reader readers[4];
	struct fetch_stats stats;

	for (int i = 0; i < 4; i++)
		start_reader(&readers[i], fetch, BASE_PAGE + 9, 1);
	for (int i = 0; i < 4; i++)
		end_reader(&readers[i], 0);
	stats = stats_of(fetch);
	assert_int_equal(stats.demand_reads, 4);
	assert_int_equal(stats.demand_pages, 4);
	assert_int_equal(stats.read_bytes,
			 (4 - stats.shared_pages) * PAGE_BYTES);
	assert_true(stats.shared_pages > 0);
	fetch_close(fetch);
}

/* Ranges that overlap in part: each page once, each caller complete. */
static void overlapping_reads_share_what_they_can(void **state)
{
	struct fetch_options options = usual();
	struct null_options slow = {.delay_ns = 300000000};
	struct fetch *fetch = open_over(&slow, &options);
	struct reader readers[3];
	struct fetch_stats stats;

	start_reader(&readers[0], fetch, BASE_PAGE + 10, 10);
	start_reader(&readers[1], fetch, BASE_PAGE + 5, 20);
	start_reader(&readers[2], fetch, BASE_PAGE + 15, 30);
	for (int i = 0; i < 3; i++)
		end_reader(&readers[i], 0);
	stats = stats_of(fetch);
	assert_int_equal(stats.read_bytes,
			 (60 - stats.shared_pages) * PAGE_BYTES);
	assert_true(stats.shared_pages > 0);
	fetch_close(fetch);
}

static void *hammer_main(void *arg)
{
	struct reader *me = arg;
	unsigned seed = (unsigned)me->page;
	static const uint64_t span = 1000;

	me->result = 0;
	for (int i = 0; i < 300 && !me->result; i++) {
		uint64_t page = BASE_PAGE + (uint64_t)rand_r(&seed) % span;
		uint64_t nr = 1 + (uint64_t)rand_r(&seed) % me->nr_pages;

		me->result =
			fetch_read(me->fetch, SOURCE_MEMORY, page << PAGE_SHIFT,
				   me->buf, nr << PAGE_SHIFT);
		if (!me->result && !pages_right(page, me->buf, nr))
			me->result = -EBADMSG;
	}
	return NULL;
}

static void hammer(struct fetch *fetch)
{
	enum { NR = 6 };
	struct reader readers[NR];

	for (unsigned i = 0; i < NR; i++) {
		readers[i] = (struct reader){
			fetch, i, 40, malloc(40 << PAGE_SHIFT), 0, -1};
		assert_int_equal(pthread_create(&readers[i].thread, NULL,
						hammer_main, &readers[i]),
				 0);
	}
	for (unsigned i = 0; i < NR; i++) {
		assert_int_equal(pthread_join(readers[i].thread, NULL), 0);
		assert_int_equal(readers[i].result, 0);
		free(readers[i].buf);
	}
}

static void many_threads_get_right_bytes(void **state)
{
	struct fetch_options options = usual();
	struct null_options faults = {.delay_ns = 20000, .reorder = 3};
	struct fetch *fetch = open_over(&faults, &options);

	hammer(fetch);
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
		check_pages(fetch, BASE_PAGE + (uint64_t)i, 1);
	stats = stats_of(fetch);
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
	assert_int_equal(stats_of(fetch).retries, want_retries);
	assert_int_equal(stats_of(fetch).errors, 1);
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

	check_pages(fetch, BASE_PAGE, 1);
	for (int i = 0; i < 3; i++)
		assert_int_equal(
			fetch_read(fetch, SOURCE_MEMORY, BASE, buf, PAGE_BYTES),
			-EIO);
	check_pages(fetch, BASE_PAGE + 300, 1); /* a hole needs nobody */
	fetch_close(fetch);
}

static void a_broken_connection_is_rebuilt(void **state)
{
	static const struct null_options faults[] = {{.break_after = 1}, {0}};
	struct script script = {faults, 2};
	struct fetch *fetch = open_script(&script, usual());

	check_pages(fetch, BASE_PAGE, 1);
	check_pages(fetch, BASE_PAGE + 1, 1);
	check_pages(fetch, BASE_PAGE + 512, 400);
	assert_int_equal(stats_of(fetch).reconnects, 1);
	assert_int_equal(stats_of(fetch).retries, 1);
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
	check_pages(fetch, BASE_PAGE, 256);
	assert_int_equal(stats_of(fetch).timeouts, 1);
	assert_int_equal(stats_of(fetch).reconnects, 1);
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
	assert_int_equal(stats_of(fetch).timeouts, 3);
	fetch_close(fetch);
}

static void check_reopen_error(int err, int want)
{
	static const struct null_options faults[] = {{.break_after = 1}};
	struct script script = {faults, 1, 0, err};
	struct fetch_options options = usual();
	static char buf[PAGE_BYTES];
	struct fetch *fetch;

	options.timeout_ms = 20;
	fetch = open_script(&script, options);
	check_pages(fetch, BASE_PAGE, 1);
	assert_int_equal(
		fetch_read(fetch, SOURCE_MEMORY, BASE, buf, PAGE_BYTES), want);
	script.err = 0; /* it is back: so are we */
	script.options = &(const struct null_options){0};
	check_pages(fetch, BASE_PAGE, 16);
	fetch_close(fetch);
}

static void a_lost_parent_is_eio_until_it_is_back(void **state)
{
	check_reopen_error(-ECONNREFUSED, -EIO);
}

static void an_image_gone_at_reopen_is_estale(void **state)
{
	check_reopen_error(-ESTALE, -ESTALE);
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
	hammer(fetch);
	assert_true(stats_of(fetch).reconnects >= 3);
	assert_int_equal(stats_of(fetch).errors, 0);
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
		cmocka_unit_test(many_threads_get_right_bytes),
		cmocka_unit_test(a_failed_read_is_tried_again),
		cmocka_unit_test(an_unreadable_page_is_eio_after_all_tries),
		cmocka_unit_test(a_released_image_is_estale_at_once),
		cmocka_unit_test(without_reopen_a_break_is_eio_for_good),
		cmocka_unit_test(a_broken_connection_is_rebuilt),
		cmocka_unit_test(a_lost_answer_is_asked_for_again),
		cmocka_unit_test(a_silent_far_end_is_eio_after_all_tries),
		cmocka_unit_test(a_lost_parent_is_eio_until_it_is_back),
		cmocka_unit_test(an_image_gone_at_reopen_is_estale),
		cmocka_unit_test(many_threads_survive_breaks),
	};

	make_runs();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
