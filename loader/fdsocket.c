/* SPDX-License-Identifier: MIT */
/*
 * fdsocket.c - socket(7) options in the order that bind(2) wants them
 */
#include "loader/fdsocket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "loader/fdoption.h"

#define BACKLOG_DEFAULT 511

union address {
	struct sockaddr any;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
	struct sockaddr_un un;
	struct sockaddr_storage storage;
};

static in_port_t *port_of(union address *address)
{
	if (address->any.sa_family == AF_INET)
		return &address->in.sin_port;
	if (address->any.sa_family == AF_INET6)
		return &address->in6.sin6_port;
	return NULL;
}

/* Whether the user has chosen the port. */
static bool map_port(union address *address, const struct fate_options *options)
{
	in_port_t *port = port_of(address);

	for (unsigned i = 0; port && i < options->nr_ports; i++)
		if (ntohs(*port) == options->ports[i].from) {
			*port = htons(options->ports[i].to);
			return true;
		}
	return false;
}

static int set_option(int sock, int level, int name, int value)
{
	return setsockopt(sock, level, name, &value, sizeof(value));
}

static int set_v6only(int sock, const struct image_fd *fd)
{
	if (fd->domain != AF_INET6)
		return 0;
	return set_option(sock, IPPROTO_IPV6, IPV6_V6ONLY,
			  !!(fd->sockopts & IMAGE_SOCK_V6ONLY));
}

static int set_options(int sock, const struct image_fd *fd)
{
	/* While we bind: the parent's connections may linger there. */
	if (set_option(sock, SOL_SOCKET, SO_REUSEADDR, 1) < 0)
		return -1;
	if (fd->sockopts & IMAGE_SOCK_REUSEPORT &&
	    set_option(sock, SOL_SOCKET, SO_REUSEPORT, 1) < 0)
		return -1;
	return set_v6only(sock, fd);
}

/* Ports that the kernel gives to who asks for none: one is as good as another.
 */
static bool is_given_port(in_port_t port)
{
	CLEANUP_CLOSE int file = open("/proc/sys/net/ipv4/ip_local_port_range",
				      O_RDONLY | O_CLOEXEC);
	char text[32] = "";
	unsigned first, last;

	return file >= 0 && read(file, text, sizeof(text) - 1) > 0 &&
	       sscanf(text, "%u %u", &first, &last) == 2 &&
	       ntohs(port) >= first && ntohs(port) <= last;
}

/* An address to wait at for datagrams, and who of the image is there already.
 */
struct spot {
	const struct image_fd *fd;
	union address *address;
	bool is_chosen; /* by the user: no other will do */
	bool is_shared; /* with a lower descriptor of the same image */
	const struct sockopt *refused; /* the option for which it is not */
};

static int set_sharing(int sock, const struct image_fd *fd)
{
	const bool addr = fd->sockopts & IMAGE_SOCK_REUSEADDR;
	const bool ports = fd->sockopts & IMAGE_SOCK_REUSEPORT;

	if (set_option(sock, SOL_SOCKET, SO_REUSEADDR, addr) < 0)
		return -1;
	return set_option(sock, SOL_SOCKET, SO_REUSEPORT, ports);
}

static int set_carried(int sock, struct spot *spot)
{
	int error = fdoption_set(sock, spot->fd, &spot->refused);

	errno = -error;
	return error ? -1 : 0;
}

static int bind_datagrams(int sock, const struct spot *spot)
{
	in_port_t *port = port_of(spot->address);
	in_port_t wanted = port ? *port : 0;
	int bound;

	if (!wanted)
		return 0;
	bound = bind(sock, &spot->address->any, spot->fd->data_bytes);
	if (bound == 0 || errno != EADDRINUSE || spot->is_chosen ||
	    spot->is_shared)
		return bound;
	if (!is_given_port(wanted)) {
		errno = EADDRINUSE;
		return -1;
	}
	*port = 0;
	bound = bind(sock, &spot->address->any, spot->fd->data_bytes);
	*port = wanted;
	return bound;
}

/*
 * Never beside another socket on one port, as SO_REUSEADDR would allow: the
 * last one gets what comes, and that would be the parent's.  Beside one of the
 * same image, which has got the port for itself, is where it was.
 */
static int wait_for_any(int sock, struct spot *spot)
{
	if (set_v6only(sock, spot->fd) < 0 || set_carried(sock, spot) < 0 ||
	    (spot->is_shared && set_sharing(sock, spot->fd) < 0) ||
	    bind_datagrams(sock, spot) < 0)
		return -1;
	return spot->is_shared ? 0 : set_sharing(sock, spot->fd);
}

/*
 * Where a lower descriptor of the image, which is made already, waits that had
 * the same address: into @spot.
 */
static bool find_own(const struct image *image, const struct spot *spot)
{
	const struct image_fd *fd = spot->fd;

	for (uint32_t i = 0; &image->fds[i] < fd; i++) {
		const struct image_fd *other = &image->fds[i];
		union address has;
		socklen_t len = sizeof(has);

		if (other->kind != fd->kind || other->type != fd->type ||
		    other->data_bytes != fd->data_bytes ||
		    memcmp(other->data, fd->data, fd->data_bytes) != 0 ||
		    getsockname(other->fd, &has.any, &len) < 0 ||
		    len != fd->data_bytes)
			continue;
		memcpy(spot->address, &has, len);
		return true;
	}
	return false;
}

static int start_listening(int sock, struct spot *spot)
{
	const struct image_fd *fd = spot->fd;

	if (set_options(sock, fd) < 0 || set_carried(sock, spot) < 0 ||
	    bind(sock, &spot->address->any, fd->data_bytes) < 0 ||
	    listen(sock, fd->backlog > 0 ? fd->backlog : BACKLOG_DEFAULT) < 0)
		return -1;
	if (!(fd->sockopts & IMAGE_SOCK_REUSEADDR))
		(void)set_option(sock, SOL_SOCKET, SO_REUSEADDR, 0);
	return 0;
}

static int refuse(const struct spot *spot, struct why *why)
{
	const struct image_fd *fd = spot->fd;
	const union address *address = spot->address;
	in_port_t *port = port_of(spot->address);
	int error = -errno;

	if (spot->refused)
		return why_set(why, error,
			       "descriptor %d cannot have its %s: %s; use --fd "
			       "%d=/dev/null",
			       fd->fd, spot->refused->word, strerror(-error),
			       fd->fd);
	if (port)
		return why_set(why, error,
			       "descriptor %d listens on port %u: %s; use "
			       "--port %u=OTHER",
			       fd->fd, ntohs(*port), strerror(-error),
			       ntohs(*port));
	return why_set(why, error,
		       "descriptor %d listens on %.100s: %s; use --fd "
		       "%d=/dev/null",
		       fd->fd,
		       fd->data_bytes > 2 && address->un.sun_path[0]
			       ? address->un.sun_path
			       : "a socket without a path",
		       strerror(-error), fd->fd);
}

int fdsocket_listen(const struct image *image, const struct image_fd *fd,
		    const struct fate_options *options, struct why *why)
{
	union address address;
	struct spot spot = {.fd = fd, .address = &address};
	int type = fd->type | SOCK_CLOEXEC |
		   (fd->open_flags & O_NONBLOCK ? SOCK_NONBLOCK : 0);
	CLEANUP_CLOSE int sock = -1;

	memset(&address, 0, sizeof(address));
	if (fd->data_bytes < sizeof(sa_family_t) ||
	    fd->data_bytes > sizeof(address))
		return why_set(why, -EPROTO,
			       "descriptor %d listens on an unknown address",
			       fd->fd);
	memcpy(&address, fd->data, fd->data_bytes);
	spot.is_chosen = map_port(&address, options);
	spot.is_shared = fd->type == SOCK_DGRAM && find_own(image, &spot);
	sock = socket(fd->domain, type, fd->protocol);
	if (sock < 0 ||
	    (fd->type == SOCK_DGRAM ? wait_for_any(sock, &spot)
				    : start_listening(sock, &spot)) < 0)
		return refuse(&spot, why);
	return steal_fd(&sock);
}

/* The kernel takes twice what it is told, for its own part of each packet. */
static void make_room(int sock, uint32_t bytes)
{
	int has = 0;
	socklen_t len = sizeof(has);

	if (getsockopt(sock, SOL_SOCKET, SO_SNDBUF, &has, &len) == 0 &&
	    has < 2 * (int)bytes &&
	    set_option(sock, SOL_SOCKET, SO_SNDBUFFORCE, (int)bytes) < 0)
		(void)set_option(sock, SOL_SOCKET, SO_SNDBUF, (int)bytes);
}

/* Nobody reads yet: what does not fit now never will. */
static int put_unread(int to, const struct image_fd *fd)
{
	uint32_t done = 0;

	make_room(to, fd->data_bytes);
	while (done < fd->data_bytes) {
		ssize_t sent = send(to, fd->data + done, fd->data_bytes - done,
				    MSG_DONTWAIT | MSG_NOSIGNAL);

		if (sent < 0)
			return -errno;
		done += (uint32_t)sent;
	}
	return 0;
}

int fdsocket_pair(const struct image_fd *a, const struct image_fd *b,
		  int ret_ends[2])
{
	const struct sockopt *refused;
	int ends[2], error;

	if (socketpair(AF_UNIX, a->type | SOCK_CLOEXEC, 0, ends) < 0)
		return -errno;
	error = put_unread(ends[1], a);
	error = error ? error : put_unread(ends[0], b);
	/* Behind that: a small buffer would not take it. */
	error = error ? error : fdoption_set(ends[0], a, &refused);
	error = error ? error : fdoption_set(ends[1], b, &refused);
	if (error) {
		(void)close(ends[0]);
		(void)close(ends[1]);
		return error;
	}
	memcpy(ret_ends, ends, sizeof(ends));
	return 0;
}

/* Datagrams have no end of file of their own: shutdown() makes one. */
int fdsocket_dead(const struct image_fd *fd)
{
	int type = fd->type == SOCK_DGRAM ? SOCK_DGRAM : SOCK_STREAM;
	int ends[2];

	type |= SOCK_CLOEXEC |
		(fd->open_flags & O_NONBLOCK ? SOCK_NONBLOCK : 0);
	if (socketpair(AF_UNIX, type, 0, ends) < 0)
		return -1;
	(void)close(ends[1]);
	(void)shutdown(ends[0], SHUT_RD);
	return ends[0];
}
