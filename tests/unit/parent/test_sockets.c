/* SPDX-License-Identifier: MIT */
/*
 * test_sockets.c - which options of a socket are kept: those that differ
 */
#include "tests/unit/parent/cmocka_env.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "common/image_check.h"
#include "parent/sockets.h"

static void set(int sock, int level, int name, int value)
{
	assert_int_equal(setsockopt(sock, level, name, &value, sizeof(value)),
			 0);
}

static const struct image_option *kept(const struct image_fd *fd, int level,
				       int name)
{
	for (uint32_t i = 0; i < fd->nr_options; i++)
		if (fd->options[i].level == level &&
		    fd->options[i].name == name)
			return &fd->options[i];
	return NULL;
}

static void assert_kept(const struct image_fd *fd, int level, int name,
			int value)
{
	const struct image_option *option = kept(fd, level, name);

	assert_non_null(option);
	assert_int_equal(option->bytes, sizeof(value));
	assert_memory_equal(option->value, &value, sizeof(value));
}

/* What decodes is what image_check() lets pass. */
static void assert_passes(const struct image_fd *fd)
{
	struct image_thread thread = {.tid = 1, .restart_nr = -1};
	struct image_fd fds[] = {*fd};
	const struct image image = {.pid = 1,
				    .threads = &thread,
				    .nr_threads = 1,
				    .fds = fds,
				    .nr_fds = 1};
	const char *why = "";

	fds[0].same_as = -1;
	if (image_check(&image, &why))
		fail_msg("%s", why);
}

static void forget(int sock, struct image_fd *fd)
{
	free(fd->data);
	free(fd->options);
	*fd = (struct image_fd){0};
	(void)close(sock);
}

static void look(int sock, struct image_fd *fd)
{
	bool settled;

	assert_int_equal(sockets_look(sock, fd, &settled), 0);
	assert_int_equal(sockets_take_options(sock, fd), 0);
}

static void udp_options_are_kept(void **state)
{
	const struct timeval timeout = {.tv_sec = 3, .tv_usec = 500000};
	int sock = socket(AF_INET, SOCK_DGRAM, 0);
	struct image_fd fd = {0};

	assert_int_equal(setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &timeout,
				    sizeof(timeout)),
			 0);
	set(sock, SOL_SOCKET, SO_BROADCAST, 1);
	set(sock, IPPROTO_IP, IP_PKTINFO, 1);
	set(sock, IPPROTO_IP, IP_TTL, 9);
	set(sock, SOL_SOCKET, SO_RCVBUF, 5000);
	look(sock, &fd);
	assert_int_equal(fd.kind, IMAGE_FD_LISTENER);
	assert_kept(&fd, SOL_SOCKET, SO_BROADCAST, 1);
	assert_kept(&fd, IPPROTO_IP, IP_PKTINFO, 1);
	assert_kept(&fd, IPPROTO_IP, IP_TTL, 9);
	assert_kept(&fd, SOL_SOCKET, SO_RCVBUF, 10000);
	/* The one that nobody has set is the kernel's to choose. */
	assert_null(kept(&fd, SOL_SOCKET, SO_SNDBUF));
	assert_null(kept(&fd, SOL_SOCKET, SO_KEEPALIVE));
	assert_memory_equal(kept(&fd, SOL_SOCKET, SO_RCVTIMEO)->value, &timeout,
			    sizeof(timeout));
	assert_passes(&fd);
	/* Looked at again, when one was taken back. */
	set(sock, SOL_SOCKET, SO_BROADCAST, 0);
	look(sock, &fd);
	assert_null(kept(&fd, SOL_SOCKET, SO_BROADCAST));
	forget(sock, &fd);
}

static void tcp_options_are_kept(void **state)
{
	int sock = socket(AF_INET6, SOCK_STREAM, 0);
	struct image_fd fd = {0};

	if (sock < 0)
		skip(); /* without IPv6 */
	set(sock, IPPROTO_TCP, TCP_NODELAY, 1);
	set(sock, IPPROTO_IPV6, IPV6_RECVTCLASS, 1);
	set(sock, IPPROTO_IP, IP_TOS, 0x10); /* sets SO_PRIORITY, too */
	assert_int_equal(listen(sock, 1), 0);
	look(sock, &fd);
	assert_kept(&fd, IPPROTO_TCP, TCP_NODELAY, 1);
	assert_kept(&fd, IPPROTO_IPV6, IPV6_RECVTCLASS, 1);
	assert_kept(&fd, IPPROTO_IP, IP_TOS, 0x10);
	assert_passes(&fd);
	forget(sock, &fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(udp_options_are_kept),
		cmocka_unit_test(tcp_options_are_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
