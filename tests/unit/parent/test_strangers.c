/* SPDX-License-Identifier: MIT */
/* test_strangers.c - who is turned away stands in the log, but not too often */
#include "parent/strangers.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define NS_PER_S 1000000000ull

static char last[LOGBOOK_LINE_MAX];
static unsigned nr;

static void say(const char *line)
{
	strcpy(last, line);
	nr++;
}

static void the_line_says_who_and_why(void **state)
{
	struct logbook strangers = {say, STRANGERS_PER_S_MAX, 0, 0, 0};
	struct sockaddr_in in = {.sin_family = AF_INET,
				 .sin_addr = {htonl(INADDR_LOOPBACK)}};
	int listening = socket(AF_INET, SOCK_STREAM, 0), fds[2], near, far;
	socklen_t len = sizeof(in);
	char wanted[64];

	assert_int_equal(0, bind(listening, (struct sockaddr *)&in, len));
	assert_int_equal(0, listen(listening, 1));
	assert_int_equal(0,
			 getsockname(listening, (struct sockaddr *)&in, &len));
	far = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(0, connect(far, (struct sockaddr *)&in, len));
	near = accept(listening, NULL, NULL);
	assert_int_equal(0, getsockname(far, (struct sockaddr *)&in, &len));
	strangers_turned_away(&strangers, near, "no key", 1);
	(void)snprintf(wanted, sizeof(wanted),
		       "turned away 127.0.0.1:%u: no key", ntohs(in.sin_port));
	assert_string_equal(wanted, last);
	strangers_turned_away(&strangers, -1, "no key", 2);
	assert_string_equal("turned away a client: no key", last);
	assert_int_equal(0, socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
	strangers_turned_away(&strangers, fds[0], "no key", 3);
	assert_string_equal("turned away a client of this host: no key", last);
	(void)close(fds[0]);
	(void)close(fds[1]);
	(void)close(near);
	(void)close(far);
	(void)close(listening);
}

static void many_are_counted_and_not_told(void **state)
{
	struct logbook strangers = {say, STRANGERS_PER_S_MAX, 0, 0, 0};

	nr = 0;
	for (unsigned i = 0; i < 1000; i++)
		strangers_turned_away(&strangers, -1, "no", NS_PER_S + i);
	assert_int_equal(STRANGERS_PER_S_MAX, nr);
	strangers_turned_away(&strangers, -1, "no", 3 * NS_PER_S);
	assert_int_equal(STRANGERS_PER_S_MAX + 1, nr);
	assert_string_equal("turned away a client: no (and 995 before)", last);
	strangers_turned_away(&strangers, -1, "no", 3 * NS_PER_S);
	assert_string_equal("turned away a client: no", last);
}

static void nobody_listens(void **state)
{
	struct logbook strangers = {.say = NULL};

	strangers_turned_away(&strangers, -1, "no", 1);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_line_says_who_and_why),
		cmocka_unit_test(many_are_counted_and_not_told),
		cmocka_unit_test(nobody_listens),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
