/* SPDX-License-Identifier: MIT */
/*
 * test_tcp_full.c - the serving end while a client's queues are full
 */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/io.h"
#include "common/source.h"
#include "fake_daemon.h"
#include "raw_client.h"
#include "rdmafetch/tcp_todo.h"

#define NR_MAX 300u
#define LAST   1000u /* the id of what comes after the rest */

static struct fake_daemon *fake;

static int start(void **state)
{
	fake = fake_daemon_start(NULL);
	return 0;
}

static int stop(void **state)
{
	fake_daemon_stop(fake);
	return 0;
}

static int join(bool is_tcp)
{
	return raw_join(is_tcp ? raw_dial_tcp(fake_daemon_port(fake))
			       : raw_dial_unix(fake_daemon_path(fake)));
}

static size_t put_nil(uint8_t *out, uint32_t id)
{
	const struct wire_header header = {.type = WIRE_NIL, .id = id};

	wire_put_header(out, &header);
	return WIRE_HEADER_BYTES;
}

static const struct wire_read small = {
	.handle = 7, .object = SOURCE_EXE, .raddr = 16, .len_bytes = 16};

static size_t put_bulk(uint8_t *out, uint32_t id)
{
	return raw_put_read(out, id, 0, small);
}

static size_t put_urgent(uint8_t *out, uint32_t id)
{
	return raw_put_read(out, id, WIRE_URGENT, small);
}

/* Answered only when the test says so. */
static size_t put_slow(uint8_t *out, uint32_t id)
{
	const struct wire_prepare prepare = {.pid = 1};
	struct wire_header header = {.type = WIRE_PREPARE, .id = id};

	header.body_bytes =
		(uint32_t)wire_put_prepare(out + WIRE_HEADER_BYTES, &prepare);
	wire_put_header(out, &header);
	return WIRE_HEADER_BYTES + header.body_bytes;
}

/* Requests 0 to @nr - 1, in one piece. */
static void send_many(int fd, size_t (*put)(uint8_t *out, uint32_t id),
		      uint32_t nr)
{
	static uint8_t out[NR_MAX * (WIRE_HEADER_BYTES + WIRE_REQUEST_MAX)];
	size_t len = 0;

	for (uint32_t id = 0; id < nr; id++)
		len += put(out + len, id);
	assert_int_equal(0, io_write_all(fd, out, len));
}

static void expect(int fd, uint32_t id)
{
	uint8_t *body;
	struct wire_header header = raw_get(fd, &body);

	assert_int_equal(0, header.status);
	assert_int_equal(id, header.id);
	free(body);
}

static void expect_many(int fd, uint32_t nr)
{
	for (uint32_t id = 0; id < nr; id++)
		expect(fd, id);
}

/* Until the server has taken @nr requests of ours, beside the HELLO. */
static void wait_for_requests(uint64_t nr)
{
	while (fake_daemon_stats(fake).requests != nr + 1)
		(void)poll(NULL, 0, 5);
}

static void wait_for_nobody(void)
{
	while (fake_daemon_stats(fake).clients)
		(void)poll(NULL, 0, 5);
}

/* More than a queue holds in one piece, and then one more behind them. */
static void check_one_more(size_t (*put)(uint8_t *out, uint32_t id),
			   uint32_t nr)
{
	uint8_t out[WIRE_HEADER_BYTES + WIRE_REQUEST_MAX];

	for (int is_tcp = 0; is_tcp < 2; is_tcp++) {
		int fd = join(is_tcp);

		send_many(fd, put, nr);
		expect_many(fd, nr);
		for (uint32_t id = LAST; id < LAST + 3; id++) {
			assert_int_equal(0,
					 io_write_all(fd, out, put(out, id)));
			expect(fd, id);
		}
		(void)close(fd);
	}
}

static void what_comes_behind_a_full_queue_is_answered(void **state)
{
	check_one_more(put_nil, TODO_ANSWERS_MAX + 4);
	check_one_more(put_bulk, TODO_READS_MAX + 4);
	check_one_more(put_urgent, TODO_READS_MAX + 4);
}

/* The one that waits is the seventeenth: none of its kind can be answered. */
static void owed_answers_keep_nobody_busy(void **state)
{
	int fd = join(true);
	unsigned turns;

	send_many(fd, put_slow, TODO_ANSWERS_MAX + 1);
	wait_for_requests(TODO_ANSWERS_MAX);
	turns = fake_daemon_turns(fake);
	(void)poll(NULL, 0, 50);
	assert_true(fake_daemon_turns(fake) - turns < 16);

	assert_int_equal(TODO_ANSWERS_MAX, fake_daemon_answer(fake));
	expect_many(fd, TODO_ANSWERS_MAX);
	wait_for_requests(TODO_ANSWERS_MAX + 1);
	assert_int_equal(1, fake_daemon_answer(fake));
	expect(fd, TODO_ANSWERS_MAX);
	(void)close(fd);
}

/* READs have a queue of their own, and wait for that alone. */
static void owed_answers_stop_no_reads(void **state)
{
	int fd = join(false);

	send_many(fd, put_slow, TODO_ANSWERS_MAX);
	send_many(fd, put_bulk, NR_MAX);
	expect_many(fd, NR_MAX);
	assert_int_equal(TODO_ANSWERS_MAX, fake_daemon_answer(fake));
	expect_many(fd, TODO_ANSWERS_MAX);
	(void)close(fd);
}

/* Though it is owed answers, and one of its requests has no room. */
static void a_client_that_leaves_is_noticed(void **state)
{
	for (int is_tcp = 0; is_tcp < 2; is_tcp++) {
		int fd = join(is_tcp);

		send_many(fd, put_slow, TODO_ANSWERS_MAX + 1);
		wait_for_requests((TODO_ANSWERS_MAX + 1) * is_tcp +
				  TODO_ANSWERS_MAX);
		(void)close(fd);
		wait_for_nobody();
	}
	assert_int_equal(0, fake_daemon_answer(fake));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
	const struct CMUnitTest cases[] = {
		CASE(what_comes_behind_a_full_queue_is_answered),
		CASE(owed_answers_keep_nobody_busy),
		CASE(owed_answers_stop_no_reads),
		CASE(a_client_that_leaves_is_noticed),
	};

	return cmocka_run_group_tests(cases, NULL, NULL);
}
