/* SPDX-License-Identifier: MIT */
/*
 * dial.c - connect, and move whole messages
 */
#include "rdmafetch/dial.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "common/cleanup.h"
#include "common/io.h"
#include "rdmafetch/tcp.h"

#define NS_PER_MS	1000000ull
#define KEEPALIVE_TIMES 3

/* Wait for @events.  0, -ETIMEDOUT, or -errno of poll(2). */
static int wait_for(int fd, short events, uint64_t deadline_ns)
{
	struct pollfd poller = {fd, events, 0};

	for (;;) {
		uint64_t now = io_monotonic_ns(), ms;
		int ret;

		if (now >= deadline_ns)
			return -ETIMEDOUT;
		ms = (deadline_ns - now + NS_PER_MS - 1) / NS_PER_MS;
		ret = poll(&poller, 1, ms > 60000 ? 60000 : (int)ms);
		if (ret > 0)
			return 0;
		if (ret < 0 && errno != EINTR)
			return -errno;
	}
}

int dial_send(int fd, const void *buf, size_t len, uint64_t deadline_ns)
{
	const char *at = buf;

	while (len) {
		ssize_t n = send(fd, at, len, MSG_DONTWAIT | MSG_NOSIGNAL);
		int err;

		if (n < 0 && errno == EAGAIN) {
			err = wait_for(fd, POLLOUT, deadline_ns);
			if (err)
				return err;
		} else if (n < 0 && errno != EINTR) {
			return -errno;
		}
		if (n > 0) {
			at += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

ssize_t dial_recv_some(int fd, void *buf, size_t room, uint64_t deadline_ns)
{
	for (;;) {
		ssize_t n = recv(fd, buf, room, MSG_DONTWAIT);
		int err;

		if (n > 0)
			return n;
		if (!n)
			return -ECONNRESET;
		if (errno == EAGAIN) {
			err = wait_for(fd, POLLIN, deadline_ns);
			if (err)
				return err;
		} else if (errno != EINTR) {
			return -errno;
		}
	}
}

int dial_recv(int fd, void *buf, size_t len, uint64_t deadline_ns)
{
	char *at = buf;

	while (len) {
		ssize_t n = dial_recv_some(fd, at, len, deadline_ns);

		if (n < 0)
			return (int)n;
		at += n;
		len -= (size_t)n;
	}
	return 0;
}

static void set_int(int fd, int level, int option, int value)
{
	/* Each is a comfort: without it the deadlines above still hold. */
	(void)setsockopt(fd, level, option, &value, sizeof(value));
}

/* Small messages leave at once; silence of the peer's host ends in an error. */
static void set_tcp_options(int fd, int timeout_ms)
{
	int interval_s = timeout_ms / 1000 / KEEPALIVE_TIMES;

	if (interval_s < 1)
		interval_s = 1;
	set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	set_int(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, timeout_ms);
	set_int(fd, IPPROTO_TCP, TCP_KEEPIDLE, interval_s);
	set_int(fd, IPPROTO_TCP, TCP_KEEPINTVL, interval_s);
	set_int(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_TIMES);
	set_int(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
}

/* The end of a connect() that could not finish at once. */
static int finish_connect(int fd, uint64_t deadline_ns)
{
	int err = wait_for(fd, POLLOUT, deadline_ns);
	int failure = 0;
	socklen_t len = sizeof(failure);

	if (err)
		return err;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &failure, &len))
		return -errno;
	return -failure;
}

/* Connect to one address. */
static int connect_to(const struct sockaddr *address, socklen_t len,
		      uint64_t deadline_ns, int *ret_fd)
{
	CLEANUP_CLOSE int fd =
		socket(address->sa_family,
		       SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int err;

	if (fd < 0)
		return -errno;
	if (connect(fd, address, len)) {
		/* A unix socket with a full backlog says EAGAIN: not ours. */
		err = errno == EINPROGRESS ? finish_connect(fd, deadline_ns)
					   : -errno;
		if (err)
			return err;
	}
	if (fcntl(fd, F_SETFL, 0))
		return -errno;
	*ret_fd = steal_fd(&fd);
	return 0;
}

static int dial_unix(const char *path, uint64_t deadline_ns, int *ret_fd)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	(void)memcpy(address.sun_path, path, strlen(path) + 1);
	return connect_to((const struct sockaddr *)&address, sizeof(address),
			  deadline_ns, ret_fd);
}

static int resolve(const struct tcp_address *address, struct addrinfo **ret)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
				 .ai_flags = AI_NUMERICSERV};
	char port[8];
	int failure;

	(void)snprintf(port, sizeof(port), "%u", (unsigned)address->port);
	failure = getaddrinfo(address->host, port, &hints, ret);
	switch (failure) {
	case 0:
		return 0;
	case EAI_AGAIN:
		return -EAGAIN;
	case EAI_MEMORY:
		return -ENOMEM;
	case EAI_SYSTEM:
		return -errno;
	default:
		return -ENOENT;
	}
}

static int dial_tcp(const struct tcp_address *address, uint64_t deadline_ns,
		    int *ret_fd)
{
	struct addrinfo *all = NULL;
	int err = resolve(address, &all);

	if (err)
		return err;
	err = -ENOENT;
	for (const struct addrinfo *one = all; one; one = one->ai_next) {
		err = connect_to(one->ai_addr, one->ai_addrlen, deadline_ns,
				 ret_fd);
		if (!err)
			break;
	}
	freeaddrinfo(all);
	if (!err)
		set_tcp_options(*ret_fd, address->timeout_ms);
	return err;
}

int dial_ms(const struct tcp_address *address)
{
	return address->timeout_ms < DIAL_MS ? address->timeout_ms : DIAL_MS;
}

uint64_t dial_deadline_ns(const struct tcp_address *address)
{
	return io_monotonic_ns() + (uint64_t)dial_ms(address) * NS_PER_MS;
}

int dial_open(const struct tcp_address *address, int *ret_fd)
{
	uint64_t deadline_ns = dial_deadline_ns(address);

	if (address->is_unix)
		return dial_unix(address->host, deadline_ns, ret_fd);
	return dial_tcp(address, deadline_ns, ret_fd);
}

const char *dial_advice(const struct tcp_address *address, int error)
{
	if (error == -ENOENT && !address->is_unix)
		return "no such host";
	if (error == -EAGAIN && !address->is_unix)
		return "no name server says now who that is: is the network "
		       "up?";
	if (error == -ENOENT || error == -ECONNREFUSED)
		return "no mitosisd answers there: is it running?";
	if (error == -ETIMEDOUT && address->is_unix)
		return "no answer in time: is the mitosisd there stopped, or "
		       "is it another program's socket?";
	if (error == -ETIMEDOUT)
		return "no answer in time: is it mitosisd's port, and does no "
		       "firewall swallow what comes?";
	if (error == -EPROTO)
		return "what answers there is no mitosisd: is it the right "
		       "port or socket?";
	if (error == -EPROTONOSUPPORT)
		return "the mitosisd there speaks another version of the "
		       "protocol: use one of the same release";
	return strerror(-error);
}
