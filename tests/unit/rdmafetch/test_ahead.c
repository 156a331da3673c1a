/* SPDX-License-Identifier: MIT */
/* test_ahead.c - what reaches the sink, and demand never waits for it */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "common/page.h"
#include "common/source.h"
#include "rdmafetch/fetch.h"
#include "rdmafetch/null.h"
#include "tests/contract/gate.h"
#include "tests/unit/rdmafetch/reader.h"

#define SPAN 1024u /* pages from BASE_PAGE on that a sink counts */

/* A sink that counts pages, checks bytes, and may be held up. */
struct sink {
	pthread_mutex_t lock;
	pthread_cond_t change;
	unsigned times[SPAN];
	unsigned nr_pages, nr_inside, nr_calls;
	bool wrong, held_up;
	int result;
};

static void sink_init(struct sink *sink)
{
	memset(sink, 0, sizeof(*sink));
	(void)pthread_mutex_init(&sink->lock, NULL);
	(void)pthread_cond_init(&sink->change, NULL);
}

static int sink_pages(void *arg, uint64_t first_page, uint64_t nr_pages,
		      const void *buf)
{
	struct sink *sink = arg;

	(void)pthread_mutex_lock(&sink->lock);
	sink->nr_inside++;
	sink->nr_calls++;
	(void)pthread_cond_broadcast(&sink->change);
	while (sink->held_up)
		(void)pthread_cond_wait(&sink->change, &sink->lock);
	sink->nr_inside--;
	sink->nr_pages += (unsigned)nr_pages;
	sink->wrong |= !reader_pages_right(first_page, buf, nr_pages);
	for (uint64_t i = 0; i < nr_pages; i++) {
		sink->times[first_page + i - BASE_PAGE]++;
		sink->wrong |= !reader_page_present(first_page + i);
	}
	(void)pthread_cond_broadcast(&sink->change);
	(void)pthread_mutex_unlock(&sink->lock);
	return sink->result;
}

static void sink_hold(struct sink *sink, bool held_up)
{
	(void)pthread_mutex_lock(&sink->lock);
	sink->held_up = held_up;
	(void)pthread_cond_broadcast(&sink->change);
	(void)pthread_mutex_unlock(&sink->lock);
}

/* Wait for @nr_pages in all, or (inside) for a call; false after 10 s. */
static bool sink_wait(struct sink *sink, unsigned nr_pages, bool inside)
{
	struct timespec until;
	bool done;
	int err = 0;

	(void)clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 10;
	(void)pthread_mutex_lock(&sink->lock);
	for (;;) {
		done = inside ? sink->nr_inside > 0
			      : sink->nr_pages >= nr_pages;
		if (done || err)
			break;
		err = pthread_cond_timedwait(&sink->change, &sink->lock,
					     &until);
	}
	(void)pthread_mutex_unlock(&sink->lock);
	return done;
}

/* ---- rigs ---- */

static struct sink sink;

static struct fetch_options usual(void)
{
	sink_init(&sink);
	return (struct fetch_options){
		.image = &reader_image,
		.timeout_ms = 10000,
		.tries = 3,
		.sink = sink_pages,
		.sink_arg = &sink,
	};
}

/* ---- what reaches the sink ---- */

static void check_eager(bool has_fd)
{
	struct fetch_options options = usual();
	struct gate *gate;
	struct fetch *fetch = reader_open_gate(&options, has_fd, &gate);

	gate_let(gate, GATE_ALL, 0);
	assert_int_equal(fetch_ahead(fetch, BASE_PAGE - 100, 10000), 0);
	assert_true(sink_wait(&sink, READER_PRESENT_PAGES, false));
	fetch_close(fetch);
	assert_int_equal(sink.nr_pages, READER_PRESENT_PAGES);
	assert_false(sink.wrong);
	for (unsigned i = 0; i < SPAN; i++)
		assert_int_equal(sink.times[i],
				 reader_page_present(BASE_PAGE + i));
}

static void eager_brings_each_present_page_once(void **state)
{
	reader_both_ways(check_eager);
}

/* What is beside each other, and came in pieces, goes into the sink at once. */
static void check_neighbours(bool has_fd)
{
	struct fetch_options options = usual();
	struct gate *gate;
	struct fetch *fetch = reader_open_gate(&options, has_fd, &gate);

	assert_int_equal(fetch_ahead(fetch, BASE_PAGE + 10, 246), 0);
	assert_true(gate_wait(gate, 4));
	gate_let(gate, GATE_ALL, 0);
	assert_true(fetch_wait_ahead(fetch, 10000));
	fetch_close(fetch);
	assert_int_equal(sink.nr_calls, 1);
	assert_int_equal(sink.nr_pages, 246);
	assert_false(sink.wrong);
}

static void neighbours_go_into_the_sink_together(void **state)
{
	reader_both_ways(check_neighbours);
}

/* On one CPU one thread does it all. */
static void one_thread_does_it_all_on_one_cpu(void **state)
{
	cpu_set_t all, one;

	CPU_ZERO(&one);
	assert_int_equal(sched_getaffinity(0, sizeof(all), &all), 0);
	CPU_SET(sched_getcpu(), &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
	check_eager(true);
	check_neighbours(true);
	assert_int_equal(sched_setaffinity(0, sizeof(all), &all), 0);
}

static void check_demanded(bool has_fd)
{
	struct fetch_options options = usual();
	struct gate *gate;
	struct fetch *fetch;

	options.policy = &prefetch_off; /* the thread starts all the same */
	fetch = reader_open_gate(&options, has_fd, &gate);
	gate_let(gate, GATE_ALL, 0);
	assert_int_equal(fetch_ahead(fetch, BASE_PAGE + 300, 1),
			 0); /* a hole */
	reader_check(fetch, BASE_PAGE + 10, 20);
	assert_int_equal(fetch_ahead(fetch, BASE_PAGE, 40), 0);
	assert_true(sink_wait(&sink, 20, false));
	fetch_close(fetch);
	for (unsigned i = 0; i < SPAN; i++)
		assert_int_equal(sink.times[i], i < 10 || (i >= 30 && i < 40));
}

static void demanded_pages_are_not_prefetched(void **state)
{
	reader_both_ways(check_demanded);
}

static void pages_under_way_are_not_prefetched(void **state)
{
	struct fetch_options options = usual();
	struct gate *gate;
	struct fetch *fetch = reader_open_gate(&options, true, &gate);
	struct reader reader;

	reader_start(&reader, fetch, BASE_PAGE + 10, 10);
	assert_true(gate_wait(gate, 1));
	assert_int_equal(fetch_ahead(fetch, BASE_PAGE, 30), 0);
	assert_true(gate_wait(gate, 3));
	assert_int_equal(gate_read(gate, 1).raddr, BASE);
	assert_int_equal(gate_read(gate, 1).len_bytes, 10 * PAGE_BYTES);
	assert_int_equal(gate_read(gate, 2).raddr, BASE + 20 * PAGE_BYTES);
	assert_int_equal(gate_read(gate, 2).len_bytes, 10 * PAGE_BYTES);
	assert_true(gate_read(gate, 0).urgent);
	assert_false(gate_read(gate, 1).urgent);
	gate_let(gate, GATE_ALL, 0);
	reader_end(&reader, 0);
	assert_true(sink_wait(&sink, 20, false));
	fetch_close(fetch);
	assert_false(sink.wrong);
}

/* The caller has them, and asks once; a tool's copy is not kept by anybody. */
static void check_spared(bool spares, bool is_fault)
{
	char page[8 * PAGE_BYTES];
	struct fetch_options options = usual();
	struct reader reader;
	struct fetch *fetch;
	struct gate *gate;
	unsigned left = spares && is_fault ? 120 : 128;

	options.sink_spares_taken = spares;
	fetch = reader_open_gate(&options, true, &gate);
	assert_int_equal(fetch_ahead(fetch, BASE_PAGE, 128), 0);
	assert_true(gate_wait(gate, 2));
	if (is_fault)
		reader_start(&reader, fetch, BASE_PAGE + 10, 8);
	else
		gate_let(gate, GATE_ALL, 0);
	while (is_fault && reader_stats(fetch).shared_pages < 8)
		(void)sched_yield();
	gate_let(gate, GATE_ALL, 0);
	if (is_fault)
		reader_end(&reader, 0);
	else
		assert_int_equal(fetch_read(fetch, SOURCE_MEMORY, BASE, page,
					    sizeof(page)),
				 0);
	assert_true(fetch_wait_ahead(fetch, 10000));
	fetch_close(fetch);
	assert_false(sink.wrong);
	assert_int_equal(sink.nr_pages, left);
	for (unsigned i = 0; i < 128; i++)
		assert_int_equal(sink.times[i],
				 left == 128 || i < 10 || i >= 18);
}

static void what_a_fault_has_taken_is_not_for_the_sink(void **state)
{
	check_spared(true, true);
	check_spared(true, false);
	check_spared(false, true);
}

static void counters_tell_prefetch_from_demand(void **state)
{
	struct fetch_options options = usual();
	struct gate *gate;
	struct fetch *fetch = reader_open_gate(&options, true, &gate);
	struct fetch_stats stats;

	gate_let(gate, GATE_ALL, 0);
	assert_int_equal(fetch_ahead(fetch, BASE_PAGE, 128), 0);
	assert_true(fetch_wait_ahead(fetch, 10000));
	reader_check(fetch, BASE_PAGE + 200, 2);
	stats = reader_stats(fetch);
	assert_int_equal(stats.prefetch_reads, 2);
	assert_int_equal(stats.prefetch_pages, 128);
	assert_int_equal(stats.demand_reads, 1);
	assert_int_equal(stats.demand_pages, 2);
	assert_int_equal(stats.read_bytes, 130 * PAGE_BYTES);
	fetch_close(fetch);
}

static void expect_foreseen(struct fetch *fetch, struct foreseen_stats want)
{
	struct foreseen_stats got = reader_stats(fetch).foreseen;

	assert_int_equal(got.joined_pages, want.joined_pages);
	assert_int_equal(got.passed_pages, want.passed_pages);
	assert_int_equal(got.again_pages, want.again_pages);
	assert_int_equal(got.lost_pages, want.lost_pages);
}

static void pages_that_are_demanded_again_are_waste(void **state)
{
	struct fetch_options options = usual();
	struct gate *gate;
	struct fetch *fetch = reader_open_gate(&options, true, &gate);

	gate_let(gate, GATE_ALL, 0);
	assert_int_equal(fetch_ahead(fetch, BASE_PAGE, 64), 0);
	assert_true(sink_wait(&sink, 64, false));
	/* The slot may still hold them: then the first read joins it. */
	reader_check(fetch, BASE_PAGE + 10, 2);
	reader_check(fetch, BASE_PAGE + 10, 2);
	assert_int_equal(reader_stats(fetch).foreseen.again_pages +
				 reader_stats(fetch).foreseen.joined_pages,
			 2);
	fetch_close(fetch);
}

static void times_are_counted_once_each(void **state)
{
	struct fetch_options options = usual();
	struct gate *gate;
	struct fetch *fetch = reader_open_gate(&options, true, &gate);
	struct fetch_stats stats;

	gate_let(gate, GATE_ALL, 0);
	reader_check(fetch, BASE_PAGE, 2);
	reader_check(fetch, BASE_PAGE + 64, 1);
	stats = reader_stats(fetch);
	assert_int_equal(timing_total(&stats.read_took), 2);
	assert_true(stats.read_took.sum_ns > 0);
	fetch_close(fetch);
}

/* ---- demand meets prefetch ---- */

static void check_join(bool has_fd)
{
	struct fetch_options options = usual();
	struct gate *gate;
	struct fetch *fetch = reader_open_gate(&options, has_fd, &gate);
	struct reader reader;

	assert_int_equal(fetch_ahead(fetch, BASE_PAGE, 64), 0);
	assert_true(gate_wait(gate, 1));
	reader_start(&reader, fetch, BASE_PAGE + 5, 4);
	assert_true(reader_wait_shared(fetch, 4));
	gate_let(gate, GATE_ALL, 0);
	reader_end(&reader, 0);
	assert_true(sink_wait(&sink, 64, false));
	assert_int_equal(gate_nr(gate), 1);
	expect_foreseen(fetch, (struct foreseen_stats){.joined_pages = 4});
	assert_int_equal(reader_waits(fetch, LATENCY_JOINED), 1);
	fetch_close(fetch);
}

static void a_demand_joins_a_prefetch_under_way(void **state)
{
	reader_both_ways(check_join);
}

/*
 * The sink waits for a page lock that belongs to a demand read: a demand read
 * of the very pages in the sink must be answered meanwhile, and so must one of
 * pages whose prefetch arrives while nobody but the sink's thread owns it.
 */
static void check_held_up(bool has_fd)
{
	struct fetch_options options = usual();
	struct gate *gate;
	struct fetch *fetch = reader_open_gate(&options, has_fd, &gate);
	struct reader reader;

	sink_hold(&sink, true);
	/* single pages, of which 16 go into the sink together */
	assert_int_equal(fetch_ahead(fetch, BASE_PAGE + 514, 64), 0);
	assert_true(gate_wait(gate, 32));
	gate_let(gate, 16, 0);
	assert_true(sink_wait(&sink, 0, true));

	reader_check(fetch, BASE_PAGE + 516, 1); /* in the sink */
	assert_int_equal(gate_nr(gate), 32);
	assert_int_equal(reader_waits(fetch, LATENCY_HERE), 1);

	reader_start(&reader, fetch, BASE_PAGE + 546, 1); /* under way */
	assert_true(reader_wait_shared(fetch, 2));
	gate_let(gate, 1, 0);
	reader_end(&reader, 0);
	reader_check(fetch, BASE_PAGE + 546, 1); /* arrived, still in line */
	assert_int_equal(gate_nr(gate), 32);

	gate_let(gate, GATE_ALL, 0);
	reader_check(fetch, BASE_PAGE + 200, 3); /* in no prefetch */
	sink_hold(&sink, false);
	assert_true(sink_wait(&sink, 32, false));
	fetch_close(fetch);
	assert_false(sink.wrong);
}

static void demand_never_waits_for_the_sink(void **state)
{
	reader_both_ways(check_held_up);
}

static void eager_is_over_when_all_is_in_the_sink(void **state)
{
	struct fetch_options options = usual();
	struct gate *gate;
	struct fetch *fetch = reader_open_gate(&options, true, &gate);

	assert_true(fetch_wait_ahead(fetch, 0)); /* nothing was asked for */
	assert_int_equal(fetch_ahead(fetch, BASE_PAGE, 10000), 0);
	assert_false(fetch_wait_ahead(fetch, 20));
	gate_let(gate, GATE_ALL, 0);
	assert_true(fetch_wait_ahead(fetch, 10000));
	assert_int_equal(sink.nr_pages, READER_PRESENT_PAGES);
	assert_int_equal(reader_stats(fetch).here_pages, READER_PRESENT_PAGES);
	fetch_close(fetch);
}

/* ---- limits and failures ---- */

static void what_the_sink_refuses_is_not_here(void **state)
{
	struct fetch_options options = usual();
	struct gate *gate;
	struct fetch *fetch = reader_open_gate(&options, true, &gate);

	sink.result = -ENOENT;
	gate_let(gate, GATE_ALL, 0);
	assert_int_equal(fetch_ahead(fetch, BASE_PAGE, 10000), 0);
	assert_true(fetch_wait_ahead(fetch, 10000));
	assert_int_equal(reader_stats(fetch).here_pages, 0);
	assert_int_equal(reader_stats(fetch).prefetch_pages, 0);
	sink.result = 0;
	assert_int_equal(fetch_ahead(fetch, BASE_PAGE, 10000), 0);
	assert_true(fetch_wait_ahead(fetch, 10000));
	assert_int_equal(reader_stats(fetch).here_pages, READER_PRESENT_PAGES);
	fetch_close(fetch);
}

static void ahead_without_a_sink_is_eopnotsupp(void **state)
{
	struct fetch_options options = usual();
	struct gate *gate;
	struct fetch *fetch;

	options.sink = NULL;
	options.policy = &prefetch_next;
	options.prefetch_pages = 8;
	fetch = reader_open_gate(&options, true, &gate);
	gate_let(gate, GATE_ALL, 0);
	assert_int_equal(fetch_ahead(fetch, BASE_PAGE, 1), -EOPNOTSUPP);
	reader_check(fetch, BASE_PAGE, 1);
	fetch_close(fetch);
}

static void a_full_queue_is_eagain_and_drains(void **state)
{
	struct fetch_options options = usual();
	struct gate *gate;
	struct fetch *fetch = reader_open_gate(&options, true, &gate);
	int err = 0;

	for (unsigned i = 0; i < 1000 && !err; i++)
		err = fetch_ahead(fetch, BASE_PAGE + i % 256, 1);
	assert_int_equal(err, -EAGAIN);
	gate_let(gate, GATE_ALL, 0);
	assert_true(sink_wait(&sink, 64, false));
	fetch_close(fetch);
	assert_false(sink.wrong);
}

/* A page that could not be prefetched is neither lost nor called here. */
static void a_failed_prefetch_is_left_to_demand(void **state)
{
	struct fetch_options options = usual();
	struct gate *gate;
	struct fetch *fetch = reader_open_gate(&options, true, &gate);

	gate_let(gate, 1, -EREMOTEIO);
	gate_let(gate, GATE_ALL, 0);
	assert_int_equal(fetch_ahead(fetch, BASE_PAGE, 64), 0);
	assert_int_equal(fetch_ahead(fetch, BASE_PAGE + 64, 64), 0);
	assert_true(sink_wait(&sink, 64, false));
	reader_check(fetch, BASE_PAGE, 1);
	assert_int_equal(fetch_ahead(fetch, BASE_PAGE, 64), 0);
	assert_true(sink_wait(&sink, 64 + 63, false));
	fetch_close(fetch);
	assert_int_equal(sink.times[0], 0);
	assert_int_equal(sink.times[1], 1);
}

static int reopen(void *arg, struct transport **ret)
{
	struct null_options *options = arg;

	return null_open(options, ret);
}

static void eager_goes_on_after_a_break(void **state)
{
	struct fetch_options options = usual();
	struct null_options second = {0};
	struct gate *gate;
	struct fetch *fetch;

	options.reopen = reopen;
	options.reopen_arg = &second;
	fetch = reader_open_gate(&options, true, &gate);
	gate_let(gate, 1, -EIO);
	assert_int_equal(fetch_ahead(fetch, BASE_PAGE, 256), 0);
	assert_true(sink_wait(&sink, 256, false));
	fetch_close(fetch);
	assert_false(sink.wrong);
	for (unsigned i = 0; i < 256; i++)
		assert_int_equal(sink.times[i], 1);
}

static void close_does_not_wait_for_a_silent_far_end(void **state)
{
	struct fetch_options options = usual();
	struct gate *gate;
	struct fetch *fetch;

	options.timeout_ms = 20;
	fetch = reader_open_gate(&options, true, &gate);
	assert_int_equal(fetch_ahead(fetch, BASE_PAGE, 256), 0);
	assert_true(gate_wait(gate, 4));
	fetch_close(fetch);
	assert_int_equal(sink.nr_pages, 0);
}

static void demand_and_eager_together_get_right_bytes(void **state)
{
	struct null_options faults = {.delay_ns = 20000, .reorder = 3};
	struct fetch_options options = usual();
	struct transport *transport = NULL;
	struct fetch *fetch = NULL;

	options.policy = &prefetch_seq;
	options.prefetch_pages = 32;
	assert_int_equal(null_open(&faults, &transport), 0);
	assert_int_equal(fetch_open(transport, &options, &fetch), 0);
	assert_int_equal(fetch_ahead(fetch, BASE_PAGE + 500, 1000), 0);
	reader_hammer(fetch);
	fetch_close(fetch);
	assert_false(sink.wrong);
}

/* Connections that break again and again, under demand and prefetch. */
static void demand_and_eager_survive_breaks(void **state)
{
	struct null_options faults = {
		.delay_ns = 20000, .reorder = 3, .break_after = 200};
	struct fetch_options options = usual();
	struct transport *transport = NULL;
	struct fetch *fetch = NULL;

	options.policy = &prefetch_seq;
	options.prefetch_pages = 32;
	options.tries = 50;
	options.reopen = reopen;
	options.reopen_arg = &faults;
	assert_int_equal(null_open(&faults, &transport), 0);
	assert_int_equal(fetch_open(transport, &options, &fetch), 0);
	assert_int_equal(fetch_ahead(fetch, BASE_PAGE, 1000), 0);
	reader_hammer(fetch);
	assert_true(reader_stats(fetch).reconnects > 0);
	fetch_close(fetch);
	assert_false(sink.wrong);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(eager_brings_each_present_page_once),
		cmocka_unit_test(neighbours_go_into_the_sink_together),
		cmocka_unit_test(one_thread_does_it_all_on_one_cpu),
		cmocka_unit_test(demanded_pages_are_not_prefetched),
		cmocka_unit_test(pages_under_way_are_not_prefetched),
		cmocka_unit_test(what_a_fault_has_taken_is_not_for_the_sink),
		cmocka_unit_test(counters_tell_prefetch_from_demand),
		cmocka_unit_test(pages_that_are_demanded_again_are_waste),
		cmocka_unit_test(times_are_counted_once_each),
		cmocka_unit_test(a_demand_joins_a_prefetch_under_way),
		cmocka_unit_test(demand_never_waits_for_the_sink),
		cmocka_unit_test(eager_is_over_when_all_is_in_the_sink),
		cmocka_unit_test(what_the_sink_refuses_is_not_here),
		cmocka_unit_test(ahead_without_a_sink_is_eopnotsupp),
		cmocka_unit_test(a_full_queue_is_eagain_and_drains),
		cmocka_unit_test(a_failed_prefetch_is_left_to_demand),
		cmocka_unit_test(eager_goes_on_after_a_break),
		cmocka_unit_test(close_does_not_wait_for_a_silent_far_end),
		cmocka_unit_test(demand_and_eager_together_get_right_bytes),
		cmocka_unit_test(demand_and_eager_survive_breaks),
	};

	reader_setup();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
