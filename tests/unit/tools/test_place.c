/* SPDX-License-Identifier: MIT */
/*
 * test_place.c - "HOST:PORT" as users write it
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tools/bench/place.h"

static void is(const char *text, const char *host, uint16_t port)
{
	struct tcp_address address = {.is_unix = true};

	assert_int_equal(place_parse(text, 7373, &address), 0);
	assert_string_equal(address.host, host);
	assert_int_equal(address.port, port);
	assert_false(address.is_unix);
}

static void is_not(const char *text)
{
	struct tcp_address address = {.port = 99};

	assert_true(place_parse(text, 7373, &address) < 0);
	assert_int_equal(address.port, 99); /* left alone */
}

static void places(void **state)
{
	is("host", "host", 7373);
	is("host:1", "host", 1);
	is("10.0.0.1:65535", "10.0.0.1", 65535);
	is("[::1]", "::1", 7373);
	is("[fe80::1%eth0]:80", "fe80::1%eth0", 80);
	is("host:0", "host", 0);
}

static void no_places(void **state)
{
	char longest[PARSE_HOST_MAX + 2];

	is_not("");
	is_not(":80");
	is_not("[]");
	is_not("[::1");
	is_not("[::1]80");
	is_not("::1"); /* which colon would it be */
	is_not("host:");
	is_not("host:65536");
	is_not("host:8x");
	is_not("host: 8");
	memset(longest, 'a', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	is_not(longest);
	longest[PARSE_HOST_MAX] = '\0';
	is(longest, longest, 7373);
}

static void protos(void **state)
{
	enum verbs_completion completion = VERBS_ADAPTIVE;
	enum place_proto proto = PLACE_LOCAL;

	assert_int_equal(place_completion_parse("events", &completion), 0);
	assert_int_equal(completion, VERBS_EVENTS);
	assert_true(place_completion_parse("event", &completion) < 0);
	assert_int_equal(place_proto_parse("rdma", &proto), 0);
	assert_int_equal(proto, PLACE_RDMA);
	assert_string_equal(place_proto_name(proto), "rdma");
	assert_true(place_proto_parse("rdma ", &proto) < 0);
	assert_true(place_proto_parse("", &proto) < 0);
}

static void a_listener_says_where_it_is(void **state)
{
	struct tcp_address address, again;
	char text[PLACE_TEXT_MAX];
	int fd;

	assert_int_equal(place_parse("127.0.0.1:0", 1, &address), 0);
	assert_int_equal(place_listen(&address, &fd), 0);
	place_text(fd, text);
	assert_int_equal(place_parse(text, 0, &again), 0);
	assert_string_equal(again.host, "127.0.0.1");
	assert_true(again.port != 0);
	(void)close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(places),
		cmocka_unit_test(no_places),
		cmocka_unit_test(protos),
		cmocka_unit_test(a_listener_says_where_it_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
