/* SPDX-License-Identifier: MIT */
/*
 * test_fdoption.c - what one socket has, another gets
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

#include "loader/fdoption.h"

static struct image_option options[IMAGE_OPTIONS_MAX];
static struct image_fd fd;
static char told[512];

static void set(int sock, int level, int name, int value)
{
	if (setsockopt(sock, level, name, &value, sizeof(value)))
		fail_msg("%d, %d: %s", level, name, strerror(errno));
}

/* @sock as the parent would have it in an image. */
static void take(int sock, int domain, int type, int protocol)
{
	const struct sockopt *row;

	fd = (struct image_fd){.fd = 7,
			       .kind = IMAGE_FD_LISTENER,
			       .domain = domain,
			       .type = type,
			       .protocol = protocol,
			       .options = options};
	for (unsigned i = 0; (row = sockopt_at(i)); i++)
		if (sockopt_applies(row, domain, protocol) &&
		    !sockopt_read(sock, row, &options[fd.nr_options]) &&
		    !sockopt_is_usual(row, &options[fd.nr_options]))
			fd.nr_options++;
}

static void take_one(int level, int name, const void *value)
{
	fd = (struct image_fd){.fd = 7,
			       .kind = IMAGE_FD_LISTENER,
			       .domain = AF_INET,
			       .type = SOCK_STREAM,
			       .protocol = IPPROTO_TCP,
			       .options = options,
			       .nr_options = 1};
	options[0] = (struct image_option){.level = level, .name = name};
	options[0].bytes = sockopt_of(&options[0])->bytes;
	memcpy(options[0].value, value, options[0].bytes);
}

static void assert_alike(int a, int b)
{
	const struct sockopt *row;
	struct image_option left, right;

	for (unsigned i = 0; (row = sockopt_at(i)); i++) {
		int error = sockopt_read(a, row, &left);

		assert_int_equal(sockopt_read(b, row, &right), error);
		if (!error && memcmp(&left, &right, sizeof(left)))
			fail_msg("%s differs", row->word);
	}
}

static void check_copy(int from, int domain, int type, int protocol)
{
	const struct sockopt *refused = NULL;
	int to = socket(domain, type, protocol);

	take(from, domain, type, protocol);
	if (fdoption_set(to, &fd, &refused))
		fail_msg("%s is refused", refused->word);
	assert_alike(from, to);
	(void)close(from);
	(void)close(to);
}

static void set_common(int sock)
{
	const struct timeval timeout = {.tv_sec = 7, .tv_usec = 4000};
	const struct linger linger = {.l_onoff = 1, .l_linger = 3};

	assert_false(setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &timeout,
				sizeof(timeout)));
	assert_false(setsockopt(sock, SOL_SOCKET, SO_LINGER, &linger,
				sizeof(linger)));
	set(sock, SOL_SOCKET, SO_RCVBUF, 7000);
	set(sock, SOL_SOCKET, SO_SNDBUF, 9000);
	set(sock, SOL_SOCKET, SO_KEEPALIVE, 1);
	set(sock, SOL_SOCKET, SO_PRIORITY, 3);
	set(sock, SOL_SOCKET, SO_TIMESTAMPNS, 1);
}

static void a_tcp_socket_is_copied(void **state)
{
	int sock = socket(AF_INET, SOCK_STREAM, 0);

	set_common(sock);
	set(sock, SOL_SOCKET, SO_OOBINLINE, 1);
	set(sock, IPPROTO_IP, IP_FREEBIND, 1);
	set(sock, IPPROTO_IP, IP_TOS, 0x10);
	set(sock, IPPROTO_TCP, TCP_NODELAY, 1);
	set(sock, IPPROTO_TCP, TCP_DEFER_ACCEPT, 30);
	set(sock, IPPROTO_TCP, TCP_KEEPIDLE, 11);
	set(sock, IPPROTO_TCP, TCP_KEEPINTVL, 12);
	set(sock, IPPROTO_TCP, TCP_KEEPCNT, 3);
	set(sock, IPPROTO_TCP, TCP_USER_TIMEOUT, 12345);
	set(sock, IPPROTO_TCP, TCP_MAXSEG, 1000);
	set(sock, IPPROTO_TCP, TCP_LINGER2, -1);
	assert_false(setsockopt(sock, IPPROTO_TCP, TCP_CONGESTION, "reno", 4));
	check_copy(sock, AF_INET, SOCK_STREAM, IPPROTO_TCP);
}

static void a_udp_socket_is_copied(void **state)
{
	int sock = socket(AF_INET6, SOCK_DGRAM, 0);

	if (sock < 0)
		skip(); /* without IPv6 */
	set_common(sock);
	set(sock, SOL_SOCKET, SO_BROADCAST, 1);
	set(sock, IPPROTO_IP, IP_PKTINFO, 1);
	set(sock, IPPROTO_IP, IP_RECVERR, 1);
	set(sock, IPPROTO_IP, IP_TTL, 9);
	set(sock, IPPROTO_IP, IP_MULTICAST_TTL, 0);
	set(sock, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO);
	set(sock, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
	set(sock, IPPROTO_IPV6, IPV6_UNICAST_HOPS, 8);
	set(sock, IPPROTO_IPV6, IPV6_TCLASS, 0x20);
	set(sock, IPPROTO_IPV6, IPV6_RECVTCLASS, 1);
	set(sock, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, 0);
	set(sock, IPPROTO_UDP, UDP_SEGMENT, 1200);
	set(sock, IPPROTO_UDP, UDP_GRO, 1);
	check_copy(sock, AF_INET6, SOCK_DGRAM, IPPROTO_UDP);
}

static void a_unix_socket_is_copied(void **state)
{
	int sock = socket(AF_UNIX, SOCK_SEQPACKET, 0);

	set_common(sock);
	set(sock, SOL_SOCKET, SO_PASSCRED, 1);
	check_copy(sock, AF_UNIX, SOCK_SEQPACKET, 0);
}

/* It would hear whom it must not hear. */
static void a_device_that_is_not_there_is_refused(void **state)
{
	const struct sockopt *refused = NULL;
	int sock = socket(AF_INET, SOCK_STREAM, 0);

	take_one(SOL_SOCKET, SO_BINDTODEVICE, "no-such-device\0");
	assert_int_equal(fdoption_set(sock, &fd, &refused), -ENODEV);
	assert_string_equal(refused->word, "SO_BINDTODEVICE");
	(void)close(sock);
}

static void tell(const char *words)
{
	assert_string_equal(told, "");
	(void)strncpy(told, words, sizeof(told) - 1);
}

static void foresee(void)
{
	const struct image image = {.fds = &fd, .nr_fds = 1};
	const struct fate fate = {.kind = FATE_LISTENER};

	told[0] = '\0';
	fdoption_foresee(&image, &fate, tell);
}

static void what_may_be_missed_is_told(void **state)
{
	const struct sockopt *refused = NULL;
	int sock = socket(AF_INET, SOCK_STREAM, 0);

	take_one(IPPROTO_TCP, TCP_CONGESTION, "no-such-control");
	assert_int_equal(fdoption_set(sock, &fd, &refused), 0);
	foresee();
	assert_string_equal(told,
			    "descriptor 7 goes without TCP_CONGESTION "
			    "(No such file or directory)");
	(void)close(sock);
}

static void what_is_there_is_not_told(void **state)
{
	take_one(IPPROTO_TCP, TCP_NODELAY, &(int){1});
	foresee();
	assert_string_equal(told, "");
	take_one(SOL_SOCKET, SO_PRIORITY, &(int){4});
	foresee();
	assert_string_equal(told, "");
	take_one(SOL_SOCKET, SO_RCVBUF, &(int){8192});
	foresee();
	assert_string_equal(told, "");
}

/* Nothing is set, or told, of a row that the table does not have. */
static void an_unknown_option_is_refused(void **state)
{
	const struct sockopt *refused = NULL;
	int sock = socket(AF_INET, SOCK_STREAM, 0);

	take_one(SOL_SOCKET, SO_KEEPALIVE, &(int){1});
	options[0].name = SO_DEBUG;
	assert_int_equal(fdoption_set(sock, &fd, &refused), -EPROTO);
	assert_null(refused);
	foresee();
	assert_string_equal(told, "");
	(void)close(sock);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_tcp_socket_is_copied),
		cmocka_unit_test(a_udp_socket_is_copied),
		cmocka_unit_test(a_unix_socket_is_copied),
		cmocka_unit_test(a_device_that_is_not_there_is_refused),
		cmocka_unit_test(what_may_be_missed_is_told),
		cmocka_unit_test(what_is_there_is_not_told),
		cmocka_unit_test(an_unknown_option_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
