/* SPDX-License-Identifier: MIT */
/*
 * test_serve_client.c - a loader that serves hears what there is, and waits for
 * nobody
 *
 * All is done by one thread, so whatever waited would wait for ever.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/io.h"
#include "loader/serve_client.h"

#define BODY "a body"
#define FAR  30000000000ull /* ns: later than anybody waits */

static uint8_t room[ASK_BODY_MAX + 1];
static struct serve_client *client;
static int sock; /* the client's own end */

static void send_head(enum ask_type type, int32_t value, uint32_t body_bytes)
{
	const struct ask_head head = {
		.magic = ASK_MAGIC,
		.type = type,
		.value = value,
		.body_bytes = body_bytes,
	};
	const int fds[] = {0, 1, 2};

	assert_int_equal(
		io_send_fds(sock, &head, sizeof(head), fds, body_bytes ? 3 : 0),
		0);
}

static enum serve_heard hear(void)
{
	int signo;

	return serve_client_hear(client, room, &signo);
}

static void ask(void)
{
	send_head(ASK_CHILDREN, 0, sizeof(BODY));
	assert_int_equal(hear(), SERVE_HEARD_PART);
	assert_int_equal(io_send_fds(sock, BODY, sizeof(BODY), NULL, 0), 0);
	assert_int_equal(hear(), SERVE_HEARD_REQUEST);
}

static void test_a_request_comes_in_parts(void **state)
{
	send_head(ASK_CHILDREN, 0, sizeof(BODY));
	assert_int_equal(hear(), SERVE_HEARD_PART);
	assert_false(client->asked);
	assert_int_equal(io_send_fds(sock, BODY, sizeof(BODY), NULL, 0), 0);
	assert_int_equal(hear(), SERVE_HEARD_REQUEST);
	assert_true(client->asked);
	assert_int_equal(client->request.nr_fds, 3);
	assert_int_equal(client->request.head.body_bytes, sizeof(BODY));
	assert_memory_equal(client->request.received, BODY, sizeof(BODY));
}

static void test_signals_may_come_any_time(void **state)
{
	int signo = 0;

	send_head(ASK_SIGNAL, 10, 0);
	assert_int_equal(serve_client_hear(client, room, &signo),
			 SERVE_HEARD_SIGNAL);
	assert_int_equal(signo, 10);
	ask();
	send_head(ASK_SIGNAL, 12, 0);
	assert_int_equal(serve_client_hear(client, room, &signo),
			 SERVE_HEARD_SIGNAL);
	assert_int_equal(signo, 12);
}

static void test_a_part_of_a_packet_is_an_end(void **state)
{
	assert_int_equal(io_send_fds(sock, "head", 4, NULL, 0), 0);
	assert_int_equal(hear(), SERVE_HEARD_END);
}

static void test_a_part_of_a_body_is_an_end(void **state)
{
	send_head(ASK_CHILDREN, 0, sizeof(BODY));
	assert_int_equal(hear(), SERVE_HEARD_PART);
	assert_int_equal(io_send_fds(sock, BODY, 2, NULL, 0), 0);
	assert_int_equal(hear(), SERVE_HEARD_END);
}

static void test_one_request_is_all(void **state)
{
	ask();
	send_head(ASK_CHILDREN, 0, sizeof(BODY));
	assert_int_equal(hear(), SERVE_HEARD_END);
}

static void test_who_goes_in_between_has_gone(void **state)
{
	send_head(ASK_CHILDREN, 0, sizeof(BODY));
	assert_int_equal(hear(), SERVE_HEARD_PART);
	(void)close(sock);
	assert_int_equal(hear(), SERVE_HEARD_END);
}

static void test_a_request_may_be_late(void **state)
{
	uint64_t now_ns = io_monotonic_ns();

	assert_true(serve_client_wait_ms(client, now_ns) > 0);
	assert_int_equal(serve_client_wait_ms(client, now_ns + FAR), 0);
	send_head(ASK_CHILDREN, 0, sizeof(BODY));
	assert_int_equal(hear(), SERVE_HEARD_PART);
	assert_int_equal(serve_client_wait_ms(client, now_ns + FAR), 0);
	assert_int_equal(io_send_fds(sock, BODY, sizeof(BODY), NULL, 0), 0);
	assert_int_equal(hear(), SERVE_HEARD_REQUEST);
	assert_int_equal(serve_client_wait_ms(client, now_ns + FAR), -1);
}

/* One that is refused, or whose children have ended, has a while to go. */
static void test_who_has_been_told_all_goes(void **state)
{
	uint64_t now_ns = io_monotonic_ns();

	ask();
	client->nr_untold = 1;
	client->over = true;
	assert_int_equal(serve_client_wait_ms(client, now_ns + FAR), -1);
	client->nr_untold = 0;
	assert_true(serve_client_wait_ms(client, now_ns + FAR) > 0);
	assert_int_equal(serve_client_wait_ms(client, now_ns + 2 * FAR), 0);
}

/* What a child left running has a place, and the request that goes with it. */
static void test_the_last_place_frees_it(void **state)
{
	struct serve_client *left;
	int ends[2];
	char byte;

	assert_int_equal(
		socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	left = serve_client_new(ends[1]);
	assert_non_null(left);
	left->nr_live = 2;
	serve_client_leave(left);
	serve_client_unplace(left);
	assert_int_equal(left->nr_live, 1);
	serve_client_unplace(left);
	assert_int_equal(recv(ends[0], &byte, 1, 0), 0);
	(void)close(ends[0]);
}

/* A thousand children are told of; who then reads nothing for ever is cut. */
static void test_who_reads_nothing_is_cut_off(void **state)
{
	unsigned nr = 0;

	while (client->sock >= 0 && nr < 1000000) {
		serve_client_tell(client, ASK_ENDED, nr++, 0);
		if (!geteuid())
			assert_true(client->sock >= 0 || nr > ASK_NR_MAX);
	}
	assert_int_equal(client->sock, -1);
}

static int set_up(void **state)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
		return -1;
	sock = ends[0];
	client = serve_client_new(ends[1]);
	return client ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)close(sock);
	serve_client_free(client);
	return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_request_comes_in_parts),
		TEST(test_signals_may_come_any_time),
		TEST(test_a_part_of_a_packet_is_an_end),
		TEST(test_a_part_of_a_body_is_an_end),
		TEST(test_one_request_is_all),
		TEST(test_who_goes_in_between_has_gone),
		TEST(test_a_request_may_be_late),
		TEST(test_who_has_been_told_all_goes),
		TEST(test_the_last_place_frees_it),
		TEST(test_who_reads_nothing_is_cut_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
