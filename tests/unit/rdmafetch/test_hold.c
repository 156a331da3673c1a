/* SPDX-License-Identifier: MIT */
/*
 * test_hold.c - what a policy foresees: brought with the fault, kept until it
 * is asked for, and no more often than once
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/page.h"
#include "common/source.h"
#include "rdmafetch/fetch.h"
#include "rdmafetch/null.h"
#include "tests/contract/gate.h"
#include "tests/unit/rdmafetch/reader.h"

#define POOL_PAGES 32u /* where it should be full soon */

static struct fetch_options usual(const struct prefetch_policy *policy,
				  uint32_t pages)
{
	return (struct fetch_options){
		.image = &reader_image,
		.policy = policy,
		.prefetch_pages = pages,
		.timeout_ms = 10000,
		.tries = 3,
	};
}

/* The @at-th read is of @nr_pages from @page on, and waited for or not. */
static void expect_read(struct gate *gate, unsigned at, uint64_t page,
			uint64_t nr_pages, bool urgent)
{
	struct transport_read read = gate_read(gate, at);

	assert_int_equal(read.raddr, (BASE_PAGE + page) << PAGE_SHIFT);
	assert_int_equal(read.len_bytes, nr_pages << PAGE_SHIFT);
	assert_int_equal(read.urgent, urgent);
}

/* Wait until what was foreseen has arrived, @nr_pages in all. */
static void wait_foreseen(struct fetch *fetch, struct gate *gate,
			  uint64_t nr_pages)
{
	for (unsigned i = 0; i < 10000; i++) {
		const struct timespec ms = {.tv_nsec = 1000000};

		/* Any read counts what has ended. */
		reader_check(fetch, BASE_PAGE + 300, 1); /* a hole */
		reader_check(fetch, BASE_PAGE + 255, 1);
		if (reader_stats(fetch).prefetch_pages >= nr_pages)
			return;
		(void)nanosleep(&ms, NULL);
	}
	fail_msg("%lu pages came of %lu",
		 (unsigned long)reader_stats(fetch).prefetch_pages,
		 (unsigned long)nr_pages);
}

static void check_held(bool has_fd)
{
	struct fetch_options options = usual(&prefetch_next, 8);
	struct gate *gate;
	struct fetch *fetch = reader_open_gate(&options, has_fd, &gate);

	gate_let(gate, GATE_ALL, 0);
	reader_check(fetch, BASE_PAGE + 10, 2);
	assert_true(gate_wait(gate, 2));
	expect_read(gate, 0, 10, 2, true);
	expect_read(gate, 1, 12, 8, false);
	reader_check(fetch, BASE_PAGE + 12, 8);
	assert_true(gate_wait(gate, 3));
	assert_int_equal(gate_nr(gate), 3);
	expect_read(gate, 2, 20, 8, false);
	assert_int_equal(reader_stats(fetch).foreseen.joined_pages, 8);
	fetch_close(fetch);
}

static void what_was_foreseen_is_not_read_again(void **state)
{
	reader_both_ways(check_held);
}

/* The read is sent together with the fault's own, and behind it. */
static void check_join(bool has_fd)
{
	struct fetch_options options = usual(&prefetch_next, 8);
	struct gate *gate;
	struct fetch *fetch = reader_open_gate(&options, has_fd, &gate);
	struct reader first, second;

	reader_start(&first, fetch, BASE_PAGE, 1);
	assert_true(gate_wait(gate, 2));
	reader_start(&second, fetch, BASE_PAGE + 3, 4);
	assert_true(reader_wait_shared(fetch, 4));
	gate_let(gate, GATE_ALL, 0);
	reader_end(&first, 0);
	reader_end(&second, 0);
	assert_int_equal(reader_stats(fetch).foreseen.joined_pages, 4);
	fetch_close(fetch);
}

static void a_demand_joins_what_is_foreseen(void **state)
{
	reader_both_ways(check_join);
}

/* A fault does not wait for what is foreseen behind it. */
static void check_does_not_wait(bool has_fd)
{
	struct fetch_options options = usual(&prefetch_next, 8);
	struct gate *gate;
	struct fetch *fetch = reader_open_gate(&options, has_fd, &gate);

	gate_let(gate, 1, 0);
	reader_check(fetch, BASE_PAGE, 1);
	assert_int_equal(reader_stats(fetch).prefetch_pages, 0);
	gate_let(gate, GATE_ALL, 0);
	fetch_close(fetch);
}

static void a_fault_does_not_wait_for_what_is_foreseen(void **state)
{
	reader_both_ways(check_does_not_wait);
}

/* Nothing is foreseen where the image has nothing, nor what is here. */
static void holes_and_what_is_here_are_not_foreseen(void **state)
{
	struct fetch_options options = usual(&prefetch_next, 8);
	struct gate *gate;
	struct fetch *fetch = reader_open_gate(&options, true, &gate);

	gate_let(gate, GATE_ALL, 0);
	reader_check(fetch, BASE_PAGE + 252, 4);
	reader_check(fetch, BASE_PAGE + 246, 4);
	assert_true(gate_wait(gate, 3));
	assert_int_equal(gate_nr(gate), 3); /* a hole is behind page 255 */
	expect_read(gate, 2, 250, 2, false);
	fetch_close(fetch);
}

/* The oldest slot gives way; then its page is read like any other. */
static void what_nobody_wants_gives_way(void **state)
{
	struct fetch_options options = usual(&prefetch_next, 1);
	struct gate *gate;
	struct fetch *fetch;
	unsigned before;

	options.hold_pages = POOL_PAGES;
	fetch = reader_open_gate(&options, true, &gate);
	gate_let(gate, GATE_ALL, 0);
	for (uint64_t i = 0; i < POOL_PAGES + 8; i++) {
		reader_check(fetch, BASE_PAGE + 4 * i, 1);
		wait_foreseen(fetch, gate, i + 1);
	}
	assert_int_equal(reader_stats(fetch).foreseen.dropped_pages, 8);
	before = gate_nr(gate);
	reader_check(fetch, BASE_PAGE + 4 * 7 + 1, 1);
	expect_read(gate, before, 4 * 7 + 1, 1, true);
	before = gate_nr(gate);
	/* The last is still there: what is read is what that foresees. */
	reader_check(fetch, BASE_PAGE + 4 * (POOL_PAGES + 7) + 1, 1);
	assert_int_equal(gate_nr(gate), before + 1);
	expect_read(gate, before, 4 * (POOL_PAGES + 7) + 2, 1, false);
	fetch_close(fetch);
}

static void what_could_not_be_foreseen_is_left_to_demand(void **state)
{
	struct fetch_options options = usual(&prefetch_next, 8);
	struct gate *gate;
	struct fetch *fetch = reader_open_gate(&options, true, &gate);

	gate_let(gate, 1, 0);
	reader_check(fetch, BASE_PAGE, 1);
	gate_let(gate, 1, -EREMOTEIO);
	gate_let(gate, GATE_ALL, 0);
	wait_foreseen(fetch, gate, 0);
	while (!reader_stats(fetch).foreseen.lost_pages)
		wait_foreseen(fetch, gate, 0);
	assert_int_equal(reader_stats(fetch).foreseen.lost_pages, 8);
	reader_check(fetch, BASE_PAGE + 1, 8);
	fetch_close(fetch);
}

/* Read as a tool does, and check every byte. */
static void read_as_tool(struct fetch *fetch, uint64_t page, uint64_t nr_pages)
{
	char buf[16 * PAGE_BYTES];

	assert_int_equal(fetch_read(fetch, SOURCE_MEMORY, page << PAGE_SHIFT,
				    buf, nr_pages << PAGE_SHIFT),
			 0);
	assert_true(reader_pages_right(page, buf, nr_pages));
}

/* What other files of the mount were read for is not here. */
static void reads_that_are_no_faults_foresee_too(void **state)
{
	struct fetch_options options = usual(&prefetch_next, 8);
	struct gate *gate;
	struct fetch *fetch = reader_open_gate(&options, true, &gate);

	gate_let(gate, GATE_ALL, 0);
	read_as_tool(fetch, BASE_PAGE, 2);
	read_as_tool(fetch, BASE_PAGE + 2, 8);
	assert_true(gate_wait(gate, 3));
	expect_read(gate, 1, 2, 8, false);
	expect_read(gate, 2, 10, 8, false);
	assert_int_equal(reader_stats(fetch).foreseen.joined_pages, 8);
	assert_int_equal(reader_stats(fetch).here_pages, 0);
	assert_int_equal(reader_stats(fetch).faulted_pages, 0);
	fetch_close(fetch);
}

static void without_a_policy_reads_foresee_nothing(void **state)
{
	struct fetch_options options = usual(&prefetch_off, 8);
	struct gate *gate;
	struct fetch *fetch = reader_open_gate(&options, true, &gate);

	gate_let(gate, GATE_ALL, 0);
	for (uint64_t page = 0; page < 16; page += 2)
		read_as_tool(fetch, BASE_PAGE + page, 2);
	assert_int_equal(gate_nr(gate), 8);
	fetch_close(fetch);
}

/* Two reads of a tool may come in either order. */
static void what_a_tool_was_given_is_not_foreseen(void **state)
{
	struct fetch_options options = usual(&prefetch_next, 8);
	struct gate *gate;
	struct fetch *fetch = reader_open_gate(&options, true, &gate);

	gate_let(gate, GATE_ALL, 0);
	read_as_tool(fetch, BASE_PAGE + 2, 2);
	assert_true(gate_wait(gate, 2));
	read_as_tool(fetch, BASE_PAGE, 2);
	assert_int_equal(gate_nr(gate), 3);
	expect_read(gate, 2, 0, 2, true);
	fetch_close(fetch);
}

/* How many pages of memory the foreseen reads of @gate from @first on span. */
static uint64_t span_pages(struct gate *gate, unsigned first)
{
	uintptr_t low = UINTPTR_MAX, high = 0;

	for (unsigned i = first; i < gate_nr(gate); i++) {
		struct transport_read read = gate_read(gate, i);
		uintptr_t at = (uintptr_t)read.buf;

		if (read.urgent)
			continue;
		if (at < low)
			low = at;
		if (at + read.len_bytes > high)
			high = at + read.len_bytes;
	}
	return low < high ? (high - low) >> PAGE_SHIFT : 0;
}

/* Memory that was touched before costs no page fault. */
static void who_uses_all_has_the_same_memory_again(void **state)
{
	struct fetch_options options = usual(&prefetch_next, 8);
	struct gate *gate;
	struct fetch *fetch = reader_open_gate(&options, true, &gate);

	gate_let(gate, GATE_ALL, 0);
	for (unsigned turn = 0; turn < 4; turn++)
		for (uint64_t page = 0; page + 8 <= 240; page += 8)
			read_as_tool(fetch, BASE_PAGE + page, 8);
	assert_in_range(reader_stats(fetch).foreseen.joined_pages, 200, 1000);
	assert_int_equal(reader_stats(fetch).foreseen.dropped_pages, 0);
	assert_in_range(span_pages(gate, 0), 1, 64);
	fetch_close(fetch);
}

/* What nobody has used yet keeps its memory, however that lies. */
static void what_is_used_later_has_memory_of_its_own(void **state)
{
	struct fetch_options options = usual(&prefetch_next, 2);
	struct gate *gate;
	struct fetch *fetch;
	unsigned before;

	options.hold_pages = 170;
	fetch = reader_open_gate(&options, true, &gate);
	gate_let(gate, GATE_ALL, 0);
	for (uint64_t page = 0; page < 90; page += 2)
		read_as_tool(fetch, BASE_PAGE + page, 2);
	for (uint64_t page = 0; page < 240; page += 3)
		reader_check(fetch, BASE_PAGE + page, 1);
	before = gate_nr(gate);
	for (uint64_t page = 0; page < 240; page += 3)
		reader_check(fetch, BASE_PAGE + page + 1, 2);
	assert_int_equal(reader_stats(fetch).foreseen.dropped_pages, 0);
	while (before < gate_nr(gate))
		assert_false(gate_read(gate, before++).urgent);
	assert_in_range(span_pages(gate, 0), 160, 170);
	fetch_close(fetch);
}

/* Then the kernel has dropped it, or it is another file's: as the first time.
 */
static void what_is_asked_for_again_is_foreseen_again(void **state)
{
	struct fetch_options options = usual(&prefetch_next, 8);
	struct gate *gate;
	struct fetch *fetch = reader_open_gate(&options, true, &gate);

	gate_let(gate, GATE_ALL, 0);
	read_as_tool(fetch, BASE_PAGE + 246, 2);
	read_as_tool(fetch, BASE_PAGE + 248, 8);
	assert_true(gate_wait(gate, 2));
	read_as_tool(fetch, BASE_PAGE + 246, 2);
	assert_true(gate_wait(gate, 4));
	expect_read(gate, 2, 246, 2, true);
	expect_read(gate, 3, 248, 8, false);
	fetch_close(fetch);
}

/* The kernel has pages of faults for one file, and none for the others. */
static void what_is_here_by_faults_is_foreseen_for_a_tool(void **state)
{
	struct fetch_options options = usual(&prefetch_next, 8);
	struct gate *gate;
	struct fetch *fetch = reader_open_gate(&options, true, &gate);

	gate_let(gate, GATE_ALL, 0);
	reader_check(fetch, BASE_PAGE + 246, 2);
	reader_check(fetch, BASE_PAGE + 248, 8);
	read_as_tool(fetch, BASE_PAGE + 246, 2);
	assert_true(gate_wait(gate, 4));
	expect_read(gate, 3, 248, 8, false);
	read_as_tool(fetch, BASE_PAGE + 248, 8);
	assert_int_equal(gate_nr(gate), 4);
	assert_int_equal(reader_stats(fetch).here_pages, 10);
	fetch_close(fetch);
}

static bool is_inside(const void *at, const void *buf, size_t len_bytes)
{
	return (uintptr_t)at - (uintptr_t)buf < len_bytes;
}

/* What lies here is lent, what is brought is in the buffer. */
static void what_is_held_is_lent(void **state)
{
	struct fetch_options options = usual(&prefetch_next, 8);
	char buf[10 * PAGE_BYTES];
	const struct piece wanted = {BASE + 10 * PAGE_BYTES, sizeof(buf), buf};
	struct gate *gate;
	struct fetch *fetch = reader_open_gate(&options, true, &gate);
	struct loan loan;

	gate_let(gate, GATE_ALL, 0);
	reader_check(fetch, BASE_PAGE + 11, 1);
	wait_foreseen(fetch, gate, 8);
	assert_int_equal(fetch_lend(fetch, &wanted, true, &loan), 0);
	assert_int_equal(loan.nr, 2);
	assert_int_equal(loan.iov[0].iov_len, 2 * PAGE_BYTES);
	assert_ptr_equal(loan.iov[0].iov_base, buf);
	assert_int_equal(loan.iov[1].iov_len, 8 * PAGE_BYTES);
	assert_false(is_inside(loan.iov[1].iov_base, buf, sizeof(buf)));
	assert_true(
		reader_pages_right(BASE_PAGE + 12, loan.iov[1].iov_base, 8));
	fetch_return(fetch, &loan);
	fetch_close(fetch);
}

/* However much comes meanwhile. */
static void what_is_lent_keeps_its_place(void **state)
{
	struct fetch_options options = usual(&prefetch_next, 1);
	char buf[PAGE_BYTES];
	const struct piece wanted = {BASE + PAGE_BYTES, sizeof(buf), buf};
	struct gate *gate;
	struct fetch *fetch;
	struct loan loan;

	options.hold_pages = POOL_PAGES;
	fetch = reader_open_gate(&options, true, &gate);
	gate_let(gate, GATE_ALL, 0);
	reader_check(fetch, BASE_PAGE, 1);
	wait_foreseen(fetch, gate, 1);
	assert_int_equal(fetch_lend(fetch, &wanted, true, &loan), 0);
	assert_false(is_inside(loan.iov[0].iov_base, buf, sizeof(buf)));
	for (uint64_t i = 1; i < 60; i++)
		reader_check(fetch, BASE_PAGE + 4 * i, 1);
	assert_true(reader_pages_right(BASE_PAGE + 1, loan.iov[0].iov_base, 1));
	fetch_return(fetch, &loan);
	for (uint64_t i = 1; i < 60; i++)
		reader_check(fetch, BASE_PAGE + 4 * i + 2, 1);
	fetch_close(fetch);
}

struct closer {
	struct fetch *fetch;
	atomic_bool is_done;
};

static void *close_it(void *arg)
{
	struct closer *closer = arg;

	fetch_close(closer->fetch);
	atomic_store(&closer->is_done, true);
	return NULL;
}

/* The thread that answers with it may end after all others. */
static void close_waits_for_what_is_lent(void **state)
{
	struct fetch_options options = usual(&prefetch_next, 1);
	const struct timespec while_ = {.tv_nsec = 50000000};
	char buf[PAGE_BYTES];
	const struct piece wanted = {BASE + PAGE_BYTES, sizeof(buf), buf};
	struct gate *gate;
	struct closer closer = {reader_open_gate(&options, true, &gate), false};
	struct loan loan;
	pthread_t thread;

	gate_let(gate, GATE_ALL, 0);
	reader_check(closer.fetch, BASE_PAGE, 1);
	wait_foreseen(closer.fetch, gate, 1);
	assert_int_equal(fetch_lend(closer.fetch, &wanted, true, &loan), 0);
	assert_int_equal(loan.nr_flights, 1);
	assert_int_equal(pthread_create(&thread, NULL, close_it, &closer), 0);
	(void)nanosleep(&while_, NULL);
	assert_false(atomic_load(&closer.is_done));
	assert_true(reader_pages_right(BASE_PAGE + 1, loan.iov[0].iov_base, 1));
	fetch_return(closer.fetch, &loan);
	assert_int_equal(pthread_join(thread, NULL), 0);
}

static void close_does_not_wait_for_a_silent_far_end(void **state)
{
	struct fetch_options options = usual(&prefetch_next, 64);
	struct gate *gate;
	struct fetch *fetch;

	options.timeout_ms = 20;
	fetch = reader_open_gate(&options, true, &gate);
	gate_let(gate, 1, 0);
	reader_check(fetch, BASE_PAGE, 1);
	fetch_close(fetch);
}

static int reopen(void *arg, struct transport **ret)
{
	return null_open(arg, ret);
}

/* Many threads, with connections that break again and again or do not. */
static void hammer(const struct prefetch_policy *policy, uint32_t hold_pages,
		   unsigned break_after)
{
	struct null_options faults = {
		.delay_ns = 20000, .reorder = 3, .break_after = break_after};
	struct fetch_options options = usual(policy, 64);
	struct transport *transport = NULL;
	struct fetch *fetch = NULL;

	options.hold_pages = hold_pages;
	options.tries = 50;
	options.reopen = reopen;
	options.reopen_arg = &faults;
	assert_int_equal(null_open(&faults, &transport), 0);
	assert_int_equal(fetch_open(transport, &options, &fetch), 0);
	reader_hammer(fetch);
	assert_int_equal(reader_stats(fetch).reconnects > 0, break_after > 0);
	fetch_close(fetch);
}

static void many_threads_get_right_bytes(void **state)
{
	hammer(&prefetch_auto, 0, 0);
	hammer(&prefetch_next, 0, 0);
	hammer(&prefetch_next, 100, 0);
	hammer(&prefetch_stride, 7, 0);
}

static void many_threads_survive_breaks(void **state)
{
	hammer(&prefetch_auto, 0, 200);
	hammer(&prefetch_next, 100, 200);
}

/* What was not asked for behind the end of one is still to be asked for. */
static void a_stream_goes_on_in_the_next_area(void **state)
{
	static struct image_vma areas[] = {
		{.start = BASE, .end = BASE + (128ul << PAGE_SHIFT)},
		{.start = BASE + (128ul << PAGE_SHIFT),
		 .end = BASE + (256ul << PAGE_SHIFT)},
	};
	struct fetch_options options = usual(&prefetch_next, 8);
	struct image image = reader_image;
	struct gate *gate;
	struct fetch *fetch;

	image.vmas = areas;
	image.nr_vmas = 2;
	options.image = &image;
	fetch = reader_open_gate(&options, true, &gate);
	gate_let(gate, GATE_ALL, 0);
	reader_check(fetch, BASE_PAGE + 127, 1);
	reader_check(fetch, BASE_PAGE + 128, 1);
	assert_true(gate_wait(gate, 3));
	expect_read(gate, 1, 128, 1, true);
	expect_read(gate, 2, 129, 8, false);
	fetch_close(fetch);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_foreseen_is_not_read_again),
		cmocka_unit_test(a_demand_joins_what_is_foreseen),
		cmocka_unit_test(a_fault_does_not_wait_for_what_is_foreseen),
		cmocka_unit_test(holes_and_what_is_here_are_not_foreseen),
		cmocka_unit_test(what_nobody_wants_gives_way),
		cmocka_unit_test(what_could_not_be_foreseen_is_left_to_demand),
		cmocka_unit_test(reads_that_are_no_faults_foresee_too),
		cmocka_unit_test(without_a_policy_reads_foresee_nothing),
		cmocka_unit_test(what_a_tool_was_given_is_not_foreseen),
		cmocka_unit_test(who_uses_all_has_the_same_memory_again),
		cmocka_unit_test(what_is_used_later_has_memory_of_its_own),
		cmocka_unit_test(what_is_asked_for_again_is_foreseen_again),
		cmocka_unit_test(what_is_here_by_faults_is_foreseen_for_a_tool),
		cmocka_unit_test(what_is_held_is_lent),
		cmocka_unit_test(what_is_lent_keeps_its_place),
		cmocka_unit_test(close_waits_for_what_is_lent),
		cmocka_unit_test(close_does_not_wait_for_a_silent_far_end),
		cmocka_unit_test(many_threads_get_right_bytes),
		cmocka_unit_test(many_threads_survive_breaks),
		cmocka_unit_test(a_stream_goes_on_in_the_next_area),
	};

	reader_setup();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
