/* SPDX-License-Identifier: MIT */
/* test_peer.c - who is at the other end, as the kernel tells it */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "parent/peer.h"

#define USER 65534

static const char head[] =
	"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when "
	"retrnsmt   uid  timeout inode\n";

static const struct peer_end near4 = {
	{[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1},
	0x9c40,
};
static const struct peer_end far4 = {
	{[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1},
	7373,
};
static const struct peer_end near6 = {{[15] = 1}, 0x9c40};
static const struct peer_end far6 = {{[15] = 1}, 7373};

static int scan(const char *line, const struct peer_end *near,
		const struct peer_end *far, uid_t *ret_uid)
{
	char text[1024];
	int len = snprintf(text, sizeof(text), "%s%s", head, line);

	return peer_scan_proc(text, (size_t)len, near, far, ret_uid);
}

static void line_of_ipv4_is_found(void **state)
{
	uid_t uid = 0;

	assert_int_equal(
		1,
		scan("   0: 0100007F:1CCD 00000000:0000 0A 00000000:00000000 "
		     "00:00000000 00000000     0        0 77 1 0 100 0\n"
		     "   1: 0100007F:9C40 0100007F:1CCD 01 00000000:00000000 "
		     "00:00000000 00000000  1000        0 4711 1 0 20 4\n",
		     &near4, &far4, &uid));
	assert_int_equal(1000, uid);
}

static void line_of_ipv6_is_found(void **state)
{
	uid_t uid = 0;

	assert_int_equal(
		1, scan("   1: 00000000000000000000000001000000:9C40 "
			"00000000000000000000000001000000:1CCD 01 "
			"00000000:00000000 00:00000000 00000000  1000        0 "
			"4711 1 0 20 4\n",
			&near6, &far6, &uid));
	assert_int_equal(1000, uid);
}

/* An IPv6 socket that is connected to an IPv4 address is in tcp6. */
static void mapped_line_is_found(void **state)
{
	uid_t uid = 0;

	assert_int_equal(
		1, scan("   1: 0000000000000000FFFF00000100007F:9C40 "
			"0000000000000000FFFF00000100007F:1CCD 01 "
			"00000000:00000000 00:00000000 00000000  1000        0 "
			"4711 1 0 20 4\n",
			&near4, &far4, &uid));
	assert_int_equal(1000, uid);
}

/* The other direction is our own socket, and its owner is us. */
static void our_own_end_is_not_the_peer(void **state)
{
	uid_t uid = 5;

	assert_int_equal(
		0,
		scan("   1: 0100007F:1CCD 0100007F:9C40 01 00000000:00000000 "
		     "00:00000000 00000000     0        0 4711 1 0 20 4\n",
		     &near4, &far4, &uid));
	assert_int_equal(5, uid);
}

/* Some kernels print root as the owner of a socket that was closed. */
static void closed_socket_has_no_owner(void **state)
{
	uid_t uid = 5;

	assert_int_equal(
		0,
		scan("   1: 0100007F:9C40 0100007F:1CCD 01 00000000:00000000 "
		     "00:00000000 00000000     0        0 0 1 0 20 4\n",
		     &near4, &far4, &uid));
	assert_int_equal(
		0,
		scan("   1: 0100007F:9C40 0100007F:1CCD 04 00000000:00000000 "
		     "00:00000000 00000000     0        0 4711 1 0 20 4\n",
		     &near4, &far4, &uid));
	assert_int_equal(5, uid);
}

static void broken_lines_are_refused(void **state)
{
	static const char *const lines[] = {
		"1: 0100007F:9C40 0100007F:1CCD 01 0:0\n",
		"1: 0100007F9C40 0100007F:1CCD 01 0:0 0:0 0 1000 0 4711\n",
		"1: 0100007F: 0100007F:1CCD 01 0:0 0:0 0 1000 0 4711\n",
		"1: 0100007F:19C40 0100007F:1CCD 01 0:0 0:0 0 1000 0 4711\n",
		"1: 01000G7F:9C40 0100007F:1CCD 01 0:0 0:0 0 1000 0 4711\n",
		"1: 0100007F:9C40 0100007F:1CCD 01 0:0 0:0 0 1A00 0 4711\n",
		"1: 0100007F:9C40 0100007F:1CCD 01 0:0 0:0 0 "
		"99999999999999999999 0 4711\n",
		"\n",
	};
	uid_t uid;

	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++)
		assert_int_equal(-EPROTO, scan(lines[i], &near4, &far4, &uid));
}

static void unix_peer_is_known(void **state)
{
	struct peer peer;
	int pair[2];

	assert_int_equal(0, socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	assert_int_equal(0, peer_of_socket(pair[0], &peer));
	assert_true(peer.known);
	assert_int_equal(getuid(), peer.uid);
	assert_int_equal(getgid(), peer.gid);
	assert_int_equal(getpid(), peer.pid);
	(void)close(pair[0]);
	(void)close(pair[1]);
}

/* A listener, and the connection that a child of @family makes to it as uid
 * USER when we are root.  The child lives until its stdin closes. */
static int accept_from_child(int family, int *ret_hold, pid_t *ret_child)
{
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6,
				   .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	struct sockaddr_in in = {.sin_family = AF_INET,
				 .sin_addr.s_addr = htonl(0x7f000001)};
	struct sockaddr *addr = family == AF_INET ? (void *)&in : (void *)&in6;
	socklen_t len = family == AF_INET ? sizeof(in) : sizeof(in6);
	int listener = socket(family, SOCK_STREAM, 0), hold[2], fd;
	char byte;

	assert_int_equal(0, bind(listener, addr, len));
	assert_int_equal(0, listen(listener, 1));
	assert_int_equal(0, getsockname(listener, addr, &len));
	assert_int_equal(0, pipe(hold));
	*ret_child = fork();
	if (!*ret_child) {
		(void)close(hold[1]);
		if (!getuid() && (setgid(USER) || setuid(USER)))
			_exit(1);
		fd = socket(family, SOCK_STREAM, 0);
		if (connect(fd, addr, len))
			_exit(1);
		_exit(read(hold[0], &byte, 1) == 0 ? 0 : 1);
	}
	(void)close(hold[0]);
	*ret_hold = hold[1];
	fd = accept(listener, NULL, NULL);
	assert_true(fd >= 0);
	(void)close(listener);
	return fd;
}

static void check_tcp_peer(int family)
{
	uid_t expected = getuid() ? getuid() : USER;
	struct peer peer;
	pid_t child;
	int hold, status;
	int fd = accept_from_child(family, &hold, &child);

	assert_int_equal(0, peer_of_socket(fd, &peer));
	assert_true(peer.known);
	assert_int_equal(expected, peer.uid);
	assert_int_equal(getuid() ? getgid() : USER, peer.gid);
	(void)close(hold);
	assert_int_equal(child, waitpid(child, &status, 0));
	assert_int_equal(0, status);
	/* Gone, and its socket with it: nobody, and never root. */
	assert_int_equal(0, peer_of_socket(fd, &peer));
	assert_false(peer.known);
	(void)close(fd);
}

static void tcp_peer_is_the_owner_of_the_far_socket(void **state)
{
	check_tcp_peer(AF_INET);
}

static void tcp6_peer_is_the_owner_of_the_far_socket(void **state)
{
	int fd = socket(AF_INET6, SOCK_STREAM, 0);
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6,
				   .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	int none = fd < 0 || bind(fd, (void *)&in6, sizeof(in6));

	(void)close(fd);
	if (none)
		skip(); /* no IPv6 loopback on this host */
	check_tcp_peer(AF_INET6);
}

/* From now on this process gets no netlink socket, as in a kernel without. */
static int forbid_netlink(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, args[0])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_NETLINK, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EAFNOSUPPORT),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog program = {
		.len = sizeof(code) / sizeof(*code),
		.filter = code,
	};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -errno;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) ? -errno
								    : 0;
}

static void proc_answers_where_sock_diag_does_not(void **state)
{
	struct peer peer = {0};
	pid_t child, asker;
	int hold, status;
	int fd = accept_from_child(AF_INET, &hold, &child);

	asker = fork();
	if (!asker) {
		int right = !forbid_netlink() &&
			    socket(AF_NETLINK, SOCK_RAW, 0) < 0 &&
			    !peer_of_socket(fd, &peer) && peer.known &&
			    peer.uid == (getuid() ? getuid() : USER);

		_exit(right ? 0 : 1);
	}
	assert_int_equal(asker, waitpid(asker, &status, 0));
	assert_int_equal(0, status);
	(void)close(hold);
	assert_int_equal(child, waitpid(child, &status, 0));
	(void)close(fd);
}

/* A question to the kernel is on its way: what is done before. */
static void (*meanwhile)(int fd, const void *question);
static int forge_errno;

ssize_t __real_send(int fd, const void *bytes, size_t len, int flags);
ssize_t __wrap_send(int fd, const void *bytes, size_t len, int flags);

ssize_t __wrap_send(int fd, const void *bytes, size_t len, int flags)
{
	if (meanwhile)
		meanwhile(fd, bytes);
	return __real_send(fd, bytes, len, flags);
}

struct question {
	struct nlmsghdr head;
	struct inet_diag_req_v2 request;
};

/* Somebody who knows all of the question answers first, for another user. */
static void forge_answer(int fd, const void *question)
{
	const struct question *asked = question;
	const struct {
		struct nlmsghdr head;
		struct inet_diag_msg msg;
	} answer = {
		.head = {.nlmsg_len = sizeof(answer),
			 .nlmsg_type = SOCK_DIAG_BY_FAMILY,
			 .nlmsg_seq = asked->head.nlmsg_seq},
		.msg = {.idiag_state = 1, .idiag_inode = 1, .idiag_uid = 4242},
	};
	struct sockaddr_nl to = {.nl_family = AF_NETLINK};
	socklen_t len = sizeof(to);
	int forger = socket(AF_NETLINK, SOCK_RAW, NETLINK_SOCK_DIAG);

	/* It has an address now, if it had none. */
	(void)bind(fd, (void *)&to, sizeof(to));
	assert_int_equal(0, getsockname(fd, (void *)&to, &len));
	assert_true(to.nl_pid != 0);
	forge_errno = 0;
	if (sendto(forger, &answer, sizeof(answer), 0, (void *)&to,
		   sizeof(to)) < 0)
		forge_errno = errno;
	(void)close(forger);
}

/* The kernel's own answer, but to a question about our end. */
static void leave_an_answer(int fd, const void *question)
{
	const struct question *asked = question;
	struct question other = *asked;
	struct inet_diag_sockid *id = &other.request.id;

	other.head.nlmsg_seq--;
	id->idiag_sport = asked->request.id.idiag_dport;
	id->idiag_dport = asked->request.id.idiag_sport;
	memcpy(id->idiag_src, asked->request.id.idiag_dst, 16);
	memcpy(id->idiag_dst, asked->request.id.idiag_src, 16);
	assert_int_equal(sizeof(other),
			 __real_send(fd, &other, sizeof(other), 0));
}

static void check_peer_with(void (*disturb)(int fd, const void *question))
{
	struct peer peer;
	pid_t child;
	int hold, status;
	int fd = accept_from_child(AF_INET, &hold, &child);

	meanwhile = disturb;
	assert_int_equal(0, peer_of_socket(fd, &peer));
	meanwhile = NULL;
	assert_true(peer.known);
	assert_int_equal(getuid() ? getuid() : USER, peer.uid);
	(void)close(hold);
	assert_int_equal(child, waitpid(child, &status, 0));
	(void)close(fd);
}

static void only_the_kernel_tells_the_owner(void **state)
{
	check_peer_with(forge_answer);
	if (forge_errno == EPERM)
		skip(); /* not root */
	assert_int_equal(ECONNREFUSED, forge_errno);
}

static void answer_to_an_earlier_question_is_none(void **state)
{
	check_peer_with(leave_an_answer);
}

static void loopback_is_told_from_the_rest(void **state)
{
	const struct peer_end far_away = {
		{[10] = 0xff, [11] = 0xff, [12] = 10, [15] = 1}, 7373};
	const struct peer_end zero = {{0}, 7373};

	assert_true(peer_is_loopback(&near4));
	assert_true(peer_is_loopback(&near6));
	assert_false(peer_is_loopback(&far_away));
	assert_false(peer_is_loopback(&zero));
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		cmocka_unit_test(line_of_ipv4_is_found),
		cmocka_unit_test(line_of_ipv6_is_found),
		cmocka_unit_test(mapped_line_is_found),
		cmocka_unit_test(our_own_end_is_not_the_peer),
		cmocka_unit_test(closed_socket_has_no_owner),
		cmocka_unit_test(broken_lines_are_refused),
		cmocka_unit_test(unix_peer_is_known),
		cmocka_unit_test(tcp_peer_is_the_owner_of_the_far_socket),
		cmocka_unit_test(tcp6_peer_is_the_owner_of_the_far_socket),
		cmocka_unit_test(proc_answers_where_sock_diag_does_not),
		cmocka_unit_test(only_the_kernel_tells_the_owner),
		cmocka_unit_test(answer_to_an_earlier_question_is_none),
		cmocka_unit_test(loopback_is_told_from_the_rest),
	};

	return cmocka_run_group_tests(cases, NULL, NULL);
}
