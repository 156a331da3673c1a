/* SPDX-License-Identifier: MIT */
/* place.c - see place.h */
#include "tools/bench/place.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/cleanup.h"

#define BACKLOG 128

static const char *const proto_names[] = {
	[PLACE_LOCAL] = "local",
	[PLACE_TCP] = "tcp",
	[PLACE_RDMA] = "rdma",
	[PLACE_RDMA_UD] = "rdma-ud",
};

int place_proto_parse(const char *text, enum place_proto *ret_proto)
{
	for (int i = PLACE_LOCAL; i <= PLACE_RDMA_UD; i++)
		if (!strcmp(text, proto_names[i])) {
			*ret_proto = (enum place_proto)i;
			return 0;
		}
	return -EINVAL;
}

const char *place_proto_name(enum place_proto proto)
{
	return proto_names[proto];
}

int place_completion_parse(const char *text,
			   enum verbs_completion *ret_completion)
{
	static const char *const names[] = {
		[VERBS_ADAPTIVE] = "adaptive",
		[VERBS_POLLING] = "polling",
		[VERBS_EVENTS] = "events",
	};

	for (int i = VERBS_ADAPTIVE; i <= VERBS_EVENTS; i++)
		if (!strcmp(text, names[i])) {
			*ret_completion = (enum verbs_completion)i;
			return 0;
		}
	return -EINVAL;
}

/* Where HOST ends: at "]:" or "]" of a bracketed one, at a lone colon. */
static const char *end_of_host(const char *text)
{
	const char *colon;

	if (*text == '[')
		return strchr(text, ']');
	colon = strrchr(text, ':');
	if (colon && colon != strchr(text, ':'))
		return NULL; /* IPv6 without brackets */
	return colon ? colon : text + strlen(text);
}

int place_parse(const char *text, uint16_t default_port,
		struct tcp_address *ret_address)
{
	const char *end = end_of_host(text), *host = text + (*text == '[');
	struct tcp_address address = {.port = default_port};
	uint64_t port;

	if (!end || end == host || end - host > PARSE_HOST_MAX)
		return -EINVAL;
	memcpy(address.host, host, (size_t)(end - host));
	end += *end == ']';
	if (*end) {
		if (*end != ':' || parse_u64(end + 1, 0, UINT16_MAX, &port))
			return -EINVAL;
		address.port = (uint16_t)port;
	}
	*ret_address = address;
	return 0;
}

static int listen_at(const struct addrinfo *info, int *ret_fd)
{
	int sock CLEANUP_CLOSE =
		socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int one = 1;

	if (sock < 0 ||
	    setsockopt(sock, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    bind(sock, info->ai_addr, info->ai_addrlen) ||
	    listen(sock, BACKLOG))
		return -errno;
	*ret_fd = steal_fd(&sock);
	return 0;
}

/* The first of the addresses that @address has; free with freeaddrinfo(). */
static struct addrinfo *resolve(const struct tcp_address *address)
{
	const struct addrinfo hints = {
		.ai_flags = AI_PASSIVE | AI_NUMERICSERV,
		.ai_socktype = SOCK_STREAM,
	};
	struct addrinfo *info = NULL;
	char port[8];

	(void)snprintf(port, sizeof(port), "%u", address->port);
	return getaddrinfo(address->host, port, &hints, &info) ? NULL : info;
}

int place_resolve(const struct tcp_address *address,
		  struct sockaddr_storage *ret_addr)
{
	struct addrinfo *info = resolve(address);

	if (!info)
		return -ENOENT;
	memset(ret_addr, 0, sizeof(*ret_addr));
	memcpy(ret_addr, info->ai_addr, info->ai_addrlen);
	freeaddrinfo(info);
	return 0;
}

int place_listen(const struct tcp_address *address, int *ret_fd)
{
	struct addrinfo *info = resolve(address);
	int error = info ? listen_at(info, ret_fd) : -ENOENT;

	if (info)
		freeaddrinfo(info);
	return error;
}

void place_text(int fd, char ret_text[PLACE_TEXT_MAX])
{
	struct sockaddr_storage storage;
	socklen_t len = sizeof(storage);
	char host[PARSE_HOST_MAX + 1] = "?", port[8] = "?";

	if (!getsockname(fd, (struct sockaddr *)&storage, &len))
		(void)getnameinfo((struct sockaddr *)&storage, len, host,
				  sizeof(host), port, sizeof(port),
				  NI_NUMERICHOST | NI_NUMERICSERV);
	(void)snprintf(ret_text, PLACE_TEXT_MAX,
		       storage.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s",
		       host, port);
}

uint16_t place_port(int fd)
{
	struct sockaddr_storage storage = {0};
	socklen_t len = sizeof(storage);

	if (getsockname(fd, (struct sockaddr *)&storage, &len))
		return 0;
	/* The port is at the same place for both families. */
	return ntohs(((struct sockaddr_in *)&storage)->sin_port);
}
