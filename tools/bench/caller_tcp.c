/* SPDX-License-Identifier: MIT */
/*
 * caller_tcp.c - NIL calls over a stream socket
 *
 * No more bytes of answers are under way than a socket's buffer holds, so that
 * a blocking send cannot wait for a far end that waits for us.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "common/io.h"
#include "common/wire.h"
#include "rdmafetch/dial.h"
#include "tools/bench/caller_base.h"

#define INPUT_BYTES (CALLER_UNDERWAY_MAX * WIRE_HEADER_BYTES)

struct caller_tcp {
	struct caller base;
	int fd;
	size_t in_bytes;
	uint8_t input[INPUT_BYTES];
	uint8_t output[]; /* every call that may be under way, with its body */
};

static struct caller_tcp *tcp_of(struct caller *caller)
{
	return (struct caller_tcp *)caller;
}

static int tcp_start(struct caller *caller, unsigned nr)
{
	struct caller_tcp *tcp = tcp_of(caller);
	uint64_t now_ns = io_monotonic_ns();
	size_t len = 0, sent = 0;

	for (; nr; nr--) {
		(void)caller_put(caller, tcp->output + len, now_ns);
		len += WIRE_HEADER_BYTES + caller->body_bytes;
	}
	while (sent < len) {
		ssize_t n = send(tcp->fd, tcp->output + sent, len - sent,
				 MSG_NOSIGNAL);

		if (n < 0 && errno != EINTR)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		if (n > 0)
			sent += (size_t)n;
	}
	return 0;
}

static int take_input(struct caller_tcp *tcp, struct hist *hist)
{
	uint64_t now_ns = io_monotonic_ns();
	size_t at = 0;
	int nr = 0;

	for (; tcp->in_bytes - at >= WIRE_HEADER_BYTES; nr++) {
		if (caller_take(&tcp->base, tcp->input + at, now_ns, hist))
			return -EPROTO;
		at += WIRE_HEADER_BYTES;
	}
	tcp->in_bytes -= at;
	memmove(tcp->input, tcp->input + at, tcp->in_bytes);
	return nr;
}

static int tcp_reap(struct caller *caller, struct hist *hist)
{
	struct caller_tcp *tcp = tcp_of(caller);
	int nr = 0;

	while (!nr) {
		ssize_t n = recv(tcp->fd, tcp->input + tcp->in_bytes,
				 INPUT_BYTES - tcp->in_bytes, 0);

		if (!n)
			return -ECONNRESET;
		if (n < 0 && errno != EINTR)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		if (n > 0)
			tcp->in_bytes += (size_t)n;
		nr = take_input(tcp, hist);
	}
	return nr;
}

static void tcp_close(struct caller *caller)
{
	if (tcp_of(caller)->fd >= 0)
		(void)close(tcp_of(caller)->fd);
	free(caller);
}

static const struct caller_ops tcp_ops = {
	.start = tcp_start,
	.reap = tcp_reap,
	.close = tcp_close,
};

static int connect_to(struct caller_tcp *tcp, const struct tcp_address *address,
		      char *why)
{
	const struct timeval patience = {.tv_sec = CALLER_PATIENCE_MS / 1000};
	struct tcp_control *control = NULL;
	int error = tcp_control_hello(address, &control, why);

	if (error && !why[0])
		(void)snprintf(why, WIRE_WHY_MAX + 1, "%s",
			       dial_advice(address, error));
	if (error)
		return error;
	tcp->fd = tcp_control_steal(control).fd; /* rpc.c: never TLS */
	if (setsockopt(tcp->fd, SOL_SOCKET, SO_RCVTIMEO, &patience,
		       sizeof(patience)) ||
	    setsockopt(tcp->fd, SOL_SOCKET, SO_SNDTIMEO, &patience,
		       sizeof(patience)))
		return -errno;
	return 0;
}

int caller_tcp_open(const struct caller_options *options, struct caller **ret,
		    char *why)
{
	size_t call_bytes = WIRE_HEADER_BYTES + options->body_bytes;
	struct caller_tcp *tcp =
		calloc(1, sizeof(*tcp) + options->underway * call_bytes);
	int error;

	if (!tcp)
		return -ENOMEM;
	tcp->fd = -1;
	caller_init(&tcp->base, &tcp_ops, options);
	error = connect_to(tcp, &options->address, why);
	if (error)
		caller_close(&tcp->base);
	else
		*ret = &tcp->base;
	return error;
}
