/* SPDX-License-Identifier: MIT */
/* test_tcp_serve.c - the serving end against good and bad clients */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/io.h"
#include "fake_daemon.h"
#include "raw_client.h"

#define HANDLE 7u

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

static int dial_tcp(void)
{
	return raw_dial_tcp(fake_daemon_port(fake));
}

static int dial_unix(void)
{
	return raw_dial_unix(fake_daemon_path(fake));
}

static struct wire_read pages(uint64_t raddr, uint32_t len_bytes)
{
	return (struct wire_read){
		.handle = HANDLE, .raddr = raddr, .len_bytes = len_bytes};
}

static void assert_pages(const uint8_t *body, uint64_t raddr, size_t len_bytes)
{
	for (size_t at = 0; at < len_bytes; at += 8) {
		uint64_t word = fake_word(0, raddr + at);

		assert_memory_equal(&word, body + at, 8);
	}
}

static void assert_still_serves(void)
{
	int fd = raw_join(dial_tcp());
	uint8_t *body;

	raw_read(fd, 9, 0, pages(0x5000, 4096));
	assert_int_equal(0, raw_get(fd, &body).status);
	assert_pages(body, 0x5000, 4096);
	free(body);
	(void)close(fd);
}

static void read_brings_the_right_bytes(void **state)
{
	const int fds[] = {raw_join(dial_tcp()), raw_join(dial_unix())};
	struct wire_header header;
	uint8_t *body;

	for (int i = 0; i < 2; i++) {
		raw_read(fds[i], 5, WIRE_URGENT, pages(0x7000, 8192));
		header = raw_get(fds[i], &body);
		assert_int_equal(5, header.id);
		assert_int_equal(8192, header.body_bytes);
		assert_pages(body, 0x7000, 8192);
		free(body);
		(void)close(fds[i]);
	}
}

static void largest_and_smallest_read_work(void **state)
{
	const struct wire_read tiny = {.handle = HANDLE,
				       .object = SOURCE_EXE,
				       .raddr = 16,
				       .len_bytes = 1};
	uint64_t word = fake_word(SOURCE_EXE, 16);
	int fd = raw_join(dial_unix());
	uint8_t *body;

	raw_read(fd, 1, 0, pages(0x10000, WIRE_READ_MAX));
	assert_int_equal(WIRE_READ_MAX, raw_get(fd, &body).body_bytes);
	assert_pages(body, 0x10000, WIRE_READ_MAX);
	free(body);
	raw_read(fd, 2, 0, tiny);
	assert_int_equal(1, raw_get(fd, &body).body_bytes);
	assert_int_equal((uint8_t)word, body[0]);
	free(body);
	(void)close(fd);
}

/* More requests than the queues hold, all sent before one reply is read. */
static void pipelined_reads_are_all_answered_once(void **state)
{
	enum { NR = 1500 };
	static uint8_t out[NR * 64];
	bool seen[NR] = {false};
	struct wire_header header;
	int fd = raw_join(dial_tcp());
	size_t len = 0;
	uint8_t *body;

	for (uint32_t i = 0; i < NR; i++)
		len += raw_put_read(out + len, i, i % 3 ? 0 : WIRE_URGENT,
				    pages(i * 4096ull, 4096));
	assert_int_equal(0, io_write_all(fd, out, len));
	for (uint32_t i = 0; i < NR; i++) {
		header = raw_get(fd, &body);
		assert_true(header.id < NR && !seen[header.id]);
		seen[header.id] = true;
		assert_pages(body, header.id * 4096ull, 4096);
		free(body);
	}
	(void)close(fd);
}

/* Requests of one byte per segment are the same requests. */
static void frames_in_crumbs_are_understood(void **state)
{
	uint8_t out[128], *body;
	size_t len = raw_put_read(out, 3, 0, pages(0x9000, 4096));
	int fd = raw_join(dial_tcp());

	for (size_t i = 0; i < len; i++)
		assert_int_equal(0, io_write_all(fd, out + i, 1));
	assert_int_equal(3, raw_get(fd, &body).id);
	assert_pages(body, 0x9000, 4096);
	free(body);
	(void)close(fd);
}

static void urgent_overtakes_bulk(void **state)
{
	enum { BULK = 200 };
	static uint8_t out[(BULK + 1) * 64];
	int fd = raw_join(dial_tcp());
	size_t len = 0;
	uint8_t *body;
	uint32_t id, before = 0;

	for (uint32_t i = 0; i < BULK; i++)
		len += raw_put_read(out + len, i, 0, pages(i << 16, 65536));
	len += raw_put_read(out + len, 1000, WIRE_URGENT, pages(0x3000, 4096));
	assert_int_equal(0, io_write_all(fd, out, len));
	for (uint32_t i = 0; i <= BULK; i++) {
		id = raw_get(fd, &body).id;
		if (id == 1000)
			before = i;
		free(body);
	}
	/* Behind what was on its way when it came, never behind all. */
	assert_true(before < BULK / 2);
	(void)close(fd);
}

static void refused_reads_say_why_and_go_on(void **state)
{
	int fd = raw_join(dial_unix());
	struct wire_read unknown = pages(0x1000, 4096);
	struct wire_header header;
	uint8_t *body;

	unknown.handle = 8;
	raw_read(fd, 1, 0, unknown);
	assert_int_equal(-EBADF, raw_get(fd, &body).status);
	assert_non_null(strstr((char *)body, "OPEN first"));
	free(body);
	raw_read(fd, 2, 0, pages(FAKE_BAD_RADDR, 4096));
	header = raw_get(fd, &body);
	assert_int_equal(-EIO, header.status);
	assert_true(header.body_bytes > 0);
	free(body);
	fake_daemon_withdraw(fake);
	raw_read(fd, 3, WIRE_URGENT, pages(0x1000, 4096));
	assert_int_equal(-ESTALE, raw_get(fd, &body).status);
	free(body);
	(void)close(fd);
}

static void long_tail_arrives_whole_between_reads(void **state)
{
	struct wire_header open = {.type = WIRE_OPEN, .id = 2};
	const struct wire_image image = {.name = "img"};
	struct wire_opened opened;
	uint8_t body[WIRE_REQUEST_MAX], *got;
	int fd = raw_join(dial_tcp());
	int nr_reads = 0;

	open.body_bytes = (uint32_t)wire_put_image(body, &image);
	raw_read(fd, 1, 0, pages(0x1000, 4096));
	raw_ask(fd, open, body);
	raw_read(fd, 3, 0, pages(0x1000, 4096));
	for (int i = 0; i < 3; i++) {
		struct wire_header header = raw_get(fd, &got);

		if (header.type == WIRE_READ) {
			assert_pages(got, 0x1000, 4096);
			nr_reads++;
		} else {
			assert_int_equal(8 + FAKE_DESC_BYTES,
					 header.body_bytes);
			assert_int_equal(0, wire_get_opened(got, 8, &opened));
			assert_int_equal(HANDLE, opened.handle);
			for (size_t at = 0; at < FAKE_DESC_BYTES; at++)
				if (got[8 + at] != fake_desc_byte(at))
					fail_msg("descriptor byte %zu", at);
		}
		free(got);
	}
	assert_int_equal(2, nr_reads);
	(void)close(fd);
}

static void answers_may_come_late(void **state)
{
	const struct wire_prepare prepare = {.pid = 1};
	struct wire_header header = {.type = WIRE_PREPARE, .id = 77};
	uint8_t body[WIRE_REQUEST_MAX], *got;
	int fd = raw_join(dial_tcp());

	header.body_bytes = (uint32_t)wire_put_prepare(body, &prepare);
	raw_ask(fd, header, body);
	raw_read(fd, 2, 0, pages(0x1000, 4096));
	assert_int_equal(2, raw_get(fd, &got).id);
	free(got);
	assert_int_equal(1, fake_daemon_answer(fake));
	assert_int_equal(77, raw_get(fd, &got).id);
	assert_string_equal("ok", (char *)got);
	free(got);
	(void)close(fd);
}

/* Wait until the server has noticed; its counters tell. */
static void wait_for_clients(uint64_t nr)
{
	while (fake_daemon_stats(fake).clients != nr)
		(void)poll(NULL, 0, 5);
}

static void late_answer_finds_nobody_after_the_client_left(void **state)
{
	const struct wire_prepare prepare = {.pid = 1};
	struct wire_header header = {.type = WIRE_PREPARE, .id = 77};
	uint8_t body[WIRE_REQUEST_MAX];
	struct pollfd other;
	int fd = raw_join(dial_tcp());

	header.body_bytes = (uint32_t)wire_put_prepare(body, &prepare);
	raw_ask(fd, header, body);
	while (fake_daemon_stats(fake).requests != 2)
		(void)poll(NULL, 0, 5);
	(void)close(fd);
	wait_for_clients(0);
	other.fd = raw_join(dial_tcp()); /* takes the same slot */
	other.events = POLLIN;
	assert_int_equal(0, fake_daemon_answer(fake));
	assert_int_equal(0, poll(&other, 1, 20));
	(void)close(other.fd);
}

static void nil_is_answered_with_nothing(void **state)
{
	struct wire_header header = {
		.type = WIRE_NIL, .id = 5, .body_bytes = WIRE_REQUEST_MAX};
	static const uint8_t body[WIRE_REQUEST_MAX] = {1};
	int fd = raw_join(dial_tcp());
	uint8_t *got;

	raw_ask(fd, header, body);
	header = raw_get(fd, &got);
	assert_int_equal(WIRE_NIL, header.type);
	assert_int_equal(5, header.id);
	assert_int_equal(0, header.status);
	assert_int_equal(0, header.body_bytes);
	free(got);
	(void)close(fd);
}

/* What only verbs can do: EXPORT is refused, and TAKEN makes no sense. */
static void tcp_has_nothing_of_verbs(void **state)
{
	struct wire_header header = {.type = WIRE_EXPORT, .id = 6};
	int fd = raw_join(dial_tcp());
	uint8_t body[8], *got;

	header.body_bytes = (uint32_t)wire_put_export(body, HANDLE);
	raw_ask(fd, header, body);
	header = raw_get(fd, &got);
	assert_int_equal(-EOPNOTSUPP, header.status);
	assert_non_null(strstr((char *)got, "RDMA"));
	free(got);
	header = (struct wire_header){.type = WIRE_TAKEN};
	header.body_bytes = (uint32_t)wire_put_taken(body, 6);
	raw_ask(fd, header, body);
	raw_assert_dropped(fd);
	assert_still_serves();
}

/* Bytes of version 1, which had no more than this. */
static void version_1_is_told_so(void **state)
{
	const uint8_t hello[] = {1, 0, 0, 0, 0, 0, 16, 0};
	struct wire_header header = {.type = WIRE_HELLO, .body_bytes = 8};
	int fd = dial_tcp();
	uint8_t *body;

	raw_ask(fd, header, hello);
	header = raw_get(fd, &body);
	assert_int_equal(-EPROTONOSUPPORT, header.status);
	assert_non_null(strstr((char *)body, "version 5, not 1"));
	free(body);
	raw_assert_dropped(fd);
}

static void stranger_may_only_say_hello(void **state)
{
	int fd = dial_tcp();

	raw_read(fd, 1, 0, pages(0x1000, 4096));
	raw_assert_dropped(fd);
	assert_still_serves();
}

static void other_version_is_told_so(void **state)
{
	int fd = dial_unix();
	struct wire_header header;
	uint8_t *body;

	raw_hello(fd, WIRE_VERSION + 1);
	header = raw_get(fd, &body);
	assert_int_equal(-EPROTONOSUPPORT, header.status);
	assert_non_null(strstr((char *)body, "version"));
	free(body);
	raw_assert_dropped(fd);
	assert_still_serves();
}

static void garbage_ends_only_its_own_connection(void **state)
{
	static const char http[] = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
	uint8_t frame[WIRE_HEADER_BYTES];
	struct wire_header header = {.type = WIRE_LIST};
	int fd = dial_tcp();

	assert_int_equal(0, io_write_all(fd, http, sizeof(http)));
	raw_assert_dropped(fd);

	header.body_bytes = WIRE_REQUEST_MAX + 1;
	wire_put_header(frame, &header);
	fd = raw_join(dial_tcp());
	assert_int_equal(0, io_write_all(fd, frame, sizeof(frame)));
	raw_assert_dropped(fd);

	header.body_bytes = 0;
	header.flags = WIRE_REPLY;
	wire_put_header(frame, &header);
	fd = raw_join(dial_tcp());
	assert_int_equal(0, io_write_all(fd, frame, sizeof(frame)));
	raw_assert_dropped(fd);
	assert_still_serves();
	assert_true(fake_daemon_stats(fake).broken >= 3);
}

static void second_hello_is_refused(void **state)
{
	int fd = raw_join(dial_tcp());

	raw_hello(fd, WIRE_VERSION);
	raw_assert_dropped(fd);
}

static void death_in_mid_frame_harms_nobody(void **state)
{
	uint8_t out[128];
	size_t len = raw_put_read(out, 3, 0, pages(0x9000, 4096));

	for (size_t cut = 1; cut < len; cut += 5) {
		int fd = raw_join(dial_unix());

		assert_int_equal(0, io_write_all(fd, out, cut));
		(void)close(fd);
	}
	wait_for_clients(0);
	assert_still_serves();
}

/* Asks for 2 GiB and takes none of it; others are served all the same, and
 * the server has queued no more than it allows. */
static void client_that_never_reads_harms_nobody(void **state)
{
	enum { NR = 2048 };
	uint8_t out[64];
	int fd = raw_join(dial_tcp());
	size_t len;

	for (uint32_t i = 0; i < NR; i++) {
		len = raw_put_read(out, i, 0, pages(0, WIRE_READ_MAX));
		if (send(fd, out, len, MSG_DONTWAIT) != (ssize_t)len)
			break;
	}
	assert_still_serves();
	assert_true(fake_daemon_stats(fake).reads < 64);
	(void)close(fd);
	wait_for_clients(0);
}

static void stalled_and_silent_clients_are_dropped(void **state)
{
	struct serve_options options = serve_defaults;
	uint8_t out[64];
	int silent, stalled;

	fake_daemon_stop(fake);
	options.hello_ms = 50;
	options.stall_ms = 50;
	fake = fake_daemon_start(&options);
	silent = dial_tcp();
	stalled = raw_join(dial_tcp());
	for (uint32_t i = 0; i < 32; i++)
		assert_int_equal(0,
				 io_write_all(stalled, out,
					      raw_put_read(out, i, 0,
							   pages(0, 1 << 20))));
	wait_for_clients(0);
	raw_assert_dropped(silent);
	(void)close(stalled);
	assert_still_serves();
}

static void more_clients_than_allowed_are_told_so(void **state)
{
	struct serve_options options = serve_defaults;
	struct wire_header header;
	uint8_t *body;
	int first, second;

	fake_daemon_stop(fake);
	options.clients_max = 1;
	fake = fake_daemon_start(&options);
	first = raw_join(dial_tcp());
	second = dial_tcp();
	raw_hello(second, WIRE_VERSION);
	header = raw_get(second, &body);
	assert_int_equal(-EUSERS, header.status);
	assert_non_null(strstr((char *)body, "--max-clients"));
	free(body);
	raw_assert_dropped(second);
	(void)close(first);
	wait_for_clients(0);
	assert_still_serves();
}

static void crowd_of_strangers_has_a_limit(void **state)
{
	struct serve_options options = serve_defaults;
	int fds[8];

	fake_daemon_stop(fake);
	options.strangers_max = 4;
	fake = fake_daemon_start(&options);
	for (int i = 0; i < 8; i++)
		fds[i] = dial_unix();
	while (fake_daemon_stats(fake).turned_away != 4)
		(void)poll(NULL, 0, 5);
	assert_int_equal(4, fake_daemon_stats(fake).strangers);
	for (int i = 0; i < 8; i++)
		(void)close(fds[i]);
	while (fake_daemon_stats(fake).strangers)
		(void)poll(NULL, 0, 5);
	assert_still_serves();
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
	const struct CMUnitTest cases[] = {
		CASE(read_brings_the_right_bytes),
		CASE(largest_and_smallest_read_work),
		CASE(pipelined_reads_are_all_answered_once),
		CASE(frames_in_crumbs_are_understood),
		CASE(urgent_overtakes_bulk),
		CASE(refused_reads_say_why_and_go_on),
		CASE(long_tail_arrives_whole_between_reads),
		CASE(answers_may_come_late),
		CASE(late_answer_finds_nobody_after_the_client_left),
		CASE(stranger_may_only_say_hello),
		CASE(nil_is_answered_with_nothing),
		CASE(tcp_has_nothing_of_verbs),
		CASE(version_1_is_told_so),
		CASE(other_version_is_told_so),
		CASE(garbage_ends_only_its_own_connection),
		CASE(second_hello_is_refused),
		CASE(death_in_mid_frame_harms_nobody),
		CASE(client_that_never_reads_harms_nobody),
		CASE(stalled_and_silent_clients_are_dropped),
		CASE(more_clients_than_allowed_are_told_so),
		CASE(crowd_of_strangers_has_a_limit),
	};

	return cmocka_run_group_tests(cases, NULL, NULL);
}
