/* SPDX-License-Identifier: MIT */
/*
 * test_tcp.c - opening over sockets, and far ends that misbehave
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/source.h"
#include "rdmafetch/tcp.h"
#include "tests/contract/fake_server.h"
#include "tests/contract/pattern.h"

#define PAGE	 4096u
#define PATIENCE 10000

static const struct wire_image image = {.name = "any"};
static char why[WIRE_WHY_MAX + 1];

static struct fake_server *start(const struct fake_server_options *options)
{
	struct fake_server *server = fake_server_start(options);

	assert_non_null(server);
	return server;
}

static int try_open(const struct fake_server *server, int timeout_ms,
		    struct transport **ret, struct tcp_opened *ret_opened)
{
	struct tcp_address address = fake_server_address(server);

	if (timeout_ms)
		address.timeout_ms = timeout_ms;
	return tcp_open(&address, &image, ret, ret_opened, why);
}

static struct transport *open_ok(const struct fake_server *server)
{
	struct transport *transport = NULL;
	struct tcp_opened opened;

	assert_int_equal(try_open(server, 0, &transport, &opened), 0);
	free(opened.desc);
	return transport;
}

/* ---- connecting ---- */

static struct tcp_address nowhere(void)
{
	struct tcp_address address = {.host = "127.0.0.1", .timeout_ms = 5000};
	struct sockaddr_in name = {.sin_family = AF_INET,
				   .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t len = sizeof(name);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	/* A port that was ours a moment ago: nobody listens there. */
	assert_int_equal(bind(fd, (struct sockaddr *)&name, len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&name, &len), 0);
	address.port = ntohs(name.sin_port);
	(void)close(fd);
	return address;
}

static void nobody_listening_is_econnrefused(void **state)
{
	struct tcp_address address = nowhere();
	struct tcp_control *control = NULL;

	assert_int_equal(tcp_control_open(&address, &control), -ECONNREFUSED);
	assert_null(control);
}

static void a_missing_unix_socket_is_enoent(void **state)
{
	struct tcp_address address = {.is_unix = true, .timeout_ms = 5000};
	struct tcp_control *control = NULL;

	(void)snprintf(address.host, sizeof(address.host),
		       "/tmp/no-such-dir-%d/socket", (int)getpid());
	assert_int_equal(tcp_control_open(&address, &control), -ENOENT);
	memset(address.host, 'x', 200);
	assert_int_equal(tcp_control_open(&address, &control), -ENAMETOOLONG);
}

static void an_impossible_host_is_enoent(void **state)
{
	struct tcp_address address = {
		.host = "no host at all", .port = 1, .timeout_ms = 5000};
	struct tcp_control *control = NULL;

	assert_int_equal(tcp_control_open(&address, &control), -ENOENT);
}

/* A listener that never accepts: the kernel connects, nobody says HELLO. */
static void a_silent_daemon_is_etimedout(void **state)
{
	struct fake_server_options options = {.hello = FAKE_SILENT};
	struct fake_server *server = start(&options);
	struct transport *transport = NULL;
	struct tcp_opened opened;

	assert_int_equal(try_open(server, 50, &transport, &opened), -ETIMEDOUT);
	assert_null(transport);
	fake_server_stop(server);
}

/* ---- HELLO and OPEN ---- */

static void check_open(struct fake_server_options options, int want)
{
	struct transport *transport = NULL;
	struct tcp_opened opened;

	for (int is_unix = 0; is_unix < 2; is_unix++) {
		struct fake_server *server;

		options.is_unix = is_unix;
		server = start(&options);
		/* Only who waits for nothing may be impatient. */
		assert_int_equal(try_open(server, want == -ETIMEDOUT ? 50 : 0,
					  &transport, &opened),
				 want);
		fake_server_stop(server);
	}
}

static void another_version_is_eprotonosupport(void **state)
{
	check_open((struct fake_server_options){.version = WIRE_VERSION + 1},
		   -EPROTONOSUPPORT);
}

static void a_hello_out_of_form_is_refused(void **state)
{
	static const struct {
		enum fake_garbage garbage;
		int want;
	} table[] = {
		{FAKE_BAD_MAGIC, -EPROTO},    {FAKE_BAD_TYPE, -EPROTO},
		{FAKE_NO_REPLY_BIT, -EPROTO}, {FAKE_UNKNOWN_ID, -EPROTO},
		{FAKE_BAD_LENGTH, -EPROTO},   {FAKE_LONG_WORDS, -EPROTO},
		{FAKE_HUGE_BODY, -EPROTO},    {FAKE_CUT, -ECONNRESET},
		{FAKE_SILENT, -ETIMEDOUT},    {FAKE_NOISE, -EPROTO},
		{FAKE_FAR, -EPROTO},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		check_open(
			(struct fake_server_options){.hello = table[i].garbage},
			table[i].want);
}

static void an_open_out_of_form_is_refused(void **state)
{
	static const struct {
		enum fake_garbage garbage;
		int want;
	} table[] = {
		{FAKE_BAD_MAGIC, -EPROTO},  {FAKE_BAD_TYPE, -EPROTO},
		{FAKE_UNKNOWN_ID, -EPROTO}, {FAKE_LONG_WORDS, -EPROTO},
		{FAKE_HUGE_BODY, -EPROTO},  {FAKE_CUT, -ECONNRESET},
		{FAKE_SILENT, -ETIMEDOUT},  {FAKE_SHORT, -EPROTO},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		check_open(
			(struct fake_server_options){.open = table[i].garbage},
			table[i].want);
}

static void a_refused_open_hands_on_the_words(void **state)
{
	check_open((struct fake_server_options){.open_status = -ENOENT},
		   -ENOENT);
	/* Without what could move a terminal's cursor. */
	assert_string_equal(why, "no image ?[1mof that name");
}

static void open_brings_the_descriptor_and_the_lease(void **state)
{
	struct fake_server_options options = {0};
	struct fake_server *server = start(&options);
	struct transport *transport = NULL;
	struct tcp_opened opened;

	assert_int_equal(try_open(server, 0, &transport, &opened), 0);
	assert_string_equal(opened.desc, fake_server_desc);
	assert_int_equal(opened.desc_bytes, strlen(fake_server_desc) + 1);
	assert_int_equal(opened.lease_s, 600);
	assert_string_equal(why, "");
	free(opened.desc);
	transport->ops->close(transport);
	fake_server_stop(server);
}

static void a_long_descriptor_arrives_whole(void **state)
{
	struct fake_server_options options = {.desc_bytes = 9u << 20};
	struct fake_server *server = start(&options);
	struct transport *transport = NULL;
	struct tcp_opened opened;

	assert_int_equal(try_open(server, 0, &transport, &opened), 0);
	assert_int_equal(opened.desc_bytes, options.desc_bytes);
	assert_true(pattern_is(9, 0, opened.desc, opened.desc_bytes));
	free(opened.desc);
	transport->ops->close(transport);
	fake_server_stop(server);
}

/* ---- control calls ---- */

static void control_calls_follow_each_other(void **state)
{
	struct fake_server_options options = {0};
	struct fake_server *server = start(&options);
	struct tcp_address address = fake_server_address(server);
	struct tcp_control *control = NULL;
	size_t bytes = 0;
	void *body;

	assert_int_equal(tcp_control_open(&address, &control), 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(tcp_control_call(control, WIRE_LIST, "echo", 4,
						  &body, &bytes, why),
				 0);
		assert_int_equal(bytes, 4);
		assert_memory_equal(body, "echo", 4);
		free(body);
	}
	assert_int_equal(tcp_control_call(control, WIRE_LIST, NULL, 0, &body,
					  &bytes, why),
			 0);
	assert_int_equal(bytes, 0);
	assert_null(body);
	assert_int_equal(
		tcp_control_call(control, WIRE_LIST, NULL, 0, NULL, NULL, why),
		0);
	assert_int_equal(tcp_control_call(control, WIRE_LIST, why,
					  WIRE_REQUEST_MAX + 1, NULL, NULL,
					  why),
			 -EMSGSIZE);
	tcp_control_close(control);
	fake_server_stop(server);
}

/* What comes after an answer out of form must not be taken for an answer. */
static void a_control_connection_ends_with_its_first_error(void **state)
{
	struct fake_server_options options = {.open = FAKE_BAD_TYPE};
	struct fake_server *server = start(&options);
	struct tcp_address address = fake_server_address(server);
	struct tcp_control *control = NULL;
	uint8_t body[WIRE_REQUEST_MAX];

	assert_int_equal(tcp_control_open(&address, &control), 0);
	assert_int_equal(tcp_control_call(control, WIRE_OPEN, body,
					  wire_put_image(body, &image), NULL,
					  NULL, why),
			 -EPROTO);
	assert_int_equal(
		tcp_control_call(control, WIRE_LIST, NULL, 0, NULL, NULL, why),
		-ENOTCONN);
	tcp_control_close(control);
	fake_server_stop(server);
}

/* ---- READs out of form ---- */

static int read_page(struct transport *transport, uint64_t nr, char *buf)
{
	struct transport_read read = {.object = SOURCE_MEMORY,
				      .len_bytes = PAGE,
				      .raddr = nr * PAGE,
				      .buf = buf,
				      .token = nr};
	struct transport_done done;

	assert_int_equal(transport->ops->submit(transport, &read, 1), 1);
	assert_int_equal(transport->ops->reap(transport, &done, 1, PATIENCE),
			 1);
	assert_int_equal(done.token, nr);
	return done.result;
}

/* The connection is of no more use, and says so to who polls it. */
static void check_broken(struct transport *transport)
{
	struct pollfd fd = {transport->ops->fd(transport), POLLIN, 0};
	char buf[PAGE];

	for (uint64_t nr = 0; nr < 3; nr++)
		assert_int_equal(read_page(transport, nr, buf), -EIO);
	assert_int_equal(poll(&fd, 1, 0), 1);
}

static void check_garbage(enum fake_garbage garbage, unsigned nr_sound)
{
	struct fake_server_options options = {.read = garbage,
					      .garbage_after = nr_sound};
	struct fake_server *server = start(&options);
	struct transport *transport = open_ok(server);
	char buf[PAGE];

	for (uint64_t nr = 0; nr < nr_sound; nr++) {
		assert_int_equal(read_page(transport, nr, buf), 0);
		assert_true(pattern_is(SOURCE_MEMORY, nr * PAGE, buf, PAGE));
	}
	check_broken(transport);
	transport->ops->close(transport);
	fake_server_stop(server);
}

static void a_read_out_of_form_breaks_the_connection(void **state)
{
	static const enum fake_garbage table[] = {
		FAKE_BAD_MAGIC,	 FAKE_BAD_TYPE,	  FAKE_NO_REPLY_BIT,
		FAKE_UNKNOWN_ID, FAKE_STALE_ID,	  FAKE_SHORT,
		FAKE_BAD_LENGTH, FAKE_LONG_WORDS, FAKE_HUGE_BODY,
		FAKE_CUT,	 FAKE_NOISE,	  FAKE_FAR,
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		check_garbage(table[i], 3);
}

/* So late that the answer's place is in use again, by another read. */
static void an_answer_to_an_old_read_is_not_taken_for_anothers(void **state)
{
	check_garbage(FAKE_STALE_ID, 256);
}

static void a_far_end_that_dies_breaks_the_connection(void **state)
{
	struct fake_server_options options = {.read = FAKE_SILENT};
	struct fake_server *server = start(&options);
	struct transport *transport = open_ok(server);
	struct transport_read read = {.object = SOURCE_MEMORY,
				      .len_bytes = PAGE};
	struct transport_done done;
	char buf[PAGE];

	read.buf = buf;
	assert_int_equal(transport->ops->submit(transport, &read, 1), 1);
	fake_server_stop(server);
	assert_int_equal(transport->ops->reap(transport, &done, 1, PATIENCE),
			 1);
	assert_int_equal(done.result, -EIO);
	assert_int_equal(read_page(transport, 1, buf), -EIO);
	transport->ops->close(transport);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(nobody_listening_is_econnrefused),
		cmocka_unit_test(a_missing_unix_socket_is_enoent),
		cmocka_unit_test(an_impossible_host_is_enoent),
		cmocka_unit_test(a_silent_daemon_is_etimedout),
		cmocka_unit_test(another_version_is_eprotonosupport),
		cmocka_unit_test(a_hello_out_of_form_is_refused),
		cmocka_unit_test(an_open_out_of_form_is_refused),
		cmocka_unit_test(a_refused_open_hands_on_the_words),
		cmocka_unit_test(open_brings_the_descriptor_and_the_lease),
		cmocka_unit_test(a_long_descriptor_arrives_whole),
		cmocka_unit_test(control_calls_follow_each_other),
		cmocka_unit_test(
			a_control_connection_ends_with_its_first_error),
		cmocka_unit_test(a_read_out_of_form_breaks_the_connection),
		cmocka_unit_test(
			an_answer_to_an_old_read_is_not_taken_for_anothers),
		cmocka_unit_test(a_far_end_that_dies_breaks_the_connection),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
