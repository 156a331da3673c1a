/* SPDX-License-Identifier: MIT */
#include "parent/sockets.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "common/cleanup.h"
#include "common/sockopt.h"

#define BACKLOG_UNKNOWN 511

/* Of include/uapi, where the headers of libc lag behind. */
#ifndef SO_BUF_LOCK
#define SO_BUF_LOCK 72
#endif
#ifndef SOCK_SNDBUF_LOCK
#define SOCK_SNDBUF_LOCK 1
#define SOCK_RCVBUF_LOCK 2
#endif

static int option_of(int sock, int level, int name)
{
	int value = 0;
	socklen_t len = sizeof(value);

	return getsockopt(sock, level, name, &value, &len) ? 0 : value;
}

/*
 * For a listening socket, tcp_get_info() puts the limit of its queue into
 * tcpi_sacked (net/ipv4/tcp.c).  A unix socket has no such call.
 */
static int backlog_of(int sock, const struct image_fd *image_fd)
{
	struct tcp_info info = {0};
	socklen_t len = sizeof(info);

	if (image_fd->protocol != IPPROTO_TCP ||
	    getsockopt(sock, IPPROTO_TCP, TCP_INFO, &info, &len))
		return BACKLOG_UNKNOWN;
	return (int)info.tcpi_sacked;
}

static uint32_t sockopts_of(int sock, int domain)
{
	uint32_t bits = 0;

	if (option_of(sock, SOL_SOCKET, SO_REUSEADDR))
		bits |= IMAGE_SOCK_REUSEADDR;
	if (option_of(sock, SOL_SOCKET, SO_REUSEPORT))
		bits |= IMAGE_SOCK_REUSEPORT;
	if (domain == AF_INET6 && option_of(sock, IPPROTO_IPV6, IPV6_V6ONLY))
		bits |= IMAGE_SOCK_V6ONLY;
	return bits;
}

/* Bits of SO_BUF_LOCK: the buffers that the program has set itself. */
static bool is_kept(int sock, const struct sockopt *sockopt,
		    const struct image_option *option)
{
	const int locked = sockopt->name == SO_RCVBUF ? SOCK_RCVBUF_LOCK
						      : SOCK_SNDBUF_LOCK;

	return sockopt->how == SOCKOPT_BUFFER
		       ? option_of(sock, SOL_SOCKET, SO_BUF_LOCK) & locked
		       : !sockopt_is_usual(sockopt, option);
}

static uint32_t read_options(int sock, const struct image_fd *image_fd,
			     struct image_option *ret_options)
{
	const struct sockopt *sockopt;
	uint32_t nr = 0;

	for (unsigned i = 0; (sockopt = sockopt_at(i)); i++)
		if (sockopt_applies(sockopt, image_fd->domain,
				    image_fd->protocol) &&
		    !sockopt_read(sock, sockopt, &ret_options[nr]) &&
		    is_kept(sock, sockopt, &ret_options[nr]))
			nr++;
	return nr;
}

int sockets_take_options(int sock, struct image_fd *image_fd)
{
	struct image_option options[IMAGE_OPTIONS_MAX];
	uint32_t nr = read_options(sock, image_fd, options);
	struct image_option *kept = NULL;

	if (nr) {
		kept = malloc(nr * sizeof(*kept));
		if (!kept)
			return -ENOMEM;
		memcpy(kept, options, nr * sizeof(*kept));
	}
	free(image_fd->options);
	image_fd->options = kept;
	image_fd->nr_options = nr;
	return 0;
}

static int take_address(int sock, struct image_fd *image_fd)
{
	struct sockaddr_storage address;
	socklen_t len = sizeof(address);
	uint8_t *data;

	if (getsockname(sock, (struct sockaddr *)&address, &len) || !len ||
	    len > sizeof(address))
		return 0;
	data = malloc(len);
	if (!data)
		return -ENOMEM;
	memcpy(data, &address, len);
	free(image_fd->data);
	image_fd->data = data;
	image_fd->data_bytes = len;
	return 0;
}

static bool is_connected(int sock)
{
	struct sockaddr_storage address;
	socklen_t len = sizeof(address);

	return !getpeername(sock, (struct sockaddr *)&address, &len);
}

/* Of UDP: who has no peer waits for any. */
static bool waits_for_any(const struct image_fd *image_fd, bool connected)
{
	return (image_fd->domain == AF_INET || image_fd->domain == AF_INET6) &&
	       image_fd->type == SOCK_DGRAM &&
	       image_fd->protocol == IPPROTO_UDP && !connected;
}

int sockets_look(int sock, struct image_fd *image_fd, bool *ret_settled)
{
	bool listens = option_of(sock, SOL_SOCKET, SO_ACCEPTCONN) != 0;
	bool connected = !listens && is_connected(sock);

	image_fd->domain = option_of(sock, SOL_SOCKET, SO_DOMAIN);
	image_fd->type = option_of(sock, SOL_SOCKET, SO_TYPE);
	image_fd->protocol = option_of(sock, SOL_SOCKET, SO_PROTOCOL);
	image_fd->sockopts = sockopts_of(sock, image_fd->domain);
	image_fd->kind = listens || waits_for_any(image_fd, connected)
				 ? IMAGE_FD_LISTENER
				 : IMAGE_FD_SOCKET;
	image_fd->backlog = listens ? backlog_of(sock, image_fd) : 0;
	*ret_settled = listens || connected;
	return take_address(sock, image_fd);
}

static int peek(int sock, uint8_t *data, size_t unread_bytes)
{
	struct iovec bytes = {data, unread_bytes};
	struct msghdr msg = {.msg_iov = &bytes, .msg_iovlen = 1};
	ssize_t len = recvmsg(sock, &msg, MSG_PEEK | MSG_DONTWAIT);

	if (len < 0)
		return -errno;
	return (size_t)len == unread_bytes && !(msg.msg_flags & MSG_CTRUNC)
		       ? 0
		       : -EOPNOTSUPP;
}

/* Messages may be empty, so that a count of bytes tells nothing; and an error
 * that waits would be taken away by a read.
 */
static bool has_message(int sock)
{
	struct pollfd readable = {.fd = sock, .events = POLLIN};

	return poll(&readable, 1, 0) != 0;
}

/* -EOPNOTSUPP where our looking would be seen, or sees too little. */
static int count_unread(int sock, const struct image_fd *image_fd,
			uint32_t max_bytes, uint32_t *ret)
{
	int unread = 0, peek_off = -1;
	socklen_t len = sizeof(peek_off);

	if (getsockopt(sock, SOL_SOCKET, SO_PEEK_OFF, &peek_off, &len) == 0 &&
	    peek_off >= 0)
		return -EOPNOTSUPP;
	if (image_fd->type != SOCK_STREAM && has_message(sock))
		return -EOPNOTSUPP;
	if (ioctl(sock, FIONREAD, &unread))
		return -errno;
	if (unread < 0 || (uint32_t)unread > IMAGE_FD_DATA_MAX ||
	    (uint32_t)unread > max_bytes)
		return -EFBIG;
	*ret = (uint32_t)unread;
	return 0;
}

int sockets_peek(int sock, struct image_fd *image_fd, uint32_t max_bytes)
{
	CLEANUP_FREE uint8_t *data = NULL;
	uint32_t unread = 0;
	int rc = count_unread(sock, image_fd, max_bytes, &unread);

	if (rc == 0 && unread) {
		data = malloc(unread);
		rc = data ? peek(sock, data, unread) : -ENOMEM;
	}
	if (rc)
		return rc;
	free(image_fd->data);
	image_fd->data = steal_ptr(&data);
	image_fd->data_bytes = unread;
	return 0;
}
