/* SPDX-License-Identifier: MIT */
/* test_relay.c - every byte comes, in order, and none before its time */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/io.h"
#include "tools/bench/place.h"
#include "tools/bench/relay.h"

#define DELAY_US   2000u
#define BULK_BYTES (12u << 20)
#define ROUNDS	   20

struct link {
	struct relay *relay;
	int near_fd, far_fd;
};

static void link_open(struct link *link, uint32_t delay_us)
{
	struct tcp_address address = {.host = "127.0.0.1"};
	struct sockaddr_in to = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int listener;

	assert_int_equal(place_listen(&address, &listener), 0);
	assert_int_equal(
		relay_open(place_port(listener), delay_us, &link->relay), 0);
	to.sin_port = htons(relay_port(link->relay));
	link->near_fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(
		connect(link->near_fd, (struct sockaddr *)&to, sizeof(to)), 0);
	link->far_fd = accept(listener, NULL, NULL);
	assert_true(link->far_fd >= 0);
	(void)close(listener);
}

static void link_close(struct link *link)
{
	(void)close(link->near_fd);
	(void)close(link->far_fd);
	relay_close(link->relay);
}

static void test_answer_is_late(void **state)
{
	struct link link;
	char byte = 'a';

	(void)state;
	link_open(&link, DELAY_US);
	for (int i = 0; i < ROUNDS; i++) {
		uint64_t start_ns = io_monotonic_ns();

		assert_int_equal(io_write_all(link.near_fd, "q", 1), 0);
		assert_int_equal(io_read_all(link.far_fd, &byte, 1), 0);
		assert_int_equal(byte, 'q');
		assert_true(io_monotonic_ns() - start_ns >= DELAY_US * 1000ull);
		assert_int_equal(io_write_all(link.far_fd, "a", 1), 0);
		assert_int_equal(io_read_all(link.near_fd, &byte, 1), 0);
		assert_int_equal(byte, 'a');
		assert_true(io_monotonic_ns() - start_ns >=
			    2 * DELAY_US * 1000ull);
	}
	link_close(&link);
}

static void *send_bulk(void *arg)
{
	uint32_t *words = malloc(BULK_BYTES);
	int fd = *(int *)arg;

	for (uint32_t i = 0; i < BULK_BYTES / 4; i++)
		words[i] = i * 2654435761u;
	if (io_write_all(fd, words, BULK_BYTES))
		free(words), words = NULL;
	(void)shutdown(fd, SHUT_WR);
	free(words);
	return NULL;
}

/* Much is under way at once, and the end comes behind all of it. */
static void test_bulk_is_whole(void **state)
{
	uint32_t *words = malloc(BULK_BYTES);
	struct link link;
	pthread_t sender;
	char byte;

	(void)state;
	link_open(&link, 300);
	assert_int_equal(
		pthread_create(&sender, NULL, send_bulk, &link.near_fd), 0);
	assert_int_equal(io_read_all(link.far_fd, words, BULK_BYTES), 0);
	for (uint32_t i = 0; i < BULK_BYTES / 4; i++)
		assert_int_equal(words[i], i * 2654435761u);
	assert_int_equal(read(link.far_fd, &byte, 1), 0);
	/* The other direction is still open. */
	assert_int_equal(io_write_all(link.far_fd, "z", 1), 0);
	assert_int_equal(io_read_all(link.near_fd, &byte, 1), 0);
	(void)pthread_join(sender, NULL);
	free(words);
	link_close(&link);
}

static void test_nobody_behind(void **state)
{
	struct tcp_address address = {.host = "127.0.0.1"};
	struct sockaddr_in to = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	struct relay *relay;
	int listener, fd;
	char byte;

	(void)state;
	assert_int_equal(place_listen(&address, &listener), 0);
	assert_int_equal(relay_open(place_port(listener), 1, &relay), 0);
	(void)close(listener);
	to.sin_port = htons(relay_port(relay));
	fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	assert_true(read(fd, &byte, 1) <= 0);
	(void)close(fd);
	relay_close(relay);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answer_is_late),
		cmocka_unit_test(test_bulk_is_whole),
		cmocka_unit_test(test_nobody_behind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
