/* SPDX-License-Identifier: MIT */
/* test_report.c - LIST and STATUS there and back, and from liars */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/report.h"

static const struct report_image sample[2] = {
	{.name = "redis-1",
	 .comm = "redis-server",
	 .ready = 1,
	 .pid = 4711,
	 .owner = 1000,
	 .handles = 3,
	 .lease_s = 600,
	 .left_s = 599,
	 .opens = 5,
	 .age_ns = 6,
	 .pause_ns = 7,
	 .prepare_ns = 8,
	 .present_bytes = 9},
	{.name = "b", .comm = "sixteen bytes on", .pid = 1},
};

static const struct report_status status = {
	.version = "1.2.3",
	.pid = 1,
	.images = 2,
	.images_max = 3,
	.clients = 4,
	.clients_max = 5,
	.strangers = 6,
	.uptime_ns = 7,
	.prepared = 8,
	.refused = 9,
	.ended = 10,
	.accepted = 11,
	.turned_away = 12,
	.broken = 13,
	.requests = 14,
	.reads = 15,
	.urgent_reads = 16,
	.failed_reads = 17,
	.read_bytes = 18,
	.sends = 19,
	.rdma_port = 20,
	.rdma_clients = 21,
	.rdma_requests = 22,
	.rdma_reads = 23,
	.rdma_read_bytes = 24,
	.loans = 25,
	.lent_pages = 26,
	.lease_over = 27,
	.released = 28,
	.died = 29,
	.refusals = {.count = {[REFUSED_HELLO] = {[REFUSED_DENIED] = 30},
			       [REFUSED_IMAGE] = {[REFUSED_OTHER] = 31}}},
	.pauses = {.count = {[1] = 32, [TIMING_BUCKETS - 1] = 33},
		   .sum_ns = 34},
	.prepares = {.count = {[2] = 35}, .sum_ns = 36},
};

static uint8_t *encode(size_t nr, size_t *ret_len)
{
	void *body = NULL;

	assert_int_equal(0, report_put_images(sample, nr, &body, ret_len));
	return body;
}

static void images_come_back_as_they_were(void **state)
{
	struct report_image *images = NULL;
	size_t len, nr = 0;
	uint8_t *body = encode(2, &len);

	assert_int_equal(0, report_get_images(body, len, &images, &nr));
	assert_int_equal(2, nr);
	assert_memory_equal(sample, images, sizeof(sample));
	free(images);
	free(body);
}

static void no_image_is_a_body_too(void **state)
{
	struct report_image *images = NULL;
	size_t len, nr = 1;
	uint8_t *body = encode(0, &len);

	assert_int_equal(0, report_get_images(body, len, &images, &nr));
	assert_int_equal(0, nr);
	assert_null(images);
	free(body);
}

static void any_other_length_is_refused(void **state)
{
	struct report_image *images = NULL;
	size_t len, nr = 0;
	uint8_t *body = encode(2, &len);

	for (size_t short_len = 0; short_len < len; short_len++)
		assert_int_equal(-EPROTO, report_get_images(body, short_len,
							    &images, &nr));
	assert_null(images);
	free(body);
}

static void count_that_lies_is_refused(void **state)
{
	struct report_image *images = NULL;
	size_t len, nr = 0;
	uint8_t *body = encode(2, &len);

	body[3] = 0x80; /* two billion images */
	assert_int_equal(-EPROTO, report_get_images(body, len, &images, &nr));
	memset(body, 0xff, REPORT_HEAD_BYTES);
	assert_int_equal(-EPROTO, report_get_images(body, len, &images, &nr));
	free(body);
}

/* What goes to a terminal or into a path must be a legal name. */
static void name_that_is_none_is_refused(void **state)
{
	struct report_image *images = NULL;
	size_t len, nr = 0;
	uint8_t *body = encode(2, &len);

	body[REPORT_HEAD_BYTES] = 0x1b;
	assert_int_equal(-EPROTO, report_get_images(body, len, &images, &nr));
	memset(body + REPORT_HEAD_BYTES, 'a', PARSE_NAME_MAX);
	assert_int_equal(0, report_get_images(body, len, &images, &nr));
	assert_int_equal(PARSE_NAME_MAX, strlen(images[0].name));
	free(images);
	free(body);
}

/* A later daemon appends fields to its records. */
static void longer_records_are_read_as_far_as_known(void **state)
{
	enum { LONGER = REPORT_IMAGE_BYTES + 8 };
	uint8_t body[REPORT_HEAD_BYTES + 2 * LONGER] = {2, 0, 0, 0, LONGER};
	struct report_image *images = NULL;
	size_t len, nr = 0;
	uint8_t *known = encode(2, &len);

	for (int i = 0; i < 2; i++)
		memcpy(body + REPORT_HEAD_BYTES + i * LONGER,
		       known + REPORT_HEAD_BYTES + i * REPORT_IMAGE_BYTES,
		       REPORT_IMAGE_BYTES);
	assert_int_equal(0,
			 report_get_images(body, sizeof(body), &images, &nr));
	assert_string_equal("b", images[1].name);
	free(images);
	free(known);
}

static void status_comes_back_as_it_was(void **state)
{
	uint8_t body[REPORT_HEAD_BYTES + REPORT_STATUS_BYTES];
	struct report_status got;
	size_t len = report_put_status(body, &status);

	assert_int_equal(sizeof(body), len);
	assert_int_equal(0, report_get_status(body, len, &got));
	assert_memory_equal(&status, &got, sizeof(got));
	for (size_t short_len = 0; short_len < len; short_len++)
		assert_int_equal(-EPROTO,
				 report_get_status(body, short_len, &got));
	body[0] = 2;
	assert_int_equal(-EPROTO, report_get_status(body, len, &got));
}

/* Both ends need not be of one day: what is not told is 0. */
static void shorter_status_of_an_older_daemon_is_read(void **state)
{
	uint8_t body[REPORT_HEAD_BYTES + REPORT_STATUS_BYTES];
	struct report_status got;

	(void)report_put_status(body, &status);
	body[4] = REPORT_STATUS_LEAST;
	body[5] = 0;
	assert_int_equal(
		0,
		report_get_status(body, REPORT_HEAD_BYTES + REPORT_STATUS_LEAST,
				  &got));
	assert_int_equal(26, got.lent_pages);
	assert_int_equal(0, got.lease_over);
	assert_int_equal(0, timing_total(&got.prepares));
	body[4]--;
	assert_int_equal(
		-EPROTO,
		report_get_status(body,
				  REPORT_HEAD_BYTES + REPORT_STATUS_LEAST - 1,
				  &got));
}

static void longer_status_of_a_later_daemon_is_read(void **state)
{
	uint8_t body[REPORT_HEAD_BYTES + REPORT_STATUS_BYTES + 8];
	struct report_status got;

	(void)report_put_status(body, &status);
	body[4] += 8;
	assert_int_equal(0, report_get_status(body, sizeof(body), &got));
	assert_memory_equal(&status, &got, sizeof(got));
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		cmocka_unit_test(images_come_back_as_they_were),
		cmocka_unit_test(no_image_is_a_body_too),
		cmocka_unit_test(any_other_length_is_refused),
		cmocka_unit_test(count_that_lies_is_refused),
		cmocka_unit_test(name_that_is_none_is_refused),
		cmocka_unit_test(longer_records_are_read_as_far_as_known),
		cmocka_unit_test(status_comes_back_as_it_was),
		cmocka_unit_test(shorter_status_of_an_older_daemon_is_read),
		cmocka_unit_test(longer_status_of_a_later_daemon_is_read),
	};

	return cmocka_run_group_tests(cases, NULL, NULL);
}
