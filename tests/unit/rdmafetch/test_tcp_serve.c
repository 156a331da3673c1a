/* SPDX-License-Identifier: MIT */
/* test_tcp_serve.c - the serving end against good and bad clients */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/io.h"
#include "fake_daemon.h"

#define HANDLE		 7u
#define READER_TIMEOUT_S 20

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

/* A broken server must fail the test, not hang it. */
static int with_timeout(int fd)
{
	struct timeval limit = {.tv_sec = READER_TIMEOUT_S};

	assert_int_equal(0, setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit,
				       sizeof(limit)));
	assert_int_equal(0, setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit,
				       sizeof(limit)));
	return fd;
}

static int dial_tcp(void)
{
	struct sockaddr_in in = {
		.sin_family = AF_INET,
		.sin_port = htons(fake_daemon_port(fake)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(0, connect(fd, (struct sockaddr *)&in, sizeof(in)));
	return with_timeout(fd);
}

static int dial_unix(void)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(un.sun_path, fake_daemon_path(fake));
	assert_int_equal(0, connect(fd, (struct sockaddr *)&un, sizeof(un)));
	return with_timeout(fd);
}

static void ask(int fd, struct wire_header header, const void *body)
{
	uint8_t out[WIRE_HEADER_BYTES + WIRE_REQUEST_MAX];

	wire_put_header(out, &header);
	if (header.body_bytes)
		memcpy(out + WIRE_HEADER_BYTES, body, header.body_bytes);
	assert_int_equal(
		0,
		io_write_all(fd, out, WIRE_HEADER_BYTES + header.body_bytes));
}

/* The next reply; its body is the caller's to free. */
static struct wire_header get(int fd, uint8_t **ret_body)
{
	uint8_t in[WIRE_HEADER_BYTES];
	struct wire_header header;

	assert_int_equal(0, io_read_all(fd, in, sizeof(in)));
	assert_int_equal(0, wire_get_header(in, WIRE_REPLY_MAX, &header));
	assert_true(header.flags & WIRE_REPLY);
	*ret_body = malloc(header.body_bytes + 1);
	assert_non_null(*ret_body);
	assert_int_equal(0, io_read_all(fd, *ret_body, header.body_bytes));
	(*ret_body)[header.body_bytes] = 0;
	return header;
}

static void say_hello(int fd, uint32_t version)
{
	const struct wire_hello hello = {.version = version};
	uint8_t body[WIRE_REQUEST_MAX];
	struct wire_header header = {.type = WIRE_HELLO, .id = 1};

	header.body_bytes = (uint32_t)wire_put_hello(body, &hello);
	ask(fd, header, body);
}

static int join(int fd)
{
	uint8_t *body;
	struct wire_header header;

	say_hello(fd, WIRE_VERSION);
	header = get(fd, &body);
	assert_int_equal(WIRE_HELLO, header.type);
	assert_int_equal(0, header.status);
	free(body);
	return fd;
}

static size_t put_read(uint8_t *out, uint32_t id, uint16_t flags,
		       struct wire_read read)
{
	struct wire_header header = {
		.type = WIRE_READ, .flags = flags, .id = id};

	header.body_bytes =
		(uint32_t)wire_put_read(out + WIRE_HEADER_BYTES, &read);
	wire_put_header(out, &header);
	return WIRE_HEADER_BYTES + header.body_bytes;
}

static void ask_read(int fd, uint32_t id, uint16_t flags, struct wire_read read)
{
	uint8_t out[WIRE_HEADER_BYTES + WIRE_REQUEST_MAX];

	assert_int_equal(0,
			 io_write_all(fd, out, put_read(out, id, flags, read)));
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

/* The server hung up: end of file, or a reset when it left bytes unread. */
static void assert_dropped(int fd)
{
	char byte;
	ssize_t got = recv(fd, &byte, 1, 0);

	assert_true(got == 0 || (got < 0 && errno == ECONNRESET));
	(void)close(fd);
}

static void assert_still_serves(void)
{
	int fd = join(dial_tcp());
	uint8_t *body;

	ask_read(fd, 9, 0, pages(0x5000, 4096));
	assert_int_equal(0, get(fd, &body).status);
	assert_pages(body, 0x5000, 4096);
	free(body);
	(void)close(fd);
}

static void read_brings_the_right_bytes(void **state)
{
	const int fds[] = {join(dial_tcp()), join(dial_unix())};
	struct wire_header header;
	uint8_t *body;

	for (int i = 0; i < 2; i++) {
		ask_read(fds[i], 5, WIRE_URGENT, pages(0x7000, 8192));
		header = get(fds[i], &body);
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
	int fd = join(dial_unix());
	uint8_t *body;

	ask_read(fd, 1, 0, pages(0x10000, WIRE_READ_MAX));
	assert_int_equal(WIRE_READ_MAX, get(fd, &body).body_bytes);
	assert_pages(body, 0x10000, WIRE_READ_MAX);
	free(body);
	ask_read(fd, 2, 0, tiny);
	assert_int_equal(1, get(fd, &body).body_bytes);
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
	int fd = join(dial_tcp());
	size_t len = 0;
	uint8_t *body;

	for (uint32_t i = 0; i < NR; i++)
		len += put_read(out + len, i, i % 3 ? 0 : WIRE_URGENT,
				pages(i * 4096ull, 4096));
	assert_int_equal(0, io_write_all(fd, out, len));
	for (uint32_t i = 0; i < NR; i++) {
		header = get(fd, &body);
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
	size_t len = put_read(out, 3, 0, pages(0x9000, 4096));
	int fd = join(dial_tcp());

	for (size_t i = 0; i < len; i++)
		assert_int_equal(0, io_write_all(fd, out + i, 1));
	assert_int_equal(3, get(fd, &body).id);
	assert_pages(body, 0x9000, 4096);
	free(body);
	(void)close(fd);
}

static void urgent_overtakes_bulk(void **state)
{
	enum { BULK = 200 };
	static uint8_t out[(BULK + 1) * 64];
	int fd = join(dial_tcp());
	size_t len = 0;
	uint8_t *body;
	uint32_t id, before = 0;

	for (uint32_t i = 0; i < BULK; i++)
		len += put_read(out + len, i, 0, pages(i << 16, 65536));
	len += put_read(out + len, 1000, WIRE_URGENT, pages(0x3000, 4096));
	assert_int_equal(0, io_write_all(fd, out, len));
	for (uint32_t i = 0; i <= BULK; i++) {
		id = get(fd, &body).id;
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
	int fd = join(dial_unix());
	struct wire_read unknown = pages(0x1000, 4096);
	struct wire_header header;
	uint8_t *body;

	unknown.handle = 8;
	ask_read(fd, 1, 0, unknown);
	assert_int_equal(-EBADF, get(fd, &body).status);
	assert_non_null(strstr((char *)body, "OPEN first"));
	free(body);
	ask_read(fd, 2, 0, pages(FAKE_BAD_RADDR, 4096));
	header = get(fd, &body);
	assert_int_equal(-EIO, header.status);
	assert_true(header.body_bytes > 0);
	free(body);
	fake_daemon_withdraw(fake);
	ask_read(fd, 3, WIRE_URGENT, pages(0x1000, 4096));
	assert_int_equal(-ESTALE, get(fd, &body).status);
	free(body);
	(void)close(fd);
}

static void long_tail_arrives_whole_between_reads(void **state)
{
	struct wire_header open = {.type = WIRE_OPEN, .id = 2};
	const struct wire_image image = {.name = "img"};
	struct wire_opened opened;
	uint8_t body[WIRE_REQUEST_MAX], *got;
	int fd = join(dial_tcp());
	int nr_reads = 0;

	open.body_bytes = (uint32_t)wire_put_image(body, &image);
	ask_read(fd, 1, 0, pages(0x1000, 4096));
	ask(fd, open, body);
	ask_read(fd, 3, 0, pages(0x1000, 4096));
	for (int i = 0; i < 3; i++) {
		struct wire_header header = get(fd, &got);

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
	int fd = join(dial_tcp());

	header.body_bytes = (uint32_t)wire_put_prepare(body, &prepare);
	ask(fd, header, body);
	ask_read(fd, 2, 0, pages(0x1000, 4096));
	assert_int_equal(2, get(fd, &got).id);
	free(got);
	assert_int_equal(1, fake_daemon_answer(fake));
	assert_int_equal(77, get(fd, &got).id);
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
	int fd = join(dial_tcp());

	header.body_bytes = (uint32_t)wire_put_prepare(body, &prepare);
	ask(fd, header, body);
	while (fake_daemon_stats(fake).requests != 2)
		(void)poll(NULL, 0, 5);
	(void)close(fd);
	wait_for_clients(0);
	other.fd = join(dial_tcp()); /* takes the same slot */
	other.events = POLLIN;
	assert_int_equal(0, fake_daemon_answer(fake));
	assert_int_equal(0, poll(&other, 1, 20));
	(void)close(other.fd);
}

static void stranger_may_only_say_hello(void **state)
{
	int fd = dial_tcp();

	ask_read(fd, 1, 0, pages(0x1000, 4096));
	assert_dropped(fd);
	assert_still_serves();
}

static void other_version_is_told_so(void **state)
{
	int fd = dial_unix();
	struct wire_header header;
	uint8_t *body;

	say_hello(fd, WIRE_VERSION + 1);
	header = get(fd, &body);
	assert_int_equal(-EPROTONOSUPPORT, header.status);
	assert_non_null(strstr((char *)body, "version"));
	free(body);
	assert_dropped(fd);
	assert_still_serves();
}

static void garbage_ends_only_its_own_connection(void **state)
{
	static const char http[] = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
	uint8_t frame[WIRE_HEADER_BYTES];
	struct wire_header header = {.type = WIRE_LIST};
	int fd = dial_tcp();

	assert_int_equal(0, io_write_all(fd, http, sizeof(http)));
	assert_dropped(fd);

	header.body_bytes = WIRE_REQUEST_MAX + 1;
	wire_put_header(frame, &header);
	fd = join(dial_tcp());
	assert_int_equal(0, io_write_all(fd, frame, sizeof(frame)));
	assert_dropped(fd);

	header.body_bytes = 0;
	header.flags = WIRE_REPLY;
	wire_put_header(frame, &header);
	fd = join(dial_tcp());
	assert_int_equal(0, io_write_all(fd, frame, sizeof(frame)));
	assert_dropped(fd);
	assert_still_serves();
	assert_true(fake_daemon_stats(fake).broken >= 3);
}

static void second_hello_is_refused(void **state)
{
	int fd = join(dial_tcp());

	say_hello(fd, WIRE_VERSION);
	assert_dropped(fd);
}

static void death_in_mid_frame_harms_nobody(void **state)
{
	uint8_t out[128];
	size_t len = put_read(out, 3, 0, pages(0x9000, 4096));

	for (size_t cut = 1; cut < len; cut += 5) {
		int fd = join(dial_unix());

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
	int fd = join(dial_tcp());
	size_t len;

	for (uint32_t i = 0; i < NR; i++) {
		len = put_read(out, i, 0, pages(0, WIRE_READ_MAX));
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
	struct tcp_serve_options options = tcp_serve_defaults;
	uint8_t out[64];
	int silent, stalled;

	fake_daemon_stop(fake);
	options.hello_ms = 50;
	options.stall_ms = 50;
	fake = fake_daemon_start(&options);
	silent = dial_tcp();
	stalled = join(dial_tcp());
	for (uint32_t i = 0; i < 32; i++)
		assert_int_equal(0, io_write_all(stalled, out,
						 put_read(out, i, 0,
							  pages(0, 1 << 20))));
	wait_for_clients(0);
	assert_dropped(silent);
	(void)close(stalled);
	assert_still_serves();
}

static void more_clients_than_allowed_are_told_so(void **state)
{
	struct tcp_serve_options options = tcp_serve_defaults;
	struct wire_header header;
	uint8_t *body;
	int first, second;

	fake_daemon_stop(fake);
	options.clients_max = 1;
	fake = fake_daemon_start(&options);
	first = join(dial_tcp());
	second = dial_tcp();
	say_hello(second, WIRE_VERSION);
	header = get(second, &body);
	assert_int_equal(-EUSERS, header.status);
	assert_non_null(strstr((char *)body, "--max-clients"));
	free(body);
	assert_dropped(second);
	(void)close(first);
	wait_for_clients(0);
	assert_still_serves();
}

static void crowd_of_strangers_has_a_limit(void **state)
{
	struct tcp_serve_options options = tcp_serve_defaults;
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
