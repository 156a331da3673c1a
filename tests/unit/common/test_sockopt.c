/* SPDX-License-Identifier: MIT */
/*
 * test_sockopt.c - the table of options against itself, and against the
 * kernel's fresh sockets
 */
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/sockopt.h"

static void each_row_is_one_option_and_fits(void **state)
{
	const struct sockopt *row;

	for (unsigned i = 0; (row = sockopt_at(i)); i++) {
		const struct image_option option = {.level = row->level,
						    .name = row->name};

		assert_ptr_equal(sockopt_of(&option), row);
		assert_in_range(row->bytes, 4, IMAGE_OPTION_BYTES_MAX);
		if (row->usual_text)
			assert_true(strlen(row->usual_text) < row->bytes);
	}
}

static void what_is_not_in_it_is_not_found(void **state)
{
	const struct image_option filter = {.level = SOL_SOCKET,
					    .name = SO_ATTACH_FILTER};
	const struct image_option level = {.level = 255, .name = SO_BROADCAST};

	assert_null(sockopt_of(&filter));
	assert_null(sockopt_of(&level));
}

static bool has_row(int level, int domain, int protocol)
{
	const struct sockopt *row;

	for (unsigned i = 0; (row = sockopt_at(i)); i++)
		if (row->level == level)
			return sockopt_applies(row, domain, protocol);
	return false;
}

static void a_kind_of_socket_has_its_levels(void **state)
{
	assert_true(has_row(SOL_SOCKET, AF_UNIX, 0));
	assert_false(has_row(IPPROTO_IP, AF_UNIX, 0));
	assert_true(has_row(IPPROTO_IP, AF_INET, IPPROTO_UDP));
	assert_true(has_row(IPPROTO_IP, AF_INET6, IPPROTO_UDP));
	assert_true(has_row(IPPROTO_IPV6, AF_INET6, IPPROTO_TCP));
	assert_false(has_row(IPPROTO_IPV6, AF_INET, IPPROTO_TCP));
	assert_true(has_row(IPPROTO_TCP, AF_INET, IPPROTO_TCP));
	assert_false(has_row(IPPROTO_TCP, AF_INET, IPPROTO_UDP));
	assert_true(has_row(IPPROTO_UDP, AF_INET6, IPPROTO_UDP));
	/* Numbers of protocols mean something else in other families. */
	assert_false(has_row(IPPROTO_TCP, AF_UNIX, IPPROTO_TCP));
}

/* What an administrator may have turned for all sockets. */
static bool has_sysctl(const char *word)
{
	static const char *const words[] = {
		"SO_BUSY_POLL",	     "IP_TTL",
		"IP_MTU_DISCOVER",   "IPV6_UNICAST_HOPS",
		"TCP_KEEPIDLE",	     "TCP_KEEPINTVL",
		"TCP_KEEPCNT",	     "TCP_SYNCNT",
		"TCP_LINGER2",	     "TCP_CONGESTION",
		"TCP_NOTSENT_LOWAT",
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (!strcmp(words[i], word))
			return true;
	return false;
}

static void check_fresh(int domain, int type, int protocol)
{
	int sock = socket(domain, type, protocol), nr = 0;
	const struct sockopt *row;
	struct image_option option;

	if (sock < 0 && errno == EAFNOSUPPORT)
		return;
	assert_true(sock >= 0);
	for (unsigned i = 0; (row = sockopt_at(i)); i++) {
		if (!sockopt_applies(row, domain, protocol) ||
		    sockopt_read(sock, row, &option))
			continue;
		nr++;
		assert_int_equal(option.bytes, row->bytes);
		if (row->how == SOCKOPT_BUFFER)
			assert_false(sockopt_is_usual(row, &option));
		else if (!has_sysctl(row->word) &&
			 !sockopt_is_usual(row, &option))
			fail_msg("a fresh socket (%d, %d) has another %s",
				 domain, type, row->word);
	}
	assert_true(nr > 10);
	(void)close(sock);
}

static void a_fresh_socket_is_usual(void **state)
{
	check_fresh(AF_UNIX, SOCK_STREAM, 0);
	check_fresh(AF_UNIX, SOCK_DGRAM, 0);
	check_fresh(AF_INET, SOCK_STREAM, IPPROTO_TCP);
	check_fresh(AF_INET, SOCK_DGRAM, IPPROTO_UDP);
	check_fresh(AF_INET6, SOCK_STREAM, IPPROTO_TCP);
	check_fresh(AF_INET6, SOCK_DGRAM, IPPROTO_UDP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_row_is_one_option_and_fits),
		cmocka_unit_test(what_is_not_in_it_is_not_found),
		cmocka_unit_test(a_kind_of_socket_has_its_levels),
		cmocka_unit_test(a_fresh_socket_is_usual),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
