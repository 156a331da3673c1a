/* SPDX-License-Identifier: MIT */
/* rdmaport.c - see rdmaport.h */
#include "tools/rdmaport.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/say.h"
#include "common/wire.h"

static const char *words(int error)
{
	switch (error) {
	case -EOPNOTSUPP:
		return "this mitosisd was built without RDMA: install "
		       "libibverbs-dev and librdmacm-dev and build it again";
	case -ENODEV:
		return "this host has no RDMA device there: ibv_devices and "
		       "\"rdma link\" list those it has";
	case -EADDRNOTAVAIL:
		return "no RDMA device has that address: see \"rdma link\"";
	case -EADDRINUSE:
		return "the port is taken: is another mitosisd running?";
	case -EPERM:
	case -EACCES:
		return "this user may not use /dev/infiniband";
	default:
		return strerror(-error);
	}
}

static int try_address(struct daemon *daemon, const char *text,
		       enum wire_sec sec, char ret_where[LISTEN_TEXT_MAX])
{
	struct listen_address address;
	struct refusal why = {""};
	uint16_t port;
	int error;

	error = listen_parse(text, WIRE_PORT, &address, &why);
	if (!error)
		error = listen_allow(&address, sec, &why);
	if (error) {
		say_error("%s", why.why);
		return error;
	}
	listen_address_text(&address, ret_where);
	error = daemon_listen_rdma(
		daemon, (const struct sockaddr *)&address.addr, &port);
	if (error) {
		say_error("cannot serve RDMA on %s: %s", ret_where,
			  words(error));
		return error;
	}
	listen_set_port(&address, port);
	listen_address_text(&address, ret_where);
	return 0;
}

/* An IPv6 listener takes IPv4 too, where the host has IPv6 at all. */
static const char *everywhere(void)
{
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return "0.0.0.0";
	(void)close(fd);
	return "[::]";
}

int rdmaport_listen(struct daemon *daemon, const char *text, enum wire_sec sec,
		    char ret_where[LISTEN_TEXT_MAX])
{
	return try_address(daemon, *text ? text : everywhere(), sec, ret_where);
}
