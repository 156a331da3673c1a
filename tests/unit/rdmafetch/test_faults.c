/* SPDX-License-Identifier: MIT */
/*
 * test_faults.c - what is noted of demand reads: time, the working set,
 * and what is here
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

static struct fetch *open_over(const struct null_options *faults)
{
	const struct fetch_options options = {
		.image = &reader_image, .timeout_ms = 10000, .tries = 3};
	struct transport *transport = NULL;
	struct fetch *fetch = NULL;

	assert_int_equal(null_open(faults, &transport), 0);
	assert_int_equal(fetch_open(transport, &options, &fetch), 0);
	return fetch;
}

/* First faults in their order; other reads, and those that fail, are none. */
static void the_working_set_is_in_order_of_faults(void **state)
{
	struct fetch *fetch = open_over(NULL);
	struct workset set;
	char page[PAGE_BYTES];

	reader_check(fetch, BASE_PAGE + 200, 2);
	reader_check(fetch, BASE_PAGE + 5, 1);
	reader_check(fetch, BASE_PAGE + 6, 2);
	reader_check(fetch, BASE_PAGE + 201, 1); /* again */
	assert_int_equal(
		fetch_read(fetch, SOURCE_MEMORY, BASE, page, PAGE_BYTES), 0);
	assert_int_equal(fetch_get_workset(fetch, &set), 0);
	assert_int_equal(set.nr, 2);
	assert_int_equal(set.runs[0].first_page, BASE_PAGE + 200);
	assert_int_equal(set.runs[0].nr_pages, 2);
	assert_int_equal(set.runs[1].first_page, BASE_PAGE + 5);
	assert_int_equal(set.runs[1].nr_pages, 3);
	workset_done(&set);
	fetch_close(fetch);
}

/*
 * Each read of memory is timed, from the call to the last byte, and told apart:
 * a hole of the image waits for nobody.
 */
static void latency_is_counted_for_memory(void **state)
{
	struct null_options faults = {.delay_ns = 2000000};
	struct fetch *fetch = open_over(&faults);
	static struct latency latency;
	static char pages[2 * PAGE_BYTES];
	const struct hist *here = &latency.by[LATENCY_HERE];
	const struct hist *fetched = &latency.by[LATENCY_FETCHED];
	char byte;

	for (int i = 0; i < 3; i++)
		reader_check(fetch, BASE_PAGE + (uint64_t)i, 1);
	assert_int_equal(fetch_read(fetch, SOURCE_EXE, 0, &byte, 1), 0);
	assert_int_equal(fetch_fault(fetch, 0, pages, PAGE_BYTES), 0);
	assert_int_equal(
		fetch_fault(fetch, BASE - PAGE_BYTES, pages, sizeof(pages)),
		0); /* a hole, and a page */
	fetch_get_latency(fetch, &latency);
	assert_int_equal(fetched->nr, 4);
	assert_true(fetched->min >= faults.delay_ns);
	assert_true(fetched->sum >= 4 * fetched->min);
	assert_int_equal(here->nr, 1);
	assert_true(here->max < faults.delay_ns);
	assert_int_equal(latency.by[LATENCY_JOINED].nr, 0);
	fetch_close(fetch);
}

/* Who asked keeps none of it, so the page that came must come again. */
static void of_a_fault_that_fails_nothing_is_here(void **state)
{
	enum { FROM = 255, TO = 515 }; /* a page, a hole, a page */
	static char buf[(TO - FROM) * PAGE_BYTES];
	const struct fetch_options options = {
		.image = &reader_image, .timeout_ms = 10000, .tries = 1};
	struct gate *gate;
	struct fetch *fetch;

	fetch = reader_open_gate(&options, true, &gate);
	gate_let(gate, 1, 0);
	gate_let(gate, 1, -EFAULT);
	assert_int_not_equal(
		fetch_fault(fetch, BASE + FROM * PAGE_BYTES, buf, sizeof(buf)),
		0);
	assert_int_equal(gate_nr(gate), 2);
	assert_int_equal(reader_stats(fetch).here_pages, 0);
	gate_let(gate, GATE_ALL, 0);
	assert_int_equal(
		fetch_fault(fetch, BASE + FROM * PAGE_BYTES, buf, sizeof(buf)),
		0);
	assert_int_equal(reader_stats(fetch).here_pages, 2);
	fetch_close(fetch);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_working_set_is_in_order_of_faults),
		cmocka_unit_test(latency_is_counted_for_memory),
		cmocka_unit_test(of_a_fault_that_fails_nothing_is_here),
	};

	reader_setup();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
