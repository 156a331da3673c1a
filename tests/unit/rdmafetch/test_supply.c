/* SPDX-License-Identifier: MIT */
/*
 * test_supply.c - likely pages: streamed while somebody has the pages open,
 * kept until a fault takes them, and read no more often than once
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/mman.h>
#include <time.h>

#include "common/page.h"
#include "common/source.h"
#include "rdmafetch/fetch.h"
#include "rdmafetch/null.h"
#include "tests/contract/gate.h"
#include "tests/unit/rdmafetch/reader.h"

/* The area of single pages is the smaller one, and first: one run of it. */
#define WINDOW_READS 32u

/* Of what is known, from a near far end. */
#define KNOWN_PLACES 32u

static struct image_vma vmas[] = {
	{.start = BASE,
	 .end = BASE + (256ul << PAGE_SHIFT),
	 .prot = PROT_READ | PROT_WRITE,
	 .kind = IMAGE_VMA_ANON},
	{.start = BASE + (512ul << PAGE_SHIFT),
	 .end = BASE + (1024ul << PAGE_SHIFT),
	 .prot = PROT_READ | PROT_WRITE,
	 .kind = IMAGE_VMA_ANON},
};
static struct image image;

static struct fetch_options usual(void)
{
	image = reader_image;
	image.vmas = vmas;
	image.nr_vmas = 2;
	return (struct fetch_options){
		.image = &image,
		.timeout_ms = 10000,
		.tries = 3,
		.supply_from_ns = 1,
	};
}

static void nap(void)
{
	const struct timespec ms = {.tv_nsec = 1000000};

	(void)nanosleep(&ms, NULL);
}

/* Time for what should not be. */
static void nap_long(void)
{
	for (unsigned i = 0; i < 50; i++)
		nap();
}

static void wait_likely(struct fetch *fetch, uint64_t nr_pages)
{
	for (unsigned i = 0; i < 10000; i++, nap())
		if (reader_stats(fetch).likely_pages >= nr_pages)
			return;
	fail_msg("%lu likely pages came of %lu",
		 (unsigned long)reader_stats(fetch).likely_pages,
		 (unsigned long)nr_pages);
}

static void wait_dropped(struct fetch *fetch, uint64_t nr_pages)
{
	for (unsigned i = 0; i < 10000; i++, nap())
		if (reader_stats(fetch).foreseen.dropped_pages >= nr_pages)
			break;
	assert_int_equal(reader_stats(fetch).foreseen.dropped_pages, nr_pages);
}

/* Two reads tell that the link is long: of pages 0 and 1. */
static void look_twice(struct fetch *fetch)
{
	reader_check(fetch, BASE_PAGE, 1);
	reader_check(fetch, BASE_PAGE + 1, 1);
}

/* A stream is there, and all of it has come. */
static struct fetch *open_full(struct gate **ret_gate)
{
	struct fetch_options options = usual();
	struct fetch *fetch = reader_open_gate(&options, true, ret_gate);

	gate_let(*ret_gate, GATE_ALL, 0);
	fetch_pages_opened(fetch);
	look_twice(fetch);
	reader_check(fetch, BASE_PAGE + 2, 1); /* the link is known now */
	wait_likely(fetch, READER_PRESENT_PAGES - 3);
	return fetch;
}

/* Pages @from to @to of the image, each once and right. */
static void check_from(struct fetch *fetch, uint64_t from, uint64_t to)
{
	for (uint64_t page = from; page < to; page += 8)
		reader_check(fetch, BASE_PAGE + page, 8);
}

/* The same of those that open_full() has not looked at. */
static void check_rest(struct fetch *fetch, uint64_t to)
{
	reader_check(fetch, BASE_PAGE + 3, 5);
	check_from(fetch, 8, to);
}

static void what_is_likely_comes_once(void **state)
{
	struct gate *gate;
	struct fetch *fetch = open_full(&gate);
	unsigned nr_reads = gate_nr(gate);
	uint64_t bytes = reader_stats(fetch).read_bytes;

	assert_int_equal(bytes, READER_PRESENT_PAGES * PAGE_BYTES);
	check_rest(fetch, 1024);
	assert_int_equal(gate_nr(gate), nr_reads);
	assert_int_equal(reader_stats(fetch).likely_used_pages,
			 READER_PRESENT_PAGES - 3);
	assert_int_equal(reader_stats(fetch).here_pages, READER_PRESENT_PAGES);
	fetch_pages_closed(fetch);
	fetch_close(fetch);
}

static void expect_no_stream(struct fetch *fetch, struct gate *gate)
{
	gate_let(gate, GATE_ALL, 0);
	look_twice(fetch);
	check_from(fetch, 2, 34);
	nap_long();
	assert_int_equal(gate_nr(gate), 6);
	assert_int_equal(reader_stats(fetch).likely_pages, 0);
	fetch_close(fetch);
}

static void nothing_comes_where_it_is_not_wanted(void **state)
{
	struct fetch_options options = usual();
	struct gate *gate;
	struct fetch *fetch = reader_open_gate(&options, true, &gate);

	expect_no_stream(fetch, gate); /* nobody has the pages open */
	fetch = reader_open_gate(&options, true, &gate);
	fetch_pages_opened(fetch);
	fetch_pages_closed(fetch);
	expect_no_stream(fetch, gate); /* nobody has any more */
	options.supply_from_ns = 3600000000000;
	fetch = reader_open_gate(&options, true, &gate);
	fetch_pages_opened(fetch);
	expect_no_stream(fetch, gate); /* the link is short */
	options = usual();
	options.supply_from_ns = 2000; /* any read takes longer */
	options.nil_ns = 1000;
	fetch = reader_open_gate(&options, true, &gate);
	fetch_pages_opened(fetch);
	expect_no_stream(fetch, gate); /* an empty call was faster than reads */
	options.supply_from_ns = 0;
	fetch = reader_open_gate(&options, true, &gate);
	fetch_pages_opened(fetch);
	expect_no_stream(fetch, gate); /* never */
}

/* An empty call has told it: what is likely need not wait for two reads. */
static void what_is_known_to_be_far_is_streamed_at_once(void **state)
{
	struct fetch_options options = usual();
	struct gate *gate;
	struct fetch *fetch;

	options.nil_ns = 600000;
	fetch = reader_open_gate(&options, true, &gate);
	gate_let(gate, GATE_ALL, 0);
	fetch_pages_opened(fetch);
	wait_likely(fetch, 1);
	fetch_pages_closed(fetch);
	fetch_close(fetch);
}

/* The stream has its window under way, and goes on only as that arrives. */
static void check_window(bool has_fd)
{
	struct fetch_options options = usual();
	struct gate *gate;
	struct fetch *fetch = reader_open_gate(&options, has_fd, &gate);
	struct reader reader;

	gate_let(gate, 2, 0);
	look_twice(fetch);
	fetch_pages_opened(fetch);
	assert_true(gate_wait(gate, 2 + WINDOW_READS));
	assert_false(gate_read(gate, 2).urgent);
	reader_start(&reader, fetch, BASE_PAGE + 200, 8);
	assert_true(gate_wait(gate, 3 + WINDOW_READS)); /* that one alone */
	assert_int_equal(gate_nr(gate), 3 + WINDOW_READS);
	assert_true(gate_read(gate, 2 + WINDOW_READS).urgent);
	gate_let(gate, GATE_ALL, 0);
	reader_end(&reader, 0);
	wait_likely(fetch, READER_PRESENT_PAGES - 2 - 8);
	fetch_pages_closed(fetch);
	fetch_close(fetch);
}

static void a_window_is_under_way_and_demand_goes_first(void **state)
{
	reader_both_ways(check_window);
}

static void what_nobody_took_goes_with_the_last_user(void **state)
{
	struct gate *gate;
	struct fetch *fetch = open_full(&gate);
	unsigned nr_reads = gate_nr(gate);

	fetch_pages_opened(fetch);
	check_rest(fetch, 64);
	fetch_pages_closed(fetch);
	assert_int_equal(reader_stats(fetch).foreseen.dropped_pages, 0);
	fetch_pages_closed(fetch);
	wait_dropped(fetch, READER_PRESENT_PAGES - 64);
	/* Then it is read as any other page, with a new user too. */
	fetch_pages_opened(fetch);
	reader_check(fetch, BASE_PAGE + 64, 8);
	nap_long();
	assert_int_equal(gate_nr(gate), nr_reads + 1);
	fetch_pages_closed(fetch);
	fetch_close(fetch);
}

/* What a policy foresaw is held still, and in one table with the stream. */
static void all_ends_with_the_fetch(void **state)
{
	struct fetch_options options = usual();
	struct gate *gate;
	struct fetch *fetch;

	options.policy = &prefetch_next;
	options.prefetch_pages = 8;
	fetch = reader_open_gate(&options, true, &gate);
	gate_let(gate, GATE_ALL, 0);
	look_twice(fetch);
	fetch_pages_opened(fetch);
	wait_likely(fetch, 300);
	assert_true(reader_stats(fetch).prefetch_pages > 0);
	fetch_close(fetch);
}

/* A tool takes a copy and leaves the page. */
static void reads_of_tools_leave_pages_to_faults(void **state)
{
	char buf[16 * PAGE_BYTES];
	struct gate *gate;
	struct fetch *fetch = open_full(&gate);
	unsigned nr_reads = gate_nr(gate);

	assert_int_equal(fetch_read(fetch, SOURCE_MEMORY,
				    BASE + 16 * PAGE_BYTES, buf, sizeof(buf)),
			 0);
	assert_true(reader_pages_right(BASE_PAGE + 16, buf, 16));
	assert_int_equal(reader_stats(fetch).likely_used_pages, 0);
	reader_check(fetch, BASE_PAGE + 16, 16);
	assert_int_equal(reader_stats(fetch).likely_used_pages, 16);
	assert_int_equal(gate_nr(gate), nr_reads);
	fetch_pages_closed(fetch);
	fetch_close(fetch);
}

static void what_did_not_come_is_left_to_demand(void **state)
{
	struct fetch_options options = usual();
	struct gate *gate;
	struct fetch *fetch = reader_open_gate(&options, true, &gate);

	gate_let(gate, 2, 0);
	look_twice(fetch);
	fetch_pages_opened(fetch);
	assert_true(gate_wait(gate, 3));
	gate_let(gate, 1, -EREMOTEIO);
	gate_let(gate, GATE_ALL, 0);
	for (unsigned i = 0; i < 10000; i++, nap())
		if (reader_stats(fetch).foreseen.lost_pages)
			break;
	assert_true(reader_stats(fetch).foreseen.lost_pages > 0);
	check_from(fetch, 0, 1024);
	assert_int_equal(reader_stats(fetch).here_pages, READER_PRESENT_PAGES);
	fetch_close(fetch);
}

/* Single pages first, then the solid MiB: 200 pieces and 4.  What the image has
 * no more is between them. */
static struct workset_run known_runs[] = {{BASE_PAGE + 514, 6},
					  {BASE_PAGE + 100000, 64},
					  {BASE_PAGE + 520, 394},
					  {BASE_PAGE + 256, 250},
					  {BASE_PAGE, 256}};
static const struct workset known = {.nr = 5, .runs = known_runs};

static struct fetch *open_set(const struct workset *set, struct gate **ret_gate)
{
	struct fetch_options options = usual();
	struct fetch *fetch;

	options.known = set;
	options.supply_from_ns = 0;
	options.nil_ns = 1000; /* very near */
	fetch = reader_open_gate(&options, true, ret_gate);
	return fetch;
}

static struct fetch *open_known(struct gate **ret_gate)
{
	struct fetch *fetch = open_set(&known, ret_gate);

	gate_let(*ret_gate, GATE_ALL, 0);
	return fetch;
}

/* Before anybody has the pages open: as many as there are places for. */
static void what_is_known_is_there_in_time_and_once(void **state)
{
	struct gate *gate;
	struct fetch *fetch = open_known(&gate);

	wait_likely(fetch, KNOWN_PLACES);
	nap_long();
	assert_int_equal(reader_stats(fetch).likely_pages, KNOWN_PLACES);
	fetch_pages_opened(fetch);
	for (uint64_t page = 514; page < 914; page += 8) {
		uint64_t taken = (page - 514) / 2;
		/* Places are used again four at a time, and not while a
		 * fault still copies out of one. */
		uint64_t ahead = taken + KNOWN_PLACES - 8;

		wait_likely(fetch, ahead < 200 ? ahead : 200);
		reader_check(fetch, BASE_PAGE + page, 8);
	}
	wait_likely(fetch, READER_PRESENT_PAGES);
	check_from(fetch, 0, 256);
	assert_int_equal(reader_stats(fetch).read_bytes,
			 READER_PRESENT_PAGES * PAGE_BYTES);
	assert_int_equal(reader_stats(fetch).likely_used_pages,
			 READER_PRESENT_PAGES);
	for (unsigned i = 0; i < gate_nr(gate); i++)
		assert_false(gate_read(gate, i).urgent);
	fetch_pages_closed(fetch);
	fetch_close(fetch);
}

/* A child goes another way: what lies before where it is gives way. */
static void what_was_passed_gives_way(void **state)
{
	struct gate *gate;
	struct fetch *fetch = open_known(&gate);

	wait_likely(fetch, KNOWN_PLACES);
	fetch_pages_opened(fetch);
	/* Pieces 24 to 31; 16 before the last, and older, are passed. */
	for (uint64_t piece = 24; piece < KNOWN_PLACES; piece += 4)
		reader_check(fetch, BASE_PAGE + 514 + piece * 2, 8);
	for (unsigned i = 0; i < 10000; i++, nap())
		if (reader_stats(fetch).foreseen.dropped_pages >= 11)
			break;
	assert_in_range(reader_stats(fetch).foreseen.dropped_pages, 11, 15);
	wait_likely(fetch, KNOWN_PLACES + 4 + 11);
	check_from(fetch, 0, 1024);
	assert_int_equal(reader_stats(fetch).here_pages, READER_PRESENT_PAGES);
	fetch_pages_closed(fetch);
	fetch_close(fetch);
}

/* Not even one place is used up. */
static void of_each_place_a_part_is_enough(void **state)
{
	static struct workset_run runs[64];
	const struct workset set = {.nr = 64, .runs = runs};
	struct gate *gate;
	struct fetch *fetch;

	for (uint32_t i = 0; i < 64; i++)
		runs[i] = (struct workset_run){BASE_PAGE + 4ul * i, 4};
	fetch = open_set(&set, &gate);
	gate_let(gate, GATE_ALL, 0);
	fetch_pages_opened(fetch);
	wait_likely(fetch, 4ul * KNOWN_PLACES);
	for (uint64_t i = 0; i < 64; i++) {
		/* 16 places are passed, and four at a time are free again. */
		uint64_t ahead = i + KNOWN_PLACES / 2 - 4;

		wait_likely(fetch, 4 * (ahead < 64 ? ahead : 64));
		reader_check(fetch, BASE_PAGE + 4 * i, 1);
	}
	assert_int_equal(reader_stats(fetch).read_bytes, 256 * PAGE_BYTES);
	assert_int_equal(reader_stats(fetch).likely_used_pages, 64);
	fetch_pages_closed(fetch);
	fetch_close(fetch);
}

/* Over a long link, where else the first fault of an area brings more. */
static void nothing_else_comes_ahead_of_what_is_known(void **state)
{
	static struct workset_run runs[16];
	const struct workset set = {.nr = 16, .runs = runs};
	struct fetch_options options = usual();
	struct null_options far = {.delay_ns = 1000000};
	struct transport *transport = NULL;
	struct fetch *fetch = NULL;

	for (uint32_t i = 0; i < 16; i++)
		runs[i] = (struct workset_run){BASE_PAGE + 16ul * i, 4};
	options.known = &set;
	options.policy = &prefetch_auto;
	options.prefetch_pages = PREFETCH_PAGES_MAX;
	assert_int_equal(null_open(&far, &transport), 0);
	assert_int_equal(fetch_open(transport, &options, &fetch), 0);
	fetch_pages_opened(fetch);
	wait_likely(fetch, 64);
	for (uint64_t i = 0; i < 16; i++)
		reader_check(fetch, BASE_PAGE + 16 * i, 4);
	nap_long();
	assert_int_equal(reader_stats(fetch).read_bytes, 64 * PAGE_BYTES);
	assert_int_equal(reader_stats(fetch).likely_used_pages, 64);
	/* A child that goes its own way is followed as ever. */
	reader_check(fetch, BASE_PAGE + 100, 1);
	nap_long();
	assert_true(reader_stats(fetch).read_bytes > 80 * PAGE_BYTES);
	fetch_pages_closed(fetch);
	fetch_close(fetch);
}

static void an_image_that_is_gone_is_not_asked_for(void **state)
{
	struct gate *gate;
	struct fetch *fetch = open_set(&known, &gate);

	assert_true(gate_wait(gate, 1));
	gate_let(gate, GATE_ALL, -ESTALE);
	nap_long();
	assert_in_range(gate_nr(gate), 1, 2 * KNOWN_PLACES);
	assert_int_equal(reader_stats(fetch).likely_pages, 0);
	fetch_close(fetch);
}

static void nobody_ever_comes_for_what_is_known(void **state)
{
	struct gate *gate;
	struct fetch *fetch = open_known(&gate);

	wait_likely(fetch, 1);
	fetch_close(fetch);
	/* Who was there and is gone ends it. */
	fetch = open_known(&gate);
	wait_likely(fetch, KNOWN_PLACES);
	fetch_pages_opened(fetch);
	fetch_pages_closed(fetch);
	wait_dropped(fetch, KNOWN_PLACES);
	fetch_close(fetch);
}

static int reopen(void *arg, struct transport **ret)
{
	return null_open(arg, ret);
}

/* Threads read while users come and go, and connections break or do not. */
static void hammer(unsigned break_after)
{
	struct null_options faults = {
		.delay_ns = 20000, .reorder = 3, .break_after = break_after};
	struct fetch_options options = usual();
	struct transport *transport = NULL;
	struct fetch *fetch = NULL;

	options.policy = &prefetch_auto;
	options.prefetch_pages = 64;
	options.tries = 50;
	options.reopen = reopen;
	options.reopen_arg = &faults;
	assert_int_equal(null_open(&faults, &transport), 0);
	assert_int_equal(fetch_open(transport, &options, &fetch), 0);
	for (unsigned i = 0; i < 5; i++) {
		fetch_pages_opened(fetch);
		reader_hammer(fetch);
		fetch_pages_closed(fetch);
	}
	fetch_close(fetch);
}

static void many_threads_get_right_bytes(void **state)
{
	hammer(0);
	hammer(200);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_likely_comes_once),
		cmocka_unit_test(nothing_comes_where_it_is_not_wanted),
		cmocka_unit_test(what_is_known_to_be_far_is_streamed_at_once),
		cmocka_unit_test(a_window_is_under_way_and_demand_goes_first),
		cmocka_unit_test(what_nobody_took_goes_with_the_last_user),
		cmocka_unit_test(all_ends_with_the_fetch),
		cmocka_unit_test(reads_of_tools_leave_pages_to_faults),
		cmocka_unit_test(what_is_known_is_there_in_time_and_once),
		cmocka_unit_test(what_was_passed_gives_way),
		cmocka_unit_test(of_each_place_a_part_is_enough),
		cmocka_unit_test(nothing_else_comes_ahead_of_what_is_known),
		cmocka_unit_test(an_image_that_is_gone_is_not_asked_for),
		cmocka_unit_test(nobody_ever_comes_for_what_is_known),
		cmocka_unit_test(what_did_not_come_is_left_to_demand),
		cmocka_unit_test(many_threads_get_right_bytes),
	};

	reader_setup();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
