/* SPDX-License-Identifier: MIT */
/*
 * test_nearby.c - reads of this host's pages: copied by who asks, and what that
 * changes for nobody
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/page.h"
#include "common/source.h"
#include "rdmafetch/fetch.h"
#include "rdmafetch/local.h"
#include "tests/contract/pattern.h"
#include "tests/unit/rdmafetch/reader.h"

static struct {
	struct page_source base;
	atomic_uint nr_reads, nr_to_fail;
	int result;
} source;

static int source_read(struct page_source *base, uint32_t object,
		       uint64_t raddr, void *buf, size_t len_bytes)
{
	atomic_fetch_add(&source.nr_reads, 1);
	if (source.nr_to_fail) {
		source.nr_to_fail--;
		return source.result;
	}
	pattern_fill(object, raddr, buf, len_bytes);
	return 0;
}

static struct fetch *open_local(unsigned tries)
{
	struct fetch_options options = {
		.image = &reader_image, .timeout_ms = 10000, .tries = tries};
	struct transport *transport = NULL;
	struct fetch *fetch = NULL;

	source.base.read = source_read;
	source.nr_reads = source.nr_to_fail = 0;
	assert_int_equal(local_open(&source.base, &transport), 0);
	assert_int_equal(fetch_open(transport, &options, &fetch), 0);
	return fetch;
}

static void bytes_and_holes_are_the_images(void **state)
{
	struct fetch *fetch = open_local(3);

	reader_check(fetch, BASE_PAGE, 1);
	assert_int_equal(source.nr_reads, 1);
	reader_check(fetch, BASE_PAGE + 512, 402);
	reader_check(fetch, BASE_PAGE - 3, 1000);
	assert_int_equal(reader_stats(fetch).read_bytes,
			 (1 + 200 + 200 + 256) * PAGE_BYTES);
	assert_int_equal(reader_stats(fetch).errors, 0);
	fetch_close(fetch);
}

static void a_fault_counts_what_came_once(void **state)
{
	struct fetch *fetch = open_local(3);
	static char buf[4 * PAGE_BYTES];

	for (int i = 0; i < 2; i++)
		assert_int_equal(fetch_fault(fetch, BASE_PAGE << PAGE_SHIFT,
					     buf, sizeof(buf)),
				 0);
	assert_int_equal(reader_stats(fetch).here_pages, 4);
	assert_int_equal(reader_stats(fetch).faulted_pages, 4);
	assert_int_equal(reader_stats(fetch).demand_pages, 8);
	assert_int_equal(reader_stats(fetch).demand_waiting, 0);
	fetch_close(fetch);
}

static void a_failed_copy_is_tried_again(void **state)
{
	struct fetch *fetch = open_local(3);

	source.nr_to_fail = 2;
	source.result = -EIO;
	reader_check(fetch, BASE_PAGE, 1);
	assert_int_equal(source.nr_reads, 3);
	fetch_close(fetch);
}

static void what_cannot_be_copied_is_an_error(void **state)
{
	struct fetch *fetch = open_local(2);
	static char buf[PAGE_BYTES];

	source.nr_to_fail = 1000;
	source.result = -EIO;
	assert_int_equal(
		fetch_fault(fetch, BASE_PAGE << PAGE_SHIFT, buf, sizeof(buf)),
		-EIO);
	source.result = -ESTALE;
	assert_int_equal(
		fetch_fault(fetch, BASE_PAGE << PAGE_SHIFT, buf, sizeof(buf)),
		-ESTALE);
	assert_int_equal(reader_stats(fetch).here_pages, 0);
	fetch_stop(fetch);
	assert_int_equal(
		fetch_fault(fetch, BASE_PAGE << PAGE_SHIFT, buf, sizeof(buf)),
		-EIO);
	fetch_close(fetch);
}

static void many_threads_get_right_bytes(void **state)
{
	struct fetch *fetch = open_local(3);

	reader_hammer(fetch);
	fetch_close(fetch);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_and_holes_are_the_images),
		cmocka_unit_test(a_fault_counts_what_came_once),
		cmocka_unit_test(a_failed_copy_is_tried_again),
		cmocka_unit_test(what_cannot_be_copied_is_an_error),
		cmocka_unit_test(many_threads_get_right_bytes),
	};

	reader_setup();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
